"""Slices that no affine can place, interpolated onto a regular grid: only on request, and always said."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.geometry import Grid
from monai_unet.io.dicom.geometry import usual_gap

Scalar = TypeVar("Scalar", bound=np.generic)


def evenly_spaced(voxels: NDArray[Scalar], grid: Grid, places: NDArray[np.float64]) -> tuple[NDArray[Scalar], Grid]:
    """Interpolate linearly along the slices to their usual spacing; the first and the last stay where they are.

    Args:
        voxels: (columns, rows, n).
        grid: of `voxels`, its affine through the first and the last slice.
        places: (n,) mm of each slice along the normal from the first, increasing.
    """
    count = round(float(places[-1] / usual_gap(np.diff(places)))) + 1
    wanted = np.linspace(0.0, places[-1], count)
    above = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    weight = (wanted - places[above - 1]) / (places[above] - places[above - 1])
    # a slice that needs no interpolation stays what it is, however its place was rounded
    weight = np.where(np.abs(weight - np.round(weight)) < 1e-3, np.round(weight), weight)
    out = np.empty((*voxels.shape[:2], count), dtype=voxels.dtype)
    for k, (upper, share) in enumerate(zip(above, weight, strict=True)):
        out[..., k] = _cast(voxels[..., upper - 1] * (1.0 - share) + voxels[..., upper] * share, out.dtype)
    affine = grid.affine.copy()
    affine[:3, 2] *= (len(places) - 1) / (count - 1)
    return out, Grid((*grid.shape[:2], count), affine)


def orthogonal(voxels: NDArray[Scalar], grid: Grid) -> tuple[NDArray[Scalar], Grid]:
    """Undo the shear of a tilted gantry: each slice (columns, rows) is shifted in its plane by linear interpolation.

    The grid grows so that nothing is cut off; what was not measured gets the lowest value.

    Intensities keep their unit; shifts are in voxels.
    """
    column, row, step = grid.affine[:3, :3].T
    spacing = np.linalg.norm([column, row], axis=1)
    shear = np.array([step @ column, step @ row]) / spacing**2
    total = shear * (grid.shape[2] - 1)
    room = np.ceil(np.abs(total)).astype(int)
    start = np.where(total < 0, room, 0)
    shape = (grid.shape[0] + int(room[0]), grid.shape[1] + int(room[1]), grid.shape[2])
    lowest = voxels.min()
    out = np.empty(shape, dtype=voxels.dtype)
    for k in range(shape[2]):
        padded = np.full(shape[:2], lowest, dtype=np.float64)
        padded[: grid.shape[0], : grid.shape[1]] = voxels[..., k]
        moved = ndimage.shift(padded, start + k * shear, order=1, mode="constant", cval=float(lowest))
        out[..., k] = _cast(moved, out.dtype)
    affine = grid.affine.copy()
    affine[:3, 2] = step - shear[0] * column - shear[1] * row
    affine[:3, 3] -= start[0] * column + start[1] * row
    return out, Grid(shape, affine)


def _cast(values: NDArray[np.number], dtype: np.dtype[Scalar]) -> NDArray[Scalar]:
    return np.rint(values).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)
