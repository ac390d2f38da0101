"""NIfTI-1 and -2 files, plain or gzipped, read and written without turning the voxels in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from isal import igzip
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.atomic import atomic_path
from monai_unet.io.formats.header_guard import shear_degrees, trusted_grid
from monai_unet.io.formats.label_table import LabelEntry, LabelTable, from_caret_xml, to_caret_xml
from monai_unet.io.limits import check_need, named

SUFFIXES: tuple[str, ...] = (".nii.gz", ".nii")
CARET_EXTENSION = 30
_GZIP = b"\x1f\x8b"
_LARGEST_DEFLATE_RATIO = 1100
_LARGEST_OFFSET = 1 << 28
_PADDING = 15
"""Bytes behind the voxels that some writers add to reach a round number."""
_LARGE = 1e18
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
        InputError: damaged, cut short, longer than its header says, not one 3D volume of grey values, or of
            contradictory geometry.
    """
    with named(path, "NIfTI"), _opened(path) as stream:
        header = _header(stream, path)
        shape = _volume_shape(header, path)
        grid, notes = trusted_grid(header, shape, path)
        scaling, more = _scaling(header, path)
        array = _voxels(stream, header, shape, path, scaled=scaling is not None)
        return _scaled(array, scaling, path).T, grid, (*notes, *more)


def read_grid(path: Path) -> tuple[Grid, tuple[str, ...]]:
    """Grid and notes from the header alone; the voxels stay on disk.

    Raises:
        InputError: as `read`, as far as the header shows.
    """
    with named(path, "NIfTI"), _opened(path) as stream:
        header = _header(stream, path)
        shape = _volume_shape(header, path)
        grid, notes = trusted_grid(header, shape, path)
        _, more = _scaling(header, path)
        length = _length(header, shape)
        _check_possible(length, path)
        if isinstance(stream, io.BufferedReader):
            _check_length(int(header["vox_offset"]), length, path.stat().st_size, path)
    return grid, (*notes, *more)


def read_one_of_several(path: Path, index: int) -> tuple[NDArray[np.number], Grid, tuple[str, ...]]:
    """One volume of a 4D file, as `read` gives the volume of a 3D file.

    Raises:
        InputError: as `read`, or the file does not hold as many volumes.
    """
    with named(path, "NIfTI"), _opened(path) as stream:
        header = _header(stream, path)
        whole = tuple(int(n) for n in header.get_data_shape())
        if len(whole) != 4 or not 0 <= index < whole[3]:
            raise InputError(f"{path} has shape {whole}; a 4D file with at least {index + 1} volumes is needed.")
        header.set_data_shape(whole[:3])
        shape = _volume_shape(header, path)
        grid, notes = trusted_grid(header, shape, path)
        scaling, more = _scaling(header, path)
        array = _voxels(
            stream, header, shape, path, scaled=scaling is not None, before=index, behind=whole[3] - 1 - index
        )
        return _scaled(array, scaling, path).T, grid, (*notes, *more)


def coordinate_system(path: Path) -> int:
    """Code of the coordinate system that the affine leads to (scanner, Talairach, MNI, …), 0 where none is stated.

    Raises:
        InputError: no NIfTI file.
    """
    with named(path, "NIfTI"), _opened(path) as stream:
        header = _header(stream, path)
    return int(header["sform_code"]) or int(header["qform_code"])


def read_label_table(path: Path) -> dict[int, LabelEntry]:
    """Names and colours that the header gives to labels; empty where there are none."""
    with named(path, "NIfTI"), _opened(path) as stream:
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
    size = kind.template_dtype.itemsize
    if len(head) < size:
        raise InputError(f"{path} is cut short, it ends in its header; copy it again.")
    offset = float(kind(head[:size], check=False)["vox_offset"])
    # four bytes behind the header say whether extensions follow
    if not (size + 4 <= offset <= _LARGEST_OFFSET and offset == int(offset)):
        raise InputError(
            f"{path} contradicts itself: its voxels begin at byte {offset:g} by its header (vox_offset), which is no "
            "place behind the header; export it again."
        )
    stream.seek(0)
    return kind.from_fileobj(stream, check=False)


def _first_integers(head: bytes) -> set[int]:
    return {int.from_bytes(head[:4], order) for order in ("little", "big")}


