"""Put voxels of one grid onto another without resampling, or refuse."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry.grid import Grid

Scalar = TypeVar("Scalar", bound=np.generic)

TOLERANCE = 0.05
"""Largest distance between a voxel centre and its partner, in smallest voxel edges of the target grid."""


def place(array: NDArray[Scalar], grid: Grid, onto: Grid, *, name: str) -> NDArray[Scalar]:
    """`array` on `grid` as an array on the voxels of `onto`: axes permuted, flipped, shifted; zero where it has none.

    Args:
        array: three axes, as `grid`.
        name: what it is, for the message.

    Raises:
        InputError: the voxels of `grid` are not voxels of `onto`, or a voxel that is not zero lies outside of it.
    """
    index = np.linalg.inv(onto.affine) @ grid.affine
    axes = np.rint(index[:3, :3]).astype(int)
    shift = np.rint(index[:3, 3]).astype(int)
    if not _is_signed_permutation(axes) or _mismatch(grid, onto, axes, shift) > TOLERANCE * min(onto.spacing):
        raise InputError(
            f"{name} ({grid.describe()}) does not lie on the voxels of the source series ({onto.describe()}); "
            "give the series it was drawn on, or resample it onto that grid first."
        )
    if onto.shape == grid.shape and np.array_equal(axes, np.eye(3)) and not shift.any():
        return array
    source_axis = np.abs(axes).argmax(axis=1)
    turned = array.transpose(source_axis)
    # first voxel of the turned array in indices of `onto`, once axes that run backwards are flipped
    first = shift.copy()
    for axis, source in enumerate(source_axis):
        if axes[axis, source] < 0:
            turned = np.flip(turned, axis)
            first[axis] -= array.shape[source] - 1
    low = np.clip(-first, 0, turned.shape)
    high = np.clip(np.array(onto.shape) - first, 0, turned.shape)
    inside = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    if np.count_nonzero(turned[inside]) != np.count_nonzero(turned):
        raise InputError(f"{name} reaches beyond the source series ({onto.describe()}); give the series it belongs to.")
    placed = np.zeros(onto.shape[::-1], dtype=array.dtype).transpose(2, 1, 0)
    target = tuple(slice(int(f + a), int(f + b)) for f, a, b in zip(first, low, high, strict=True))
    placed[target] = turned[inside]
    return placed


def _is_signed_permutation(axes: NDArray[np.int_]) -> bool:
    return bool((np.abs(axes).sum(0) == 1).all() and (np.abs(axes).sum(1) == 1).all() and np.abs(axes).max() == 1)


def _mismatch(grid: Grid, onto: Grid, axes: NDArray[np.int_], shift: NDArray[np.int_]) -> float:
    index = np.eye(4)
    index[:3, :3], index[:3, 3] = axes, shift
    return grid.distance(Grid(grid.shape, onto.affine @ index))
