"""NRRD and MetaImage files through SimpleITK."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, spacing_of
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import LPS_TO_RAS
from monai_unet.io.formats.header_guard import shear_degrees
from monai_unet.io.formats.itk_header import (
    TextHeader,
    check_dimensions,
    check_length,
    check_meta,
    check_nrrd,
    data_file,
    meta_header,
    nrrd_header,
)
from monai_unet.io.formats.label_table import LabelEntry, LabelTable, from_slicer_keys, to_slicer_keys
from monai_unet.io.limits import check_need, named

NRRD_SUFFIXES: tuple[str, ...] = (".seg.nrrd", ".nrrd", ".nhdr")
META_SUFFIXES: tuple[str, ...] = (".mha", ".mhd")
_LARGEST_DEFLATE_RATIO = 1100
_LEAST_FREE = 1 << 20


def is_nrrd(head: bytes) -> bool:
    """Whether a file that begins so is NRRD."""
    return head.startswith(b"NRRD000")


def is_meta(head: bytes) -> bool:
    """Whether a file that begins so is a MetaImage header."""
    return re.match(rb"\s*(ObjectType|NDims|Comment)\s*=", head) is not None


def read(path: Path) -> tuple[NDArray[np.number], Grid, tuple[str, ...]]:
    """Voxels in the file's axis order (x fastest in memory), their grid, and notes (empty when nothing is unusual).

    Raises:
        InputError: damaged, cut short, longer than its header says, not one 3D volume of grey values, or without
            orientation.
    """
    with named(path):
        reader, notes = _checked(path, whole=True)
        image = reader.Execute()
        grid, more = _grid(image, path)
        return sitk.GetArrayFromImage(image).T, grid, (*notes, *more)


def read_grid(path: Path) -> tuple[Grid, tuple[str, ...]]:
    """Grid and notes from the header alone; the voxels stay on disk.

    Raises:
        InputError: as `read`, as far as the header shows.
    """
    with named(path):
        reader, notes = _checked(path, whole=False)
        grid, more = _grid(reader, path)
        return grid, (*notes, *more)


def _checked(path: Path, *, whole: bool) -> tuple[sitk.ImageFileReader, list[str]]:
    """A reader that has read the header, and what was decided about it."""
    header, nrrd = _text_header(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path} cannot be read, it is damaged or cut short ({reason}); copy it again.") from None
    return reader, _check(reader, header, nrrd=nrrd, whole=whole)


def _text_header(path: Path) -> tuple[TextHeader, bool]:
    """Fields of a header that ITK can be given, and whether it is NRRD."""
    with path.open("rb") as stream:
        nrrd = is_nrrd(stream.read(8))
    header = nrrd_header(path) if nrrd else meta_header(path)
    check_dimensions(header, "dimension" if nrrd else "NDims")
    return header, nrrd


def _grid(image: sitk.Image | sitk.ImageFileReader, path: Path) -> tuple[Grid, list[str]]:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    affine = LPS_TO_RAS @ affine
    grid = Grid(image.GetSize(), affine)
    if reason := grid.no_patient():
        raise InputError(f"{path} {reason}")
    angle = shear_degrees(affine)
    notes = [f"axes are {angle:.1f} degrees off perpendicular, the sheared affine is kept"] if angle > 0.1 else []
    return grid, notes


def read_label_table(path: Path) -> dict[int, LabelEntry]:
    """Names and colours that 3D Slicer's keys give to labels; empty where there are none."""
    with named(path):
        _text_header(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        return from_slicer_keys({key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()})


def _check(reader: sitk.ImageFileReader, header: TextHeader, *, nrrd: bool, whole: bool) -> list[str]:
    path, size = header.path, reader.GetSize()
    text = "×".join(map(str, size))
    components = reader.GetNumberOfComponents()
    if len(size) != 3 or min(size) < 1:
        raise InputError(f"{path} has shape {text}, not a 3D volume; give one volume.")
    if components != 1:
        raise InputError(
            f"{path} holds {components} numbers per voxel (colour, vectors or several layers); export one."
        )
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} holds complex numbers, not grey values or labels; export the magnitude.")
    notes = check_nrrd(header) if nrrd else check_meta(header)
    data = data_file(header, ("data file", "datafile") if nrrd else ("ElementDataFile",))
    # ITK would believe the header and fill the memory
    bits = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    needed = size[0] * size[1] * size[2] * int(bits[1] if bits else 8) // 8
    if needed > _LARGEST_DEFLATE_RATIO * data.stat().st_size:
        raise InputError(f"{data} is cut short: {data.stat().st_size} bytes cannot hold {needed}; copy it again.")
    if whole:
        # once in ITK, once as an array, once in the type asked for
        check_need(2 * needed + 4 * size[0] * size[1] * size[2], path)
        check_length(header, data, needed, nrrd=nrrd)
    return notes


def write(
    path: Path, array: NDArray[np.number], grid: Grid, *, like: Path | None = None, labels: LabelTable | None = None
) -> None:
    """Write voxels in the axis order of `grid`; names and colours of `labels` as 3D Slicer's keys (NRRD).

    Raises:
        InputError: a suffix of two files, header and voxels, which could not appear together.
    """
    if path.suffix.lower() in (".nhdr", ".mhd"):
        whole = {".nhdr": ".nrrd", ".mhd": ".mha"}[path.suffix.lower()]
        raise InputError(f"{path} would be two files, of which one can be lost; write {whole}, which is one.")
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = LPS_TO_RAS @ grid.affine
    image.SetSpacing(spacing_of(affine))
    image.SetDirection((affine[:3, :3] / spacing_of(affine)).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    if labels and path.name.lower().endswith(NRRD_SUFFIXES):
        for key, value in to_slicer_keys(labels, array).items():
            image.SetMetaData(key, value)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
        except RuntimeError as error:
            raise _reason_not_written(temporary, error) from None
        _check_written(temporary, array)


def _check_written(path: Path, array: NDArray[np.number]) -> None:
    """ITK does not look whether all was written."""
    written = sitk.ReadImage(str(path)) if _has_end(path) else None
    if written is None or not np.array_equal(sitk.GetArrayViewFromImage(written), array.T):
        raise _reason_not_written(path, RuntimeError("it was not written whole"))


def _has_end(path: Path) -> bool:
    try:
        _checked(path, whole=True)
    except InputError:
        return False
    return True


def _reason_not_written(path: Path, error: RuntimeError) -> OSError:
    free = shutil.disk_usage(path.parent).free
    if free < _LEAST_FREE:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return OSError(errno.EIO, str(error).strip().splitlines()[-1], str(path))