def _volume_shape(header: nib.Nifti1Header, path: Path) -> tuple[int, int, int]:
    shape = [int(n) for n in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    text = "×".join(map(str, shape))
    if len(shape) == 2:
        shape.append(1)
    if len(shape) > 3:
        raise InputError(f"{path} holds several volumes ({text}); split it and give one 3D volume.")
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{path} has shape {text}, not a 3D volume; give one volume.")
    dtype = _voxel_type(header, path)
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {_kind(dtype)}, not grey values or labels; export it as one number per voxel.")
    return shape[0], shape[1], shape[2]


def _kind(dtype: np.dtype[np.generic]) -> str:
    return "colours" if dtype.kind == "V" else "complex numbers" if dtype.kind == "c" else f"voxels of type {dtype}"


def _voxel_type(header: nib.Nifti1Header, path: Path) -> np.dtype[np.number]:
    code = int(header["datatype"])
    if code == 1:
        raise InputError(f"{path} holds one bit per voxel, which is not read; export it with 8 bits.")
    try:
        dtype: np.dtype[np.number] = header.get_data_dtype()
    except Exception:
        raise InputError(f"{path} holds voxels of an unknown type (datatype {code}); export it again.") from None
    stated = int(header["bitpix"])
    if stated not in (0, 8 * dtype.itemsize):
        raise InputError(
            f"{path} contradicts itself: {stated} bits per voxel (bitpix), but voxels of type {dtype.name} (datatype "
            f"{code}); export it again."
        )
    return dtype


def _length(header: nib.Nifti1Header, shape: tuple[int, int, int]) -> int:
    return int(header.get_data_dtype().itemsize) * shape[0] * shape[1] * shape[2]


def _check_possible(length: int, path: Path) -> None:
    size = path.stat().st_size
    if length > _LARGEST_DEFLATE_RATIO * size:
        raise InputError(f"{path} is cut short: {size} bytes cannot hold its {length}; copy it again.")


def _check_length(start: int, length: int, size: int, path: Path) -> None:
    """Compare the bytes of a file that is not compressed with those that its header takes."""
    missing = start + length - size
    if missing > 0:
        raise InputError(f"{path} is cut short: {min(missing, length)} of {length} bytes are missing; copy it again.")
    if -missing > _PADDING:
        raise InputError(
            f"{path} contradicts itself: {-missing} bytes lie behind the {length} that its matrix and voxel type take; "
            "its header is wrong, export it again."
        )


def _voxels(
    stream: BinaryIO,
    header: nib.Nifti1Header,
    shape: tuple[int, int, int],
    path: Path,
    *,
    scaled: bool,
    before: int = 0,
    behind: int = 0,
) -> NDArray[np.number]:
    """Stored voxels of one volume that so many others lie before and behind."""
    dtype, length, start = header.get_data_dtype(), _length(header, shape), int(header["vox_offset"])
    start += before * length
    _check_possible(length, path)
    # the stored voxels, those scaled in double precision, and those asked for
    check_need(length + (12 if scaled else 4) * length / dtype.itemsize, path)
    stream.seek(start)
    array = np.empty(shape[::-1], dtype=dtype)
    memory, filled = array.reshape(-1).view(np.uint8), 0
    while filled < length:
        read = stream.readinto(memory[filled:])  # type: ignore[attr-defined]
        if not read:
            break
        filled += read
    # gzip's checksum is behind the last byte
    allowed, held = behind * length + _PADDING, filled
    while held - length <= allowed and (more := stream.read(1 << 16)):
        held += len(more)
    _check_length(start, length * (1 + behind), start + held, path)
    return array


def _scaling(header: nib.Nifti1Header, path: Path) -> tuple[tuple[float, float] | None, list[str]]:
    """Slope and intercept, None where none is stated, and notes.

    A slope of 0 means none (NIfTI-1), one that is not a number is how nibabel says so.

    Raises:
        InputError: they cannot be understood.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    none_stated = intercept == 0 or np.isnan(intercept)
    if slope == 0:
        note = f"a slope of 0 means no scaling, the intercept of {intercept:g} is not applied"
        return None, [] if none_stated else [note]
    if np.isnan(slope) and none_stated:
        return None, ["the scaling is not a number, voxels are as stored"]
    if not np.isfinite([slope, intercept]).all():
        raise InputError(
            f"{path} has a slope of {slope:g} and an intercept of {intercept:g}, its values cannot be told; "
            "export it again."
        )
    return (None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)), []


def _scaled(array: NDArray[np.number], scaling: tuple[float, float] | None, path: Path) -> NDArray[np.number]:
    if scaling is None:
        return array
    scaled = array * scaling[0] + scaling[1]
    if max(map(abs, scaling)) > _LARGE and np.nanmax(np.abs(scaled), initial=0.0) > np.finfo(np.float32).max:
        raise InputError(
            f"{path} has a slope of {scaling[0]:g} and an intercept of {scaling[1]:g}, beyond what voxels can hold; "
            "export it again."
        )
    return scaled


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
    with atomic_path(path) as temporary, _written(temporary, zipped) as stream:
        header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
        header.write_to(stream)
        stream.write(b"\0" * (int(header["vox_offset"]) - stream.tell()))
        stream.write(np.ascontiguousarray(array.T).reshape(-1).view(np.uint8).data)


@contextmanager
def _written(path: Path, zipped: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as plain:
        if not zipped:
            yield plain
            return
        # without the time and a name, so that the same voxels are the same bytes
        with igzip.IGzipFile("", "wb", compresslevel=1, fileobj=plain, mtime=0) as stream:
            yield stream  # type: ignore[misc]


def _nifti_header(path: Path | None) -> nib.Nifti1Header | None:
    if path is None or not path.is_file():
        return None
    try:
        with _opened(path) as stream:
            return _header(stream, path)
    except Exception:
        # whatever it is, it is no NIfTI header to copy
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
