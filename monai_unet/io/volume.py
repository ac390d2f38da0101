"""Read any supported volume into the working frame, and write label maps back onto the grid they came from."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import ArrayLike, DTypeLike, NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, from_working_frame, meta_of, source_grid, to_working_frame
from monai_unet.io.dicom import DICOM_SUFFIXES, is_dicom, read_series
from monai_unet.io.formats import PICTURE_SUFFIXES, VOLUME_SUFFIXES, LabelEntry, LabelTable, format_of, format_to_write
from monai_unet.io.limits import named
from monai_unet.io.notes import NOTES

Scalar = TypeVar("Scalar", bound=np.generic)

__all__ = [
    "VOLUME_SUFFIXES",
    "case_name",
    "read_grid",
    "read_label_table",
    "read_volume",
    "write_label_map",
    "write_volume",
]

_EXACT_IN_FLOAT32 = 1 << 24


def read_volume(
    path: str | Path,
    *,
    dtype: DTypeLike = np.float32,
    series: str | None = None,
    uneven: Literal["refuse", "resample"] = "refuse",
    tilt: Literal["keep", "resample"] = "keep",
) -> MetaTensor:
    """One volume as a MetaTensor (1, S, A, R) with its affine (working frame, RAS mm).

    Its `meta` holds MONAI's keys for the file's own grid, in the file's axis order: `original_affine` (4, 4),
    `spatial_shape` (3,) and `filename_or_obj`; and `notes`, a tuple of sentences for the provenance (`notes_of`).
    From DICOM also `series_uid` and `modality`.

    Args:
        path: NIfTI, NRRD or MetaImage file; a grey picture (PNG, TIFF), one slice of pixels taken as 1 mm; DICOM file,
            folder, DICOMDIR or zip.
        dtype: of the voxels.
        series: DICOM only, which one of several; `uneven` and `tilt` likewise, see `read_series`.

    Raises:
        InputError: the file is missing, damaged, not a volume, or its geometry cannot be trusted.

    >>> import nibabel, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> brain = Path(folder.name, "brain.nii.gz")
    >>> nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([-1.0, 1.0, 2.0, 1.0])), brain)
    >>> read_volume(brain).shape
    torch.Size([1, 6, 5, 4])
    >>> folder.cleanup()
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    with named(path):
        if path.is_dir() or zipfile.is_zipfile(path) or is_dicom(path):
            return read_series(path, series=series, dtype=dtype, uneven=uneven, tilt=tilt)
        return _of_file(path, dtype)


def _of_file(path: Path, dtype: DTypeLike) -> MetaTensor:
    array, grid, notes = format_of(path).read(path)
    data, more = _finite(_in_working_frame(array, grid, np.dtype(dtype)), path)
    more += _precision_lost(array, data.dtype)
    if min(grid.shape) == 1:
        more.append("a single slice")
    meta = {
        **meta_of(grid.to_working(), of_file=grid),
        "filename_or_obj": str(path),
        NOTES: (*notes, *more),
    }
    return MetaTensor(torch.from_numpy(data[None]), meta=meta)


def _in_working_frame(array: NDArray[np.generic], grid: Grid, dtype: np.dtype[Scalar]) -> NDArray[Scalar]:
    """Turned, cast and made contiguous in one pass over the voxels."""
    working, working_grid = to_working_frame(array, grid)
    if working.dtype == dtype and working.flags.c_contiguous:
        return working.astype(dtype, copy=False)
    out = np.empty(working_grid.shape, dtype=dtype)
    np.copyto(out, working, casting="unsafe")
    return out


def _finite(data: NDArray[Scalar], path: Path) -> tuple[NDArray[Scalar], list[str]]:
    """NaN and infinity replaced by the lowest finite value: they mark what was not measured."""
    # The sum is not finite as soon as one voxel is not, and costs less than asking each.
    if data.dtype.kind != "f" or np.isfinite(data.sum(dtype=np.float64)):
        return data, []
    valid = np.isfinite(data)
    count = int(data.size - np.count_nonzero(valid))
    if count == data.size:
        raise InputError(f"{path} holds no finite voxel; export it again.")
    lowest = data[valid].min()
    data[~valid] = lowest
    return data, [f"{count} voxels without a finite value were set to the lowest value, {lowest:g}"]


