"""Consent before a bundle that is not built in may run: its config can name and execute any code."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from monai_unet import paths
from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.errors import InputError
from monai_unet.io import write_text

RUNS_CODE = (".json", ".yaml", ".yml", ".py", ".conf", ".so", ".pyd", ".dll", ".ts")
"""Suffixes of a bundle's files that decide what runs; weights are loaded as tensors and cannot."""


def trusted_file() -> Path:
    """Where consent is remembered: `~/.monai-unet/trusted.json`, folder hash → bundle name."""
    return paths.trusted_file()


def folder_hash(root: Path) -> str:
    """SHA-256 over the relative paths and contents of all files of a bundle that can run something."""
    digest = hashlib.sha256()
    files = sorted(path for path in root.rglob("*") if path.is_file() and _runs_code(path))
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _runs_code(path: Path) -> bool:
    """Also a compiled module that stands in the place of a source file; Python's own cache comes and goes by itself."""
    suffix = path.suffix.lower()
    return suffix in RUNS_CODE or (suffix == ".pyc" and path.parent.name != "__pycache__")


def is_trusted(bundle: Bundle) -> bool:
    """Whether a bundle is built in, or the user has agreed to exactly these files before."""
    return bundle.built_in or folder_hash(bundle.root) in _trusted()


def trust(bundle: Bundle) -> None:
    """Remember the user's consent to run this bundle as it is now; a changed file asks anew."""
    entries = _trusted() | {folder_hash(bundle.root): bundle.name}
    write_text(trusted_file(), json.dumps(entries, indent=2, sort_keys=True) + "\n")


def require_trust(bundle: Bundle, *, consent: bool = False) -> None:
    """Let a trusted bundle pass; with `consent`, remember it as trusted.

    Raises:
        InputError: not built in, and never agreed to in this state.
    """
    if is_trusted(bundle):
        return
    if not consent:
        raise InputError(
            f"the bundle '{bundle.name}' in {bundle.root} is not built in and its config can run any code on this "
            "computer; if you know where it comes from, agree once with --trust."
        )
    trust(bundle)


def unpack(archive: str | Path, folder: str | Path) -> Path:
    """Unpack a bundle's zip or tar archive into a new folder below `folder` and return it.

    Raises:
        InputError: not an archive, or a member that would land outside, is a link, or is not a plain file.
    """
    archive, folder = Path(archive), Path(folder)
    target = folder / archive.name.split(".")[0]
    if target.exists():
        raise InputError(f"{target} exists already; remove it first, or unpack elsewhere.")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                _check_member(archive, info.filename, plain=(info.external_attr >> 28) in (0, 4, 8))
            packed.extractall(target)
    elif archive.is_file() and tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                _check_member(archive, member.name, plain=member.isfile() or member.isdir())
            packed.extractall(target, filter="data")
    else:
        raise InputError(f"{archive} is not a zip or tar archive; give the archive of a bundle.")
    inner = [path for path in target.iterdir() if path.is_dir()]
    return target if (target / "configs").is_dir() or len(inner) != 1 else inner[0]


def _check_member(archive: Path, name: str, *, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or not plain:
        raise InputError(f"{archive} holds '{name}', which would be written outside its folder; it was not unpacked.")


def _trusted() -> dict[str, str]:
    try:
        return dict(json.loads(trusted_file().read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
