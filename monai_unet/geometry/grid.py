"""Voxel grids and the working frame.

An affine maps array indices, in the array's own axis order, to millimetres in RAS+ (x right, y anterior, z superior).
The working frame has axes (S, A, R): the first index grows towards superior, the second towards anterior, the last
towards the patient's right. Going there and back is a permutation and flips; nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

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

if TYPE_CHECKING:
    from monai.data import MetaTensor

Scalar = TypeVar("Scalar", bound=np.generic)

WORKING_AXES = "SAR"
_FARTHEST_MM = 1e6
_SMALLEST_MM = 1e-6
_FLATTEST = 1e-3


@dataclass(frozen=True, eq=False)
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

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres, sheared grids included."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    def to_world(self, index: ArrayLike) -> NDArray[np.float64]:
        """Array indices (..., 3), whole or fractional, in the order of `shape`, as RAS mm (..., 3).

        >>> Grid((4, 4, 4), np.diag([2.0, 1.0, 1.0, 1.0])).to_world([1, 0, 0.5])
        array([2. , 0. , 0.5])
        """
        return np.asarray(index, dtype=float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, world: ArrayLike) -> NDArray[np.float64]:
        """RAS mm (..., 3) as fractional array indices (..., 3) in the order of `shape`; they may lie outside.

        >>> Grid((4, 4, 4), np.diag([2.0, 1.0, 1.0, 1.0])).to_index([2.0, 0.0, 0.5])
        array([1. , 0. , 0.5])
        """
        inverse = np.linalg.inv(self.affine)
        return np.asarray(world, dtype=float) @ inverse[:3, :3].T + inverse[:3, 3]

    def crop(self, box: Sequence[slice]) -> Grid:
        """The grid of `array[box]`: slices with a start and a stop along each axis.

        >>> part = Grid((4, 4, 4), np.diag([2.0, 1.0, 1.0, 1.0])).crop((slice(1, 3), slice(0, 4), slice(0, 4)))
        >>> part.shape, part.affine[:3, 3].tolist()
        ((2, 4, 4), [2.0, 0.0, 0.0])
        """
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world([part.start for part in box])
        return Grid(_three([part.stop - part.start for part in box]), affine)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest RAS mm (3,) that any voxel reaches, edges included."""
        corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in self.shape))).reshape(3, -1).T
        world = self.to_world(corners)
        return world.min(axis=0), world.max(axis=0)

    def shared(self, other: Grid) -> float:
        """Share of the smaller field of view that two grids have in common, as boxes along the world axes: 0 to 1."""
        (low, high), (low2, high2) = self.bounds(), other.bounds()
        common = np.prod(np.clip(np.minimum(high, high2) - np.maximum(low, low2), 0, None))
        return float(common / min(np.prod(high - low), np.prod(high2 - low2)))

    def no_patient(self) -> str:
        """Why such a grid lies in no patient, to follow the name of a file; empty where it can.

        Singular or nearly so, not finite, voxels below a nanometre, or a corner a kilometre and more from the origin,
        where numbers lose the millimetres.

        >>> Grid((4, 4, 4), np.diag([1e9, 1.0, 1.0, 1.0])).no_patient()
        'places its voxels a kilometre and more from the origin; correct the header.'
        """
        if not np.isfinite(self.affine).all() or min(self.spacing) <= 0 or self._squashed():
            return "has a singular or non-finite affine, its voxels have no place; mend the header."
        if np.abs(self.bounds()).max() > _FARTHEST_MM:
            return "places its voxels a kilometre and more from the origin; correct the header."
        if min(self.spacing) < _SMALLEST_MM:
            return f"has voxels of {min(self.spacing):.2g} mm; correct the header, or the unit it states."
        return ""

    def _squashed(self) -> bool:
        """Whether two axes run nearly the same way."""
        return abs(float(np.linalg.det(self.affine[:3, :3] / self.spacing))) < _FLATTEST

    def describe(self) -> str:
        """Shape and voxel size in words."""
        return f"{'×'.join(map(str, self.shape))} voxels of {'×'.join(f'{s:.4g}' for s in self.spacing)} mm"

    def to_working(self) -> Grid:
        """The same voxels in the working frame (S, A, R)."""
        return self.to_axes(WORKING_AXES)

    def to_axes(self, axcodes: str) -> Grid:
        """The same voxels with array axes that grow in these directions, for example "LPS"."""
        ornt = _ornt(self.affine, axcodes)
        shape = np.empty(3, dtype=int)
        shape[ornt[:, 0].astype(int)] = self.shape
        return Grid(_three(shape), self.affine @ inv_ornt_aff(ornt, self.shape))


