"""Read any supported volume into the working frame, and write label maps back onto the grid they came from."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import ArrayLike, NDArray

from monai_unet.errors import InputError
from monai_unet.io import nifti
from monai_unet.io.dicom_files import is_dicom
from monai_unet.io.dicom_series import read_series
from monai_unet.io.geometry import Grid, from_working_frame, to_working_frame

VOLUME_SUFFIXES: tuple[str, ...] = nifti.SUFFIXES


def read_volume(path: str | Path, *, dtype: Any = np.float32, series: str | None = None) -> MetaTensor:
    """One volume as a MetaTensor (1, S, A, R) with its affine (working frame, RAS mm).

    Its `meta` holds MONAI's keys for the file's own grid, in the file's axis order: `original_affine` (4, 4),
    `spatial_shape` (3,) and `filename_or_obj`; and `notes`, one string of warnings that belong into the provenance.

    Raises:
        InputError: the file is missing, damaged, not a volume, or its geometry cannot be trusted.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if path.is_dir() or zipfile.is_zipfile(path) or is_dicom(path):
        return read_series(path, series=series, dtype=dtype)
    array, grid, notes = nifti.read(path)
    working, working_grid = to_working_frame(array, grid)
    data = torch.from_numpy(np.ascontiguousarray(working, dtype=dtype)[None])
    meta = {
        "affine": torch.as_tensor(working_grid.affine),
        "original_affine": torch.as_tensor(grid.affine),
        "spatial_shape": np.asarray(grid.shape),
        "filename_or_obj": str(path),
        "notes": notes,
    }
    return MetaTensor(data, meta=meta)


def grid_of(volume: MetaTensor) -> Grid:
    """Grid of a MetaTensor (C, S, A, R) as it lies in memory."""
    shape = tuple(int(n) for n in volume.shape[-3:])
    return Grid(shape, np.asarray(volume.affine, dtype=float))  # type: ignore[arg-type]


def source_grid(meta: Mapping[str, Any]) -> Grid:
    """Grid of the file that a volume was read from, in the file's axis order."""
    shape = tuple(int(n) for n in np.asarray(meta["spatial_shape"]).ravel()[:3])
    return Grid(shape, np.asarray(meta["original_affine"], dtype=float).reshape(4, 4))  # type: ignore[arg-type]


def write_label_map(labels: ArrayLike, path: str | Path, *, like: Mapping[str, Any]) -> None:
    """Write integer labels (S, A, R) onto the grid of the file that `like` (a volume's `meta`) was read from."""
    array = np.asarray(labels)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    grid = source_grid(like)
    array = from_working_frame(_smallest_integer(array), grid)
    nifti.write(Path(path), array, grid, like=Path(str(like["filename_or_obj"])))


def _smallest_integer(labels: NDArray[Any]) -> NDArray[Any]:
    highest = int(labels.max(initial=0))
    return labels.astype(np.min_scalar_type(highest) if highest > 255 else np.uint8)


def case_name(path: str | Path) -> str:
    """File or folder name without the suffixes of a volume: `sub-01_T1w.nii.gz` → `sub-01_T1w`."""
    name = Path(path).name
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
