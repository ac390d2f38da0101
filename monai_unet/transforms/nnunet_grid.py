"""Where nnU-Net's array lies in ours: axis order, crop, spacing, there and back (arrays, no interpolation)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray

from monai_unet.geometry import Grid

BOX = "nonzero_box"
"""Key of an image's meta: first and last + 1 voxel of the crop, (3, 2), in nnU-Net's axes."""


@dataclass(frozen=True, eq=False)
class PlanFrame:
    """How a volume in the working frame becomes nnU-Net's array: turned, then transposed.

    Attributes:
        grid: of the volume in memory.
        turned: orientation (axis, flip) of each of its axes in the array that nnU-Net reads.
        transpose: order of that array's axes in the plans.
    """

    grid: Grid
    turned: NDArray[np.float64]
    transpose: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Grid, orientation: str, transpose: Sequence[int]) -> PlanFrame:
        """The frame of a volume on that grid.

        Args:
            orientation: three letters, the directions of the stored axes of the file that nnU-Net would read.
            transpose: `transpose_forward` of the plans.
        """
        # nnU-Net reads arrays with the file's last axis first
        turned = ornt_transform(io_orientation(grid.affine), axcodes2ornt(tuple(orientation[::-1])))
        first, second, third = (int(axis) for axis in transpose)
        return cls(grid, turned, (first, second, third))

    def to_plan(self, array: NDArray[Any]) -> NDArray[Any]:
        """(S, A, R) → nnU-Net's axes; a view."""
        return apply_orientation(array, self.turned).transpose(self.transpose)

    def from_plan(self, array: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `to_plan`: an array in nnU-Net's axes on the volume's grid (S, A, R); a view."""
        back = array.transpose(np.argsort(self.transpose))
        axes = self.turned[:, 0].astype(int)
        for axis, flip in zip(axes, self.turned[:, 1], strict=True):
            if flip < 0:
                back = np.flip(back, axis)
        return back.transpose(axes)

    @property
    def plan_grid(self) -> Grid:
        """The whole volume's voxels in nnU-Net's axes."""
        affine = self.grid.affine @ inv_ornt_aff(self.turned, self.grid.shape)
        shape = np.array(self.grid.shape)[np.argsort(self.turned[:, 0])]
        order = list(self.transpose)
        turned = affine.copy()
        turned[:, :3] = affine[:, order]
        a, b, c = (int(n) for n in shape[order])
        return Grid((a, b, c), turned)


def nonzero_box(channels: Sequence[NDArray[Any]]) -> tuple[slice, slice, slice]:
    """The smallest box that holds every voxel which is not zero in some channel (Z, Y, X); all where there is none."""
    found: list[tuple[int, int]] = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(np.any([(channel != 0).any(axis=others) for channel in channels], axis=0))
        found.append((int(where[0]), int(where[-1]) + 1) if len(where) else (0, channels[0].shape[axis]))
    a, b, c = (slice(*ends) for ends in found)
    return a, b, c


def resampled_affine(grid: Grid, shape: Sequence[int]) -> NDArray[np.float64]:
    """Affine of a grid of the same extent with `shape` voxels."""
    scale = np.array(grid.shape) / np.array(shape)
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * scale
    affine[:3, 3] = grid.to_world(0.5 * scale - 0.5)
    return affine


def box_of(image: MetaTensor) -> tuple[slice, slice, slice]:
    """The crop that an image's meta tells, in nnU-Net's axes, in voxels."""
    ends = torch.as_tensor(image.meta[BOX]).reshape(3, 2).tolist()
    a, b, c = (slice(int(low), int(high)) for low, high in ends)
    return a, b, c
