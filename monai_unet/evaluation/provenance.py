"""Where numbers come from: program, machine and call."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_unet.errors import InputError
from monai_unet.io import sha256_of
from monai_unet.mappings import Json
from monai_unet.version import __version__

if TYPE_CHECKING:
    from monai_unet.bundle_format import Bundle

_PACKAGES = ("monai", "torch", "numpy", "scipy", "nibabel", "pydicom")


def environment() -> Json:
    """Versions of the program, of Python and of the packages that the numbers depend on, and the call."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "monai_unet": __version__,
        "command": " ".join(["monai-unet", *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages,
    }


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def model_of(bundle: Bundle, checkpoint: str | Path = "") -> dict[str, Any]:
    """What is known of a model: name and version of its bundle, SHA-256 of its configs and weights.

    Args:
        checkpoint: other weights that are used instead of the bundle's own.

    Raises:
        InputError: there is no such file of weights.
    """
    files = sorted(p for folder in ("configs", "models") for p in (bundle.root / folder).glob("*") if p.is_file())
    hashes = {path.relative_to(bundle.root).as_posix(): sha256_of(path) for path in files}
    if checkpoint:
        if not Path(checkpoint).is_file():
            raise InputError(f"{checkpoint} does not exist; name a file of weights (--checkpoint).")
        hashes[str(checkpoint)] = sha256_of(checkpoint)
    return {
        "name": bundle.name,
        "version": bundle.description.version,
        "checkpoint": str(checkpoint),
        "sha256": hashes,
    }
