"""Weights as tensors and nothing else: a file that could run code when opened is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
import yaml
from torch import Tensor, nn

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.errors import InputError
from monai_unet.io import file_hash


def load_weights(network: nn.Module, path: str | Path, *, key: str = "model") -> str:
    """Load a state dict, plain or under `key` of a larger checkpoint, from a PyTorch or safetensors file.

    Returns:
        SHA-256 of the file that was loaded.

    Raises:
        InputError: missing, damaged, changed meanwhile, not only tensors, or of another network.
    """
    path = Path(path)
    state, sha256 = read_hashed(path)
    for name in (key, "model", "state_dict", "network"):
        if isinstance(state.get(name), Mapping):
            state = state[name]
            break
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds weights of another network than the bundle describes ({_first_sentence(error)}); "
            "give the checkpoint that belongs to this bundle."
        ) from error
    return sha256


def read_tensors(path: Path) -> dict[str, Any]:
    """The content of a weights file: tensors and plain values, no objects.

    Raises:
        InputError: missing, damaged, changed meanwhile, or holding more than tensors.
    """
    return read_hashed(path)[0]


def read_hashed(path: Path) -> tuple[dict[str, Any], str]:
    """The content of a weights file and its SHA-256, both of one opened file that stayed as it was.

    Raises:
        InputError: as `read_tensors`.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; download or train the weights, or name a file with --checkpoint.")
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            state = _tensors(file, path.suffix)
            after = os.fstat(file.fileno())
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as weights: it is damaged, or holds more than tensors, which is refused because "
            f"such a file can run code ({_first_sentence(error)})."
        ) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{path} was changed while it was being read; try again once it is complete.")
    return state, sha256


def _tensors(file: IO[bytes], suffix: str) -> dict[str, Any]:
    if suffix == ".safetensors":
        from safetensors.torch import load

        return dict(load(file.read()))
    return dict(torch.load(file, map_location="cpu", weights_only=True))


def check_stated_hash(bundle: Bundle, path: Path) -> None:
    """Compare a bundle's weights with the hash it states, in `large_files.yml` (Model Zoo) or its metadata.

    Raises:
        InputError: they differ.
    """
    stated = _stated_hash(bundle, path)
    if stated is None:
        return
    algorithm, expected = stated
    found = file_hash(path, algorithm)
    if found != expected.lower():
        raise InputError(
            f"{path} is not the file that the bundle '{bundle.name}' states ({algorithm} {found[:12]}… instead of "
            f"{expected[:12]}…); download it again."
        )


def state_sha256(network: nn.Module) -> str:
    """SHA-256 over the names and values of a network's weights, for weights that came from no file."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _stated_hash(bundle: Bundle, path: Path) -> tuple[str, str] | None:
    own = bundle.description.weights_sha256
    if own and path == bundle.root / "models" / "model.pt":
        return "sha256", own
    for name in ("large_files.yml", "large_files.yaml", "large_files.json"):
        listing = bundle.root / name
        if not listing.is_file():
            continue
        entries = yaml.safe_load(listing.read_text(encoding="utf-8")) or {}
        for entry in entries.get("large_files", []):
            algorithm = str(entry.get("hash_type", ""))
            if bundle.root / str(entry.get("path")) == path and algorithm in ("md5", "sha1", "sha256", "sha512"):
                return algorithm, str(entry.get("hash_val", ""))
    return None


def _first_sentence(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200].rstrip(".") if lines else type(error).__name__
