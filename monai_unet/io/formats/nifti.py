"""NIfTI-1 and -2 files, plain or gzipped, read and written without turning the voxels in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from isal import igzip, igzip_lib
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.atomic import atomic_path
from monai_unet.io.formats.header_guard import shear_degrees, trusted_grid
from monai_unet.io.formats.label_table import LabelEntry, LabelTable, from_caret_xml, to_caret_xml

SUFFIXES: tuple[str, ...] = (".nii.gz", ".nii")
CARET_EXTENSION = 30
_GZIP = b"\x1f\x8b"
_LARGEST_DEFLATE_RATIO = 1100
_GEOMETRY = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip


def is_nifti(head: bytes) -> bool:
    """Whether a file that begins so is NIfTI (a gzipped one must be given decompressed)."""
    sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    return (348 in sizes and head[344:347] in (b"n+1", b"ni1")) or (540 in sizes and head[4:7] == b"n+2")


def read(path: Path) -> tuple[NDArray[np.number], Grid, tuple[str, ...]]:
    """Voxels in the file's axis order (x fastest in memory), their grid, and notes (empty when nothing is unusual).

    Raises:
        InputError: damaged, cut short, not one 3D volume of grey values, or of contradictory geometry.
    """
    try:
        with _opened(path) as stream:
            header = _header(stream, path)
            shape = _volume_shape(header, path)
            grid, notes = trusted_grid(header, shape, path)
            array = _voxels(stream, header, shape, path)
    except (EOFError, OSError, ValueError, igzip_lib.IsalError, HeaderDataError) as error:  # type: ignore[misc]
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as NIfTI, it is damaged or cut short ({error}); copy it again."
        ) from None
    return array, grid, notes


def read_label_table(path: Path) -> dict[int, LabelEntry]:
    """Names and colours that the header gives to labels; empty where there are none."""
    with _opened(path) as stream:
        header = _header(stream, path)
    tables = [from_caret_xml(extension.content) for extension in header.extensions]
    return next(filter(None, tables), {})


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as plain:
        zipped = plain.read(2) == _GZIP
        plain.seek(0)
        if zipped:
            with igzip.IGzipFile(fileobj=plain, mode="rb") as stream:
                yield stream  # type: ignore[misc]
        else:
            yield plain


def _header(stream: BinaryIO, path: Path) -> nib.Nifti1Header:
    head = stream.read(540)
    if not is_nifti(head):
        raise InputError(f"{path} is not NIfTI, whatever its name says; give a .nii or .nii.gz file.")
    if head[344:347] == b"ni1":
        raise InputError(f"{path} is half of a .hdr/.img pair; save it as one .nii file.")
    kind = nib.Nifti1Header if 348 in _first_integers(head) else nib.Nifti2Header
    stream.seek(0)
    return kind.from_fileobj(stream, check=False)


def _first_integers(head: bytes) -> set[int]:
    return {int.from_bytes(head[:4], order) for order in ("little", "big")}


def _volume_shape(header: nib.Nifti1Header, path: Path) -> tuple[int, int, int]:
    shape = [int(n) for n in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    text = "×".join(map(str, shape))
    if len(shape) > 3:
        raise InputError(f"{path} holds several volumes ({text}); split it and give one 3D volume.")
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{path} has shape {text}, not a 3D volume; give one volume.")
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {_kind(dtype)}, not grey values or labels; export it as one number per voxel.")
    return shape[0], shape[1], shape[2]


def _kind(dtype: np.dtype[np.generic]) -> str:
    return "colours" if dtype.kind == "V" else "complex numbers" if dtype.kind == "c" else f"voxels of type {dtype}"


def _voxels(stream: BinaryIO, header: nib.Nifti1Header, shape: tuple[int, int, int], path: Path) -> NDArray[np.number]:
    dtype = header.get_data_dtype()
    length = dtype.itemsize * shape[0] * shape[1] * shape[2]
    if length > _LARGEST_DEFLATE_RATIO * path.stat().st_size:
        raise InputError(f"{path} is cut short: {path.stat().st_size} bytes cannot hold its {length}; copy it again.")
    stream.seek(int(header["vox_offset"]))
    array = np.empty(shape[::-1], dtype=dtype)
    memory, filled = array.reshape(-1).view(np.uint8), 0
    while filled < length:
        read = stream.readinto(memory[filled:])  # type: ignore[attr-defined]
        if not read:
            raise InputError(f"{path} is cut short: {length - filled} of {length} bytes are missing; copy it again.")
        filled += read
    # gzip's checksum is behind the last byte
    while stream.read(1 << 20):
        pass
    return _scaled(array, header).T


def _scaled(array: NDArray[np.number], header: nib.Nifti1Header) -> NDArray[np.number]:
    slope, intercept = header.get_slope_inter()
    if slope is None or (slope == 1.0 and not intercept):
        return array
    return array * float(slope) + float(intercept or 0.0)


def write(
    path: Path, array: NDArray[np.number], grid: Grid, *, like: Path | None = None, labels: LabelTable | None = None
) -> None:
    """Write voxels in the axis order of `grid`; names and colours of `labels` go into a header extension.

    Affine, pixdim, sform and qform with their codes, and units are those of the NIfTI file `like`, bit for bit.
    """
    kind = nib.Nifti1Header if max(array.shape) < 1 << 15 else nib.Nifti2Header
    header = kind()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    _set_geometry(header, grid, _nifti_header(like))
    if labels:
        header.extensions.append(nib.nifti1.Nifti1Extension(CARET_EXTENSION, to_caret_xml(labels)))
    zipped = path.name.lower().endswith(".gz")
    with atomic_path(path) as temporary:
        stream = igzip.open(temporary, "wb", compresslevel=1) if zipped else temporary.open("wb")
        with stream:
            header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
            header.write_to(stream)
            stream.write(b"\0" * (int(header["vox_offset"]) - stream.tell()))
            stream.write(np.ascontiguousarray(array.T).reshape(-1).view(np.uint8).data)


def _nifti_header(path: Path | None) -> nib.Nifti1Header | None:
    if path is None or not path.is_file():
        return None
    try:
        with _opened(path) as stream:
            return _header(stream, path)
    except (InputError, EOFError, OSError, ValueError, igzip_lib.IsalError, HeaderDataError):  # type: ignore[misc]
        return None


def _set_geometry(header: nib.Nifti1Header, grid: Grid, source: nib.Nifti1Header | None) -> None:
    if source is not None:
        for name in _GEOMETRY:
            header[name] = source[name]
        header["pixdim"][:4] = source["pixdim"][:4]
        return
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, code=1)
    # a qform cannot express shear
    header.set_qform(grid.affine, code=0 if shear_degrees(grid.affine) > 1e-3 else 1, strip_shears=True)
    header["pixdim"][1:4] = grid.spacing
