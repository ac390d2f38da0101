"""Which paths may hold a volume, told without importing what reads them."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Those of `monai_unet.io.formats`, written again: importing it takes seconds, and napari asks about every file."""


def may_hold_volume(path: Path) -> bool:
    """Whether a file or a folder is worth a look inside."""
    if path.is_dir():
        return True
    return path.is_file() and (path.name.lower().endswith((*SUFFIXES, ".zip", ".dcm")) or _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
