"""One volume on the grid of another, interpolated: the only place where that is done."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import SpatialResample

from monai_unet.geometry.grid import Grid, grid_of

SAME = 0.1
"""Grids whose voxels lie closer than this share of a voxel edge are one grid."""


def onto_grid(volume: MetaTensor, grid: Grid) -> MetaTensor:
    """A volume (C, S, A, R) on `grid`, by linear interpolation; itself where it lies on it already.

    Voxels outside its field of view get its lowest value: zero would be water in a CT. Nothing here asks whether the
    two volumes belong together; `monai_unet.io.datasets.place_onto` does.

    Args:
        volume: with its affine (RAS, mm).
        grid: where its voxels shall lie, working frame.

    Returns:
        (C, *grid.shape) float32 with the affine of `grid` and the metadata of `volume`.

    >>> import numpy as np
    >>> volume = MetaTensor(torch.arange(8.0).reshape(1, 2, 2, 2), affine=torch.eye(4))
    >>> onto_grid(volume, Grid((2, 2, 1), np.diag([1.0, 1.0, 2.0, 1.0]))).shape
    torch.Size([1, 2, 2, 1])
    """
    if grid_of(volume).matches(grid, tolerance=SAME):
        return volume
    lowest = volume.as_tensor().float().min()
    above = MetaTensor(volume.as_tensor().float() - lowest, meta=dict(volume.meta))
    moved: Any = SpatialResample(mode="bilinear", padding_mode="zeros")(
        above, dst_affine=torch.as_tensor(grid.affine), spatial_size=grid.shape
    )
    return MetaTensor(moved.as_tensor() + lowest, meta={**volume.meta, "affine": torch.as_tensor(grid.affine)})
