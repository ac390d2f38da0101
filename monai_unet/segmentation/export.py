"""A bundle's network in a file that other programs run, compared with PyTorch before it appears under its name."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from monai_unet.bundle_format import (
    Bundle,
    build_parts,
    bundle_parser,
    load_weights,
    named_as_shown,
    own_imports,
    require_trust,
    trusted_copy,
)
from monai_unet.errors import InputError
from monai_unet.inferers import compiled_file, openvino_installed, openvino_module
from monai_unet.io import claim_names, sha256_of, write_text

ExportFormat = Literal["onnx", "torchscript", "openvino"]
SUFFIXES: dict[ExportFormat, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "torchscript": (".ts",),
    "openvino": (".xml", ".bin"),
}
"""The files that each format has; the first is the one to open."""

TOLERANCE = 1e-3
"""Largest difference of logits to PyTorch's, relative to their spread, with which a file is kept."""

_OPSET, _SMALLEST = 17, 16
Run = Callable[[Tensor], Tensor]


class _Logits(nn.Module):
    """A network whose answer is one tensor: of several heads the first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network(image)
        return logits[0] if isinstance(logits, tuple | list) else logits


@dataclass(frozen=True)
class Exported:
    """A file that was found to give what PyTorch gives.

    Attributes:
        file: to open.
        difference: largest, of logits, relative to their spread.
        sizes: of the inputs that it was compared at, voxels along each axis.
        note: "" or what its user must know.
    """

    file: Path
    difference: float
    sizes: tuple[tuple[int, ...], ...]
    note: str = ""


def export_bundle(
    bundle: Bundle,
    folder: Path,
    to: ExportFormat,
    *,
    size: Sequence[int] = (64, 64, 64),
    trust: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a bundle's network as `<name>.onnx`, `.ts` or `.xml` with `.bin`, and `<name>.<to>.json` about it.

    The network alone: image (N, C, D, H, W) as the bundle's preprocessing leaves it, to logits of the same size.

    Args:
        size: voxels of the input that it is exported and compared at; a second, larger one tells whether it is free.
        trust: consent to run a bundle that is not built in.
        overwrite: replace files of an earlier export.

    Raises:
        InputError: it cannot be exported to this format, its results differ from PyTorch's, or what compares them is
            not installed.
    """
    if len(size) != 3 or min(size) < _SMALLEST:
        raise InputError(f"the size must be three numbers of voxels, each {_SMALLEST} or more; got {tuple(size)}.")
    if to == "openvino" and not openvino_installed():
        raise InputError('OpenVINO is not installed: pip install "monai-unet[openvino]".')
    require_trust(bundle, consent=trust)
    names = [f"{bundle.name}{suffix}" for suffix in SUFFIXES[to]]
    claim_names(folder, [*names, f"{bundle.name}.{to}.json"], overwrite=overwrite, hint="or say --overwrite")
    with _network(bundle) as (network, weights):
        channels = _channels(network)
        first = _example(channels, size)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as temporary, _quiet():
            made = Path(temporary) / names[0]
            run = _written(network, first, made, to)
            found = _compared(network, run, first, made)
            about = {
                "bundle": bundle.name,
                "version": bundle.description.version,
                "weights_sha256": weights,
                "file_sha256": {name: sha256_of(made.with_name(name)) for name in names},
                "input": {"name": "image", "channels": channels, "axes": bundle.description.axes},
                "output": {"name": "logits", "labels": bundle.description.label_names},
                "compared_at": [list(one) for one in found.sizes],
                "largest_difference": found.difference,
                "note": found.note,
            }
            for name in reversed(names):
                os.replace(made.with_name(name), folder / name)
    write_text(folder / f"{bundle.name}.{to}.json", json.dumps(about, indent=2) + "\n")
    return Exported(folder / names[0], found.difference, found.sizes, found.note)


