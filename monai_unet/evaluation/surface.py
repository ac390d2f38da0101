"""Distances in mm between the surfaces of two masks, under two definitions of "surface".

`Surface.VOXEL`: the mask's boundary voxels (those with a face neighbour outside), each counting one. This is the
surface of MONAI's `HausdorffDistanceMetric`, `SurfaceDistanceMetric` and `SurfaceDiceMetric`.
`Surface.AREA`: the surface elements between 2×2×2 voxels, each weighted by its area in mm². This is the surface of
DeepMind's `surface-distance` (Nikolov et al., arXiv:1809.04430) and of MONAI's `use_subvoxels=True`. It does not
depend on how finely the slices are spaced, so it is the default everywhere in this package.

Distances are exact. A surface element looks for its partner along all offsets within a small radius, nearest first;
most are found there at once, and only the others ask a k-d tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from monai.metrics.utils import create_table_neighbour_code_to_surface_area
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from monai_unet.geometry import Box, box_shape
from monai_unet.io import njit

Spacing = tuple[float, float, float]

_NEAR_OFFSETS = 1000
_INSIDE = 255


class Surface(StrEnum):
    """What counts as the surface of a mask."""

    VOXEL = "voxel"
    AREA = "area"


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances between two surfaces, none of them empty.

    Attributes:
        to_reference: (n,) mm, from each surface element of the prediction to the reference's surface.
        to_prediction: (m,) mm, from each surface element of the reference to the prediction's surface.
        prediction_areas: (n,) mm², or all ones for `Surface.VOXEL`.
        reference_areas: (m,) mm², or all ones for `Surface.VOXEL`.
        surface: the definition under which they were found.
    """

    to_reference: NDArray[np.float64]
    to_prediction: NDArray[np.float64]
    prediction_areas: NDArray[np.float64]
    reference_areas: NDArray[np.float64]
    surface: Surface


def surface_distances(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    *,
    value: int,
    box: Box,
    spacing: Spacing,
    surface: Surface = Surface.AREA,
) -> SurfaceDistances:
    """Distances between the surfaces of `prediction == value` and `reference == value`.

    Args:
        prediction, reference: integer label maps of one shape (any axis order); both hold `value`.
        value: the label.
        box: bounding box of `value` in the two maps together.
        spacing: voxel size in mm along each array axis.
        surface: the definition of the surface.
    """
    offsets, lengths = _near_offsets(spacing)
    pad = np.abs(offsets).max(axis=0) + 1
    shape = np.asarray(box_shape(box)) + 2 * pad
    low, high = np.array([part.start for part in box]), np.array([part.stop for part in box])
    find = _boundary_voxels if surface is Surface.VOXEL else _surface_elements
    maps = [find(labels, value, low, high, pad, shape) for labels in (prediction, reference)]
    points = [_nonzero(codes.ravel(), count) for codes, count in maps]
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    there = _distances(points[0], maps[1][0], points[1], offsets @ strides, lengths, spacing)
    back = _distances(points[1], maps[0][0], points[0], offsets @ strides, lengths, spacing)
    areas = [_areas(codes.ravel()[index], spacing, surface) for (codes, _), index in zip(maps, points, strict=True)]
    return SurfaceDistances(there, back, areas[0], areas[1], surface)


def _distances(
    points: NDArray[np.int64],
    other: NDArray[np.uint8],
    other_points: NDArray[np.int64],
    offsets: NDArray[np.int64],
    lengths: NDArray[np.float64],
    spacing: Spacing,
) -> NDArray[np.float64]:
    distances = _search_near(points, other.ravel(), offsets, lengths)
    far = np.flatnonzero(distances < 0)
    if far.size:
        tree = cKDTree(_millimetres(other_points, other.shape, spacing), balanced_tree=False, compact_nodes=False)
        distances[far] = tree.query(_millimetres(points[far], other.shape, spacing))[0]
    return distances


def _millimetres(index: NDArray[np.int64], shape: tuple[int, ...], spacing: Spacing) -> NDArray[np.float64]:
    return np.stack(np.unravel_index(index, shape), axis=1) * np.asarray(spacing)


