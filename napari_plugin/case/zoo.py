"""MONAI's Model Zoo: what it offers, downloading one bundle, and the licence it comes under (no Qt).

Nothing is asked of the network before the user asks for the list. What is downloaded is checked against the hash that
the zoo states, unpacked without running anything, and runs only after consent (`monai_unet.bundle_format.trust`).
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from monai_unet.bundle_format import Bundle, is_bundle, unpack, user_folder
from monai_unet.errors import InputError

INDEX = "https://raw.githubusercontent.com/Project-MONAI/model-zoo/dev/models/model_info.json"
"""The list that `monai.bundle.get_all_bundles_list` reads too: `<name>_v<version>` → source and SHA-1."""

_SECONDS = 30
_CHUNK = 1 << 18
_OTHER_TASKS = re.compile(
    "classification|detection|gan$|generati|landmark|pathology|endoscopic|autoencoder|diffusion|nuclei|hovernet|image_to",
    re.IGNORECASE,
)
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "docs/license.txt", "docs/data_license.txt")


@dataclass(frozen=True)
class ZooModel:
    """One bundle of the zoo in its newest version; `sha1` is what the archive must hash to."""

    name: str
    version: str
    url: str
    sha1: str


def list_models(index: str = INDEX) -> list[ZooModel]:
    """The zoo's bundles that segment volumes, by name, each in its newest version.

    Raises:
        InputError: the list cannot be fetched, or is not what it should be.
    """
    try:
        with _open(index) as response:
            stated: dict[str, dict[str, str]] = json.load(response)
    except (OSError, ValueError) as error:
        raise InputError(_unreachable(error)) from error
    newest: dict[str, ZooModel] = {}
    for key, entry in stated.items():
        name, _, version = key.rpartition("_v")
        if not name or _OTHER_TASKS.search(name) or not str(entry.get("source", "")).endswith(".zip"):
            continue
        known = newest.get(name)
        if known is None or _numbers(version) > _numbers(known.version):
            newest[name] = ZooModel(name, version, entry["source"], entry.get("checksum", ""))
    return [newest[name] for name in sorted(newest, key=str.lower)]


def download(model: ZooModel, folder: Path | None = None) -> Generator[tuple[int, int], None, Bundle]:
    """Fetch and unpack a bundle into the user's folder; yields (bytes fetched, bytes in all or 0).

    Stopped or failed, it leaves nothing behind.

    Raises:
        InputError: it is there already, cannot be fetched, is not the file that the zoo states, or is no bundle.
    """
    folder = folder or user_folder()
    if (folder / model.name).exists():
        raise InputError(f"{folder / model.name} is there already; remove that folder to download the bundle again.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
        archive = Path(temporary) / f"{model.name}.zip"
        found = yield from _fetch(model.url, archive)
        if model.sha1 and found != model.sha1:
            raise InputError(
                f"The download of {model.name} is not the file that the Model Zoo states "
                f"(SHA-1 {found[:12]}… instead of {model.sha1[:12]}…); nothing was installed."
            )
        root = unpack(archive, Path(temporary) / "unpacked")
        if not is_bundle(root):
            raise InputError(f"{model.name} holds no configs/metadata.json and is no MONAI bundle.")
        problem = Bundle(model.name, root, built_in=False).problem
        if problem:
            raise InputError(f"{model.name} was not installed: {problem.replace(str(root), model.name)}")
        root.rename(folder / model.name)
    return Bundle(model.name, folder / model.name, built_in=False)


def licence_of(bundle: Bundle) -> str:
    """What a bundle says about its copyright and licences, its files in full; a warning where it says nothing."""
    description = bundle.description
    parts = [text for text in (description.copyright, description.license) if text]
    if description.data_source:
        parts.append(f"Trained on: {description.data_source}")
    for name in _LICENCE_FILES:
        path = bundle.root / name
        if path.is_file():
            parts.append(f"-- {name} --\n{path.read_text(encoding='utf-8', errors='replace').strip()}")
    return "\n\n".join(parts) or "This bundle states no licence: ask its authors before you use it."


def _fetch(url: str, path: Path) -> Generator[tuple[int, int], None, str]:
    """SHA-1 of what was fetched."""
    digest, done = hashlib.sha1(), 0
    try:
        with _open(url) as response, path.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                yield done, total
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputError(_unreachable(error)) from error
    return digest.hexdigest()


def _open(url: str) -> HTTPResponse:
    return cast(HTTPResponse, urllib.request.urlopen(urllib.request.Request(url), timeout=_SECONDS))


def _unreachable(error: Exception) -> str:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return f"MONAI's Model Zoo cannot be reached ({reason}); check the network, or choose a folder with Own folder…"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