@contextlib.contextmanager
def _network(bundle: Bundle) -> Iterator[tuple[nn.Module, str]]:
    runs = trusted_copy(bundle)
    with named_as_shown(runs), own_imports(runs):
        if bundle.kind == "editor":
            parser = bundle_parser(runs)
            parser.read_config(str(runs.root / "configs" / "inference.json"))
            network: nn.Module = parser.get_parsed_content("network_def")
            sha256 = load_weights(network, runs.root / "models" / "model.pt")
        else:
            parts = build_parts(bundle, device=torch.device("cpu"))
            network, sha256 = parts.network, parts.weights_sha256
        yield _Logits(network).eval(), sha256


def _channels(network: nn.Module) -> int:
    first = next((layer for layer in network.modules() if isinstance(layer, nn.Conv3d)), None)
    if first is None:
        raise InputError("the network has no convolution in three dimensions; only such networks are exported.")
    return first.in_channels


def _example(channels: int, size: Sequence[int]) -> Tensor:
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def _written(network: nn.Module, example: Tensor, file: Path, to: ExportFormat) -> Run:
    """Write the file, and give what runs it."""
    write = {"onnx": _write_onnx, "torchscript": _write_torchscript, "openvino": _write_openvino}[to]
    try:
        with torch.no_grad():
            return write(network, example, file)
    except InputError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
        raise InputError(f"the network cannot be exported to {to} ({reason}); try another format.") from error


def _write_torchscript(network: nn.Module, example: Tensor, file: Path) -> Run:
    try:
        script = torch.jit.script(network)
    except Exception:
        script = torch.jit.trace(network, example, check_trace=False)
    torch.jit.save(script, file)
    loaded = torch.jit.load(file)
    return lambda image: loaded(image)


def _write_onnx(network: nn.Module, example: Tensor, file: Path) -> Run:
    free = {0: "batch", 2: "depth", 3: "height", 4: "width"}
    torch.onnx.export(
        network,
        (example,),
        file,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": free, "logits": free},
        opset_version=_OPSET,
        dynamo=False,
    )
    runtime = _onnx_runtime(file)
    return runtime if runtime is not None else _compiled(file)


def _write_openvino(network: nn.Module, example: Tensor, file: Path) -> Run:
    free = [-1, example.shape[1], -1, -1, -1]
    model = openvino_module().convert_model(network, example_input=example, input=[free])
    openvino_module().save_model(model, file, compress_to_fp16=False)
    return _compiled(file)


def _compiled(file: Path) -> Run:
    if not openvino_installed():
        raise InputError("nothing is here to compare an ONNX file with PyTorch: pip install onnxruntime.")
    model = compiled_file(file)
    return lambda image: torch.from_numpy(model(image.numpy()))


def _onnx_runtime(file: Path) -> Run | None:
    """None where it is not installed; it sends nothing anywhere."""
    before = os.environ.get("ORT_DISABLE_TELEMETRY")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        return None
    finally:
        if before is None:
            del os.environ["ORT_DISABLE_TELEMETRY"]
        else:
            os.environ["ORT_DISABLE_TELEMETRY"] = before
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


def _compared(network: nn.Module, run: Run, first: Tensor, file: Path) -> Exported:
    difference = _difference(network, run, first)
    if difference > TOLERANCE:
        raise InputError(
            f"the exported network differs from PyTorch's by {difference:.2g} of the logits' spread; nothing was "
            "written."
        )
    sizes = tuple(first.shape[2:])
    larger = _example(first.shape[1], [sizes[0] + 32, sizes[1], sizes[2] + 64])
    fixed = f"It holds for inputs of {sizes[0]} × {sizes[1]} × {sizes[2]} voxels alone."
    try:
        second = _difference(network, run, larger)
    except Exception:
        return Exported(file, difference, (sizes,), fixed)
    if second > TOLERANCE:
        return Exported(file, difference, (sizes,), fixed)
    return Exported(file, max(difference, second), (sizes, tuple(larger.shape[2:])))


def _difference(network: nn.Module, run: Run, image: Tensor) -> float:
    with torch.no_grad():
        expected, found = network(image), run(image)
    if expected.shape != found.shape:
        return float("inf")
    difference = float((expected - found).abs().max() / expected.std().clamp_min(1e-6))
    return difference if np.isfinite(difference) else float("inf")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about how they trace
        yield
