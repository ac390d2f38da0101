"""nnU-Net's resampling: cubic splines along each axis, apart where slices are thick, as sums over rows of a matrix.

`nnunetv2` 2.8.1 calls `skimage.transform.resize(order=3, mode="edge", anti_aliasing=False)`, slice by slice with the
nearest slice in between where the spacing is anisotropic (`default_resampling.py`). That is linear and separable but
for the final clipping, so that one small matrix per axis, made by `scipy.ndimage.zoom` from unit vectors, gives the
same values (to float32) at a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

ANISOTROPIC = 3.0
"""Largest over smallest voxel edge above which slices are resampled one by one."""

Volume = NDArray[np.float32]


def separate_axis(
    current: Sequence[float], new: Sequence[float], *, force: bool | None = None, threshold: float = ANISOTROPIC
) -> int | None:
    """The axis of thick slices that are resampled one by one, or None.

    Args:
        current, new: spacing in mm along the three axes, before and after.
        force: as plans say it: None decides by the spacing, False never, True always along the coarsest axis.

    >>> separate_axis([5.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    0
    """
    if force is False:
        return None
    chosen = next((s for s in (current, new) if max(s) / min(s) > threshold), None) if force is None else current
    if chosen is None:
        return None
    coarsest = [axis for axis, edge in enumerate(chosen) if max(chosen) / edge == 1]
    return coarsest[0] if len(coarsest) == 1 else None


def new_shape(shape: Sequence[int], current: Sequence[float], new: Sequence[float]) -> tuple[int, ...]:
    """Voxels along each axis after resampling from one spacing (mm) to another, at least one."""
    return tuple(max(1, round(a / b * n)) for a, b, n in zip(current, new, shape, strict=True))


def resample(volume: Volume, shape: Sequence[int], *, axis: int | None = None, order: int = 3) -> Volume:
    """A volume (three axes) on another number of voxels of the same extent, float32.

    Args:
        shape: wanted, in voxels.
        axis: of thick slices: these are resampled one by one, and the nearest is taken in between.
        order: of the spline, 0 to 3; beyond 1 the result is clipped to the range of what it was made of.
    """
    if tuple(volume.shape) == tuple(shape):
        return volume
    inside = [a for a in range(3) if a != axis]
    result = volume
    for a in sorted(inside, key=lambda a: shape[a] / volume.shape[a]):  # what shrinks first costs least
        if shape[a] != volume.shape[a]:
            result = _along(result, spline_matrix(volume.shape[a], shape[a], order), a)
    if order > 1 and result is not volume:
        over = tuple(inside)
        result = np.clip(result, volume.min(axis=over, keepdims=True), volume.max(axis=over, keepdims=True))
    if axis is not None and shape[axis] != volume.shape[axis]:
        result = np.take(result, nearest_planes(volume.shape[axis], shape[axis]), axis=axis)
    return np.ascontiguousarray(result)


def nearest_planes(size: int, outputs: int) -> NDArray[np.int64]:
    """Index of the input plane nearest to each output plane, as (outputs,) indices."""
    position = size / outputs * (np.arange(outputs) + 0.5) - 0.5
    return np.clip(np.floor(position + 0.5), 0, size - 1).astype(np.int64)


@lru_cache(maxsize=32)
def spline_matrix(size: int, outputs: int, order: int) -> NDArray[np.float32]:
    """Weights (outputs, size) of each input voxel in each output voxel along one axis, edges repeated."""
    if size == 1:
        return np.ones((outputs, 1), dtype=np.float32)
    columns = [zoom(unit, outputs / size, order=order, mode="nearest", grid_mode=True) for unit in np.eye(size)]
    return np.stack(columns, axis=1).astype(np.float32)


def _along(volume: Volume, weights: NDArray[np.float32], axis: int) -> Volume:
    """Every line of a volume (three axes) along one axis, times weights (outputs, size)."""
    if axis == 0:
        return (weights @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])
    if axis == 1:
        return np.matmul(weights, volume)
    return np.matmul(volume, weights.T)