def grid_of(volume: MetaTensor) -> Grid:
    """Grid of a MetaTensor (C, S, A, R) as it lies in memory.

    The affine leads from voxel indices to RAS mm.
    """
    return Grid(_three(volume.shape[-3:]), np.asarray(volume.affine, dtype=float))


def source_grid(meta: Mapping[str, Any]) -> Grid:
    """Grid of the file that a volume was read from, in the file's axis order, given the volume's `meta`."""
    shape = np.asarray(meta["spatial_shape"]).ravel()[:3]
    return Grid(_three(shape), np.asarray(meta["original_affine"], dtype=float).reshape(4, 4))


def meta_of(grid: Grid, *, of_file: Grid | None = None) -> dict[str, Any]:
    """The geometry that MONAI keeps in a volume's `meta`: of the array in memory, and of the file it came from.

    Args:
        grid: of the array as it lies in memory.
        of_file: of the file, in the file's axis order; the same where none is given.
    """
    import torch

    stored = grid if of_file is None else of_file
    return {
        "affine": torch.as_tensor(grid.affine),
        "original_affine": torch.as_tensor(stored.affine),
        "spatial_shape": np.asarray(stored.shape),
    }


def crop_volume(volume: MetaTensor, box: Sequence[slice]) -> MetaTensor:
    """The part of a volume (C, S, A, R) inside a box, as a volume of its own that takes itself for the file's grid.

    That grid keeps the axis order of the volume's file, which a model may go by. The box counts voxels along (S, A, R).
    """
    from monai.data import MetaTensor

    data, grid = volume.as_tensor()[(slice(None), *box)].clone(), grid_of(volume).crop(box)
    stored = grid.to_axes(source_grid(volume.meta).orientation) if "original_affine" in volume.meta else None
    return MetaTensor(data, meta={**volume.meta, **meta_of(grid, of_file=stored)})


def spacing_of(affine: ArrayLike) -> tuple[float, float, float]:
    """Voxel size in mm along each array axis: the lengths of the affine's first three columns.

    Affine (4, 4), voxel indices to mm.
    """
    lengths = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    return float(lengths[0]), float(lengths[1]), float(lengths[2])


def to_working_frame(array: NDArray[Scalar], grid: Grid) -> tuple[NDArray[Scalar], Grid]:
    """Array (spatial axes first, as `grid`) with its axes permuted and flipped to (S, A, R), and its new grid.

    A view where NumPy allows it: an array in the order in which NIfTI stores RAS+ volumes comes out C-contiguous.

    Voxels keep their values; the grid's affine leads to RAS mm.
    """
    return apply_orientation(array, _ornt(grid.affine, WORKING_AXES)), grid.to_working()


def from_working_frame(array: NDArray[Scalar], grid: Grid) -> NDArray[Scalar]:
    """The inverse of `to_working_frame`: an array in (S, A, R) put on the voxels of `grid`.

    Raises:
        ValueError: the array does not have the grid's shape.
    """
    working = grid.to_working()
    if array.shape[:3] != working.shape:
        raise ValueError(f"array must be {working.shape} in the working frame of the grid, got {array.shape[:3]}")
    return apply_orientation(array, ornt_transform(axcodes2ornt(WORKING_AXES), io_orientation(grid.affine)))


def _ornt(affine: NDArray[np.float64], axcodes: str) -> NDArray[np.float64]:
    return ornt_transform(io_orientation(affine), axcodes2ornt(axcodes))


def _three(values: ArrayLike) -> tuple[int, int, int]:
    a, b, c = np.asarray(values, dtype=int)
    return int(a), int(b), int(c)