@lru_cache(maxsize=64)
def _near_offsets(spacing: Spacing) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All voxel offsets within the radius that holds about `_NEAR_OFFSETS` of them, nearest first, and their mm."""
    radius = (_NEAR_OFFSETS * float(np.prod(spacing)) * 3 / (4 * np.pi)) ** (1 / 3)
    reach = [np.arange(-int(radius / s), int(radius / s) + 1) for s in spacing]
    offsets = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(offsets * np.asarray(spacing), axis=1)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] <= radius]
    return offsets[order], lengths[order]


@lru_cache(maxsize=64)
def _area_table(spacing: Spacing) -> NDArray[np.float64]:
    table, _ = create_table_neighbour_code_to_surface_area([float(s) for s in spacing])
    return table.numpy().astype(np.float64)


def _areas(codes: NDArray[np.uint8], spacing: Spacing, surface: Surface) -> NDArray[np.float64]:
    return np.ones(codes.size) if surface is Surface.VOXEL else _area_table(spacing)[codes]


@njit(cache=True, nogil=True)
def _search_near(points, other, offsets, lengths):  # type: ignore[no-untyped-def]
    found = np.empty(points.size, np.float64)
    for n in range(points.size):
        found[n] = -1.0
        for k in range(offsets.size):
            if other[points[n] + offsets[k]]:
                found[n] = lengths[k]
                break
    return found


@njit(cache=True, nogil=True)
def _nonzero(flat, count):  # type: ignore[no-untyped-def]
    index = np.empty(count, np.int64)
    n = 0
    for i in range(flat.size):
        if flat[i]:
            index[n] = i
            n += 1
    return index


@njit(cache=True, nogil=True)
def _boundary_voxels(labels, value, low, high, pad, shape):  # type: ignore[no-untyped-def]
    """(box + 2 pad) map of the voxels of `value` with a face neighbour that is not; outside the image nothing is."""
    codes = np.zeros((shape[0], shape[1], shape[2]), np.uint8)
    ni, nj, nk = labels.shape
    count = 0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            row = codes[i - low[0] + pad[0], j - low[1] + pad[1]]
            rim = i == 0 or j == 0 or i == ni - 1 or j == nj - 1
            for k in range(low[2], high[2]):
                if labels[i, j, k] != value:
                    continue
                if (
                    rim
                    or k == 0
                    or k == nk - 1
                    or labels[i - 1, j, k] != value
                    or labels[i + 1, j, k] != value
                    or labels[i, j - 1, k] != value
                    or labels[i, j + 1, k] != value
                    or labels[i, j, k - 1] != value
                    or labels[i, j, k + 1] != value
                ):
                    row[k - low[2] + pad[2]] = 1
                    count += 1
    return codes, count


@njit(cache=True, nogil=True)
def _surface_elements(labels, value, low, high, pad, shape):  # type: ignore[no-untyped-def]
    """(box + 2 pad) map of the 2×2×2 neighbourhood codes cut by the surface; 0 where all or none of the 8 are `value`.

    The element between voxels i - 1 and i along each axis lies at i - low + pad.
    """
    codes = np.zeros((shape[0], shape[1], shape[2]), np.uint8)
    ni, nj, nk = labels.shape
    count = 0
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            row = codes[i - low[0] + pad[0], j - low[1] + pad[1]]
            before = 0
            for k in range(low[2], high[2] + 1):
                column = 0
                if k < nk:
                    if i > 0:
                        if j > 0 and labels[i - 1, j - 1, k] == value:
                            column |= 64
                        if j < nj and labels[i - 1, j, k] == value:
                            column |= 16
                    if i < ni:
                        if j > 0 and labels[i, j - 1, k] == value:
                            column |= 4
                        if j < nj and labels[i, j, k] == value:
                            column |= 1
                code = (before << 1) | column
                before = column
                if code != 0 and code != _INSIDE:
                    row[k - low[2] + pad[2]] = code
                    count += 1
    return codes, count
