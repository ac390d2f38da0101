"""Voxel grids and the working frame.

An affine maps array indices, in the array's own axis order, to millimetres in RAS+ (x right, y anterior, z superior).
The working frame has axes (S, A, R): the first index grows towards superior, the second towards anterior, the last
towards the patient's right. Going there and back is a permutation and flips; nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.typing import ArrayLike, NDArray

WORKING_AXES = "SAR"


@dataclass(frozen=True)
class Grid:
    """A voxel grid.

    Attributes:
        shape: voxels along each of the three array axes.
        affine: (4, 4) float64, array index (in the order of `shape`) to RAS millimetres.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along each array axis."""
        return spacing_of(self.affine)

    @property
    def orientation(self) -> str:
        """Three letters, the direction in which each array index grows, for example "LPS"."""
        return "".join(str(code) for code in aff2axcodes(self.affine))

    def matches(self, other: Grid, *, tolerance: float = 1e-3) -> bool:
        """Same shape, and no voxel centre further than `tolerance` of the smallest voxel edge from its partner."""
        if self.shape != other.shape:
            return False
        return self.distance(other) <= tolerance * min(self.spacing)

    def distance(self, other: Grid) -> float:
        """Largest distance in mm between the same corner voxel of two grids of one shape."""
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
        corners[:, :3] *= np.array(self.shape) - 1
        return float(np.linalg.norm(((self.affine - other.affine) @ corners.T)[:3], axis=0).max())

    def to_working(self) -> Grid:
        """The same voxels in the working frame (S, A, R)."""
        ornt = _ornt(self.affine, WORKING_AXES)
        shape = np.empty(3, dtype=int)
        shape[ornt[:, 0].astype(int)] = self.shape
        return Grid(_three(shape), self.affine @ inv_ornt_aff(ornt, self.shape))


def spacing_of(affine: ArrayLike) -> tuple[float, float, float]:
    """Voxel size in mm along each array axis: the lengths of the affine's first three columns."""
    lengths = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    return float(lengths[0]), float(lengths[1]), float(lengths[2])


def to_working_frame(array: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], Grid]:
    """Array (spatial axes first, as `grid`) with its axes permuted and flipped to (S, A, R), and its new grid.

    A view where NumPy allows it: an array in the order in which NIfTI stores RAS+ volumes comes out C-contiguous.
    """
    return apply_orientation(array, _ornt(grid.affine, WORKING_AXES)), grid.to_working()


def from_working_frame(array: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """The inverse of `to_working_frame`: an array in (S, A, R) put on the voxels of `grid`."""
    working = grid.to_working()
    if array.shape[:3] != working.shape:
        raise ValueError(f"array must be {working.shape} in the working frame of the grid, got {array.shape[:3]}")
    return apply_orientation(array, ornt_transform(axcodes2ornt(WORKING_AXES), io_orientation(grid.affine)))


def _ornt(affine: NDArray[np.float64], axcodes: str) -> NDArray[np.float64]:
    return ornt_transform(io_orientation(affine), axcodes2ornt(axcodes))


def _three(values: ArrayLike) -> tuple[int, int, int]:
    a, b, c = np.asarray(values, dtype=int)
    return int(a), int(b), int(c)
