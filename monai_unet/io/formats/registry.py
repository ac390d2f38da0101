"""Volume formats, one line each: found by what a file begins with, and by suffix where a new one is written."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.formats import itk as itk_formats
from monai_unet.io.formats import nifti, picture
from monai_unet.io.formats.label_table import LabelEntry, LabelTable


class Writer(Protocol):
    """Writes voxels in the axis order of a grid."""

    def __call__(
        self,
        path: Path,
        array: NDArray[np.number],
        grid: Grid,
        *,
        like: Path | None = None,
        labels: LabelTable | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class VolumeFormat:
    """One file format: how it is recognised, read (whole, or its grid alone) and written."""

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[Path], tuple[NDArray[np.number], Grid, tuple[str, ...]]]
    read_grid: Callable[[Path], tuple[Grid, tuple[str, ...]]]
    read_label_table: Callable[[Path], dict[int, LabelEntry]]
    write: Writer


FORMATS = (
    VolumeFormat(
        "NIfTI", nifti.SUFFIXES, nifti.is_nifti, nifti.read, nifti.read_grid, nifti.read_label_table, nifti.write
    ),
    VolumeFormat(
        "NRRD",
        itk_formats.NRRD_SUFFIXES,
        itk_formats.is_nrrd,
        itk_formats.read,
        itk_formats.read_grid,
        itk_formats.read_label_table,
        itk_formats.write,
    ),
    VolumeFormat(
        "MetaImage",
        itk_formats.META_SUFFIXES,
        itk_formats.is_meta,
        itk_formats.read,
        itk_formats.read_grid,
        itk_formats.read_label_table,
        itk_formats.write,
    ),
)
PICTURES = VolumeFormat(
    "picture",
    picture.SUFFIXES,
    picture.is_picture,
    picture.read,
    picture.read_grid,
    picture.read_label_table,
    picture.write,
)
"""Read where they are named or listed; a folder of volumes may hold pictures that are no cases."""

_UNREAD: tuple[tuple[Callable[[Path, bytes], bool], str], ...] = (
    (lambda path, head: head[128:132] == b"DICM", "is a gzipped DICOM file; unpack it first"),
    (
        lambda path, head: path.suffix.lower() in (".mgz", ".mgh"),
        "is a FreeSurfer volume, which is not read; convert it with mri_convert to .nii.gz",
    ),
)
PICTURE_SUFFIXES = picture.SUFFIXES
VOLUME_SUFFIXES = tuple(suffix for volume_format in FORMATS for suffix in volume_format.suffixes)


def format_of(path: Path) -> VolumeFormat:
    """Format of a file, by its content.

    Raises:
        InputError: it is none of them.
    """
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(b"\x1f\x8b"):
        head = _decompressed(head)
    for volume_format in (*FORMATS, PICTURES):
        if volume_format.recognises(head):
            return volume_format
    for recognised, what in _UNREAD:
        if recognised(path, head):
            raise InputError(f"{path} {what}.")
    raise InputError(
        f"{path} is not a volume that can be read (it begins with {head[:8]!r}); "
        f"give DICOM or a file of {', '.join(VOLUME_SUFFIXES)}."
    )


def format_to_write(path: Path) -> VolumeFormat:
    """Format of a new file, by its suffix.

    Raises:
        InputError: no format has this suffix.
    """
    for volume_format in (*FORMATS, PICTURES):
        if path.name.lower().endswith(volume_format.suffixes):
            return volume_format
    raise InputError(f"{path.name} names no volume format; end it with one of {', '.join(VOLUME_SUFFIXES)}.")


def _decompressed(head: bytes) -> bytes:
    # only NIfTI comes gzipped; not to the end, where a wrong checksum would hide what the file is
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 352)
    except zlib.error:
        return b""
