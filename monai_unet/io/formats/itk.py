"""NRRD and MetaImage files through SimpleITK."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, spacing_of
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import LPS_TO_RAS
from monai_unet.io.formats.header_guard import shear_degrees
from monai_unet.io.formats.label_table import LabelEntry, LabelTable, from_slicer_keys, to_slicer_keys

NRRD_SUFFIXES: tuple[str, ...] = (".seg.nrrd", ".nrrd", ".nhdr")
META_SUFFIXES: tuple[str, ...] = (".mha", ".mhd")
_LARGEST_DEFLATE_RATIO = 1100
_HEADER_BYTES = 1 << 16
# What says, in the text header, where the axes point; without it ITK silently assumes an identity.
_ORIENTATION = {b"NRRD": rb"(?m)^space directions:", b"Meta": rb"(?m)^(TransformMatrix|Orientation|Rotation)\s*="}
_DATA_FILE = {b"NRRD": rb"(?m)^data ?file:\s*(.+?)\s*$", b"Meta": rb"(?m)^ElementDataFile\s*=\s*(.+?)\s*$"}


def is_nrrd(head: bytes) -> bool:
    """Whether a file that begins so is NRRD."""
    return head.startswith(b"NRRD000")


def is_meta(head: bytes) -> bool:
    """Whether a file that begins so is a MetaImage header."""
    return re.match(rb"\s*(ObjectType|NDims|Comment)\s*=", head) is not None


def read(path: Path) -> tuple[NDArray[np.number], Grid, tuple[str, ...]]:
    """Voxels in the file's axis order (x fastest in memory), their grid, and notes (empty when nothing is unusual).

    Raises:
        InputError: damaged, cut short, not one 3D volume of grey values, or without orientation.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check(reader, path)
        image = reader.Execute()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path} cannot be read, it is damaged or cut short ({reason}); copy it again.") from None
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    affine = LPS_TO_RAS @ affine
    angle = shear_degrees(affine)
    notes = (f"axes are {angle:.1f} degrees off perpendicular, the sheared affine is kept",) if angle > 0.1 else ()
    return sitk.GetArrayFromImage(image).T, Grid(image.GetSize(), affine), notes


def read_label_table(path: Path) -> dict[int, LabelEntry]:
    """Names and colours that 3D Slicer's keys give to labels; empty where there are none."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return from_slicer_keys({key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()})


def _check(reader: sitk.ImageFileReader, path: Path) -> None:
    size = reader.GetSize()
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
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    kind = b"NRRD" if is_nrrd(head) else b"Meta"
    if not re.search(_ORIENTATION[kind], head):
        raise InputError(f"{path} states no orientation, left and right cannot be told; export it again with geometry.")
    data = _data_file(path, head, kind)
    # ITK would believe the header and fill the memory
    bits = re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    needed = size[0] * size[1] * size[2] * int(bits[1] if bits else 8) // 8
    if needed > _LARGEST_DEFLATE_RATIO * data.stat().st_size:
        raise InputError(f"{data} is cut short: {data.stat().st_size} bytes cannot hold {needed}; copy it again.")


def _data_file(path: Path, head: bytes, kind: bytes) -> Path:
    """The file with the voxels: another one for detached headers."""
    match = re.search(_DATA_FILE[kind], head)
    name = match[1].decode("utf-8", "replace") if match else "LOCAL"
    if name == "LOCAL":
        return path
    data = path.parent / name
    if not data.is_file():
        raise InputError(f"{path} names {name} as the file of its voxels, which is not beside it; copy both.")
    return data


def write(
    path: Path, array: NDArray[np.number], grid: Grid, *, like: Path | None = None, labels: LabelTable | None = None
) -> None:
    """Write voxels in the axis order of `grid`; names and colours of `labels` as 3D Slicer's keys (NRRD)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    affine = LPS_TO_RAS @ grid.affine
    image.SetSpacing(spacing_of(affine))
    image.SetDirection((affine[:3, :3] / spacing_of(affine)).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    if labels and path.name.lower().endswith(NRRD_SUFFIXES):
        for key, value in to_slicer_keys(labels, array).items():
            image.SetMetaData(key, value)
    with atomic_path(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