def _precision_lost(array: NDArray[np.generic], dtype: np.dtype[np.generic]) -> list[str]:
    if dtype != np.float32 or array.dtype.kind not in "iu" or array.dtype.itemsize < 4:
        return []
    if int(array.min()) >= -_EXACT_IN_FLOAT32 and int(array.max()) <= _EXACT_IN_FLOAT32:
        return []
    return ["values beyond 16777216 are rounded; read label maps of such numbers with an integer dtype"]


def write_label_map(
    labels: ArrayLike, path: str | Path, *, like: Mapping[str, object], table: LabelTable | None = None
) -> None:
    """Write integer labels (S, A, R) onto the grid of the file that `like` (a volume's `meta`) was read from.

    The format follows the suffix; the voxel type is the smallest that holds the labels. NIfTI from NIfTI keeps affine,
    sform and qform and their codes bit for bit; names and colours of `table` are kept by NIfTI and NRRD.

    Raises:
        InputError: unknown suffix, or values that are not whole numbers from 0.

    >>> import nibabel, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> brain = Path(folder.name, "brain.nii.gz")
    >>> nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([-1.0, 1.0, 2.0, 1.0])), brain)
    >>> volume = read_volume(brain)
    >>> write_label_map(volume.numpy() > 0, brain.with_name("mask.nii.gz"), like=volume.meta)
    >>> nibabel.load(brain.with_name("mask.nii.gz")).shape
    (4, 5, 6)
    >>> folder.cleanup()
    """
    array = np.asarray(labels)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    grid = source_grid(like)
    array = from_working_frame(_smallest_integer(array, path), grid)
    format_to_write(Path(path)).write(Path(path), array, grid, like=_source_file(like), labels=table)


def write_volume(volume: MetaTensor, path: str | Path) -> None:
    """Write a volume (1, S, A, R) onto the grid of the file it was read from, in its own voxel type."""
    grid = source_grid(volume.meta)
    array = from_working_frame(volume.numpy()[0], grid)
    format_to_write(Path(path)).write(Path(path), array, grid, like=_source_file(volume.meta))


def read_label_table(path: str | Path) -> dict[int, LabelEntry]:
    """Names and colours that a NIfTI or NRRD file gives to its labels; empty where there are none."""
    path = Path(path)
    with named(path):
        return format_of(path).read_label_table(path)


def read_grid(path: str | Path) -> tuple[Grid, tuple[str, ...]]:
    """Grid and notes of a NIfTI, NRRD or MetaImage file from its header alone, in the file's axis order.

    Raises:
        InputError: as `read_volume`, as far as the header shows.
    """
    path = Path(path)
    with named(path):
        return format_of(path).read_grid(path)


def _source_file(meta: Mapping[str, object]) -> Path:
    return Path(str(meta["filename_or_obj"]))


def _smallest_integer(labels: NDArray[np.number], path: str | Path) -> NDArray[np.unsignedinteger]:
    lowest, highest = labels.min(initial=0), labels.max(initial=0)
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise InputError(f"{path} was to hold labels, but some values are not whole numbers; write it as a volume.")
    if lowest < 0:
        raise InputError(f"{path} was to hold labels, but the lowest value is {lowest}; labels begin at 0.")
    return labels.astype(np.min_scalar_type(int(highest)), copy=False)


def case_name(path: str | Path) -> str:
    """File or folder name without the suffixes of a volume: `sub-01_T1w.nii.gz` → `sub-01_T1w`; of a zip likewise."""
    name = Path(path).name
    for suffix in sorted((*VOLUME_SUFFIXES, *PICTURE_SUFFIXES, ".zip", *DICOM_SUFFIXES), key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
