"""Where numbers come from: program, machine and call."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from monai_unet.version import __version__

_PACKAGES = ("monai", "torch", "numpy", "scipy", "nibabel", "pydicom")


def environment() -> dict[str, Any]:
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
