"""Diameters of one structure: RECIST long and short axis in a plane, and the longest distance in 3D.

Lengths run between the middles of voxel faces on the outline, so that n voxels in a row measure n spacings; this is the
outline that marching squares and marching cubes draw at half height (`skimage.measure`, pyradiomics).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """A straight line between two points.

    Attributes:
        length_mm: its length.
        ends_mm: (2, 3), both ends in RAS millimetres.
    """

    length_mm: float
    ends_mm: Points


@dataclass(frozen=True)
class InPlaneAxes:
    """RECIST 1.1 axes of a structure (Eisenhauer 2009): both in the one slice in which the long axis is longest.

    Attributes:
        long: the longest diameter in any slice.
        short: the longest diameter perpendicular to it in the same slice.
        slice_index: index of that slice along the plane's normal axis.
    """

    long: Axis
    short: Axis
    slice_index: int


def in_plane_axes(mask: NDArray[np.bool_], affine: Points, *, normal_axis: int) -> InPlaneAxes:
    """Long and short axis of a mask (any axis order) in the slices across its axis `normal_axis`.

    Two areas of a slice that do not touch there, not even by a corner, are measured each by itself: no diameter spans
    what lies between them.

    Args:
        mask: 3D, not empty.
        affine: (4, 4), index of `mask` to RAS millimetres.
        normal_axis: the array axis that counts slices.
    """
    slices = np.moveaxis(mask, normal_axis, 0)
    in_plane = [axis for axis in range(3) if axis != normal_axis]
    basis = _orthonormal(affine[:3, in_plane])
    best: tuple[float, int, Points, Points] | None = None
    for index in np.flatnonzero(slices.any(axis=(1, 2))):
        for area in _areas(slices[index], affine[:3, in_plane], 0.0 if best is None else best[0]):
            outline = np.insert(_outline(area), normal_axis, float(index), axis=1)
            world = _world(outline, affine)
            flat = world @ basis
            hull = ConvexHull(flat).vertices
            pair = _farthest(flat[hull])
            length = float(np.linalg.norm(flat[hull][pair[0]] - flat[hull][pair[1]]))
            if best is None or length > best[0] + 1e-9:
                best = length, int(index), world[hull], world[hull][list(pair)]
    assert best is not None
    length, index, hull_mm, ends = best
    return InPlaneAxes(Axis(length, ends), _perpendicular(hull_mm, ends, basis), index)


def longest_diameter(mask: NDArray[np.bool_], affine: Points) -> Axis:
    """Longest distance in 3D between two points on the outline of a mask (any axis order), not empty."""
    world = _world(_outline(mask), affine)
    hull = world[ConvexHull(world).vertices]
    pair = list(_farthest(hull))
    return Axis(float(np.linalg.norm(hull[pair[0]] - hull[pair[1]])), hull[pair])


def most_extent(shape: Sequence[int], directions: Points) -> float:
    """No two points of an array of that shape are farther apart, mm; directions (3, n) are those of its n axes."""
    return float(np.linalg.norm(directions, axis=0) @ np.asarray(shape, dtype=float))


def _areas(plane: NDArray[np.bool_], directions: Points, longer_than: float) -> Iterator[NDArray[np.bool_]]:
    """Each connected area of a slice as a mask of the slice, but those that are too small to be longer."""
    areas, count = ndimage.label(plane, np.ones((3, 3)))
    for number, box in enumerate(ndimage.find_objects(areas), start=1):
        shape = [part.stop - part.start for part in box]
        if most_extent(shape, directions) >= longer_than:
            yield plane if count == 1 else areas == number


def _outline(mask: NDArray[np.bool_]) -> Points:
    """Middles of voxel faces, as array indices, that hold the convex hull of the mask: (n, mask.ndim)."""
    rows = np.argwhere(mask.any(axis=-1))
    lines = mask[tuple(rows.T)]
    first = lines.argmax(axis=1)
    last = mask.shape[-1] - 1 - lines[:, ::-1].argmax(axis=1)
    ends = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])]).astype(float)
    steps = 0.5 * np.concatenate([np.eye(mask.ndim), -np.eye(mask.ndim)])
    return (ends[:, None] + steps).reshape(-1, mask.ndim)


def _perpendicular(hull_mm: Points, ends_mm: Points, basis: NDArray[np.generic]) -> Axis:
    """Longest chord of the hull across the line between `ends_mm`, in the plane of `basis`."""
    origin = ends_mm[0]
    along = (ends_mm[1] - ends_mm[0]) / np.linalg.norm(ends_mm[1] - ends_mm[0])
    across = basis @ (np.array([[0, -1], [1, 0]]) @ (basis.T @ along))
    relative = hull_mm - origin
    x, y = relative @ along, relative @ across
    # between two vertices the chord changes linearly, so the longest one passes through a vertex
    low, high = _hull_bounds(x, y)
    widest = int(np.argmax(high - low))
    start = origin + x[widest] * along
    chord = np.stack([start + low[widest] * across, start + high[widest] * across])
    return Axis(float(high[widest] - low[widest]), chord)


def _hull_bounds(x: Points, y: Points) -> tuple[Points, Points]:
    """Lowest and highest y of a convex polygon (vertices in order) on the vertical line through each vertex."""
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    run = np.where(x_next == x, 1.0, x_next - x)
    share = (x[:, None] - x) / run
    crosses = (share >= -1e-9) & (share <= 1 + 1e-9) & (x_next != x)
    heights = y + share * (y_next - y)
    low = np.minimum(np.where(crosses, heights, np.inf).min(axis=1), y)
    high = np.maximum(np.where(crosses, heights, -np.inf).max(axis=1), y)
    return low, high


def _farthest(points: Points) -> tuple[int, int]:
    distances = cdist(points, points)
    first, second = np.unravel_index(int(np.argmax(distances)), distances.shape)
    return int(first), int(second)


def _world(indices: Points, affine: Points) -> Points:
    return indices @ affine[:3, :3].T + affine[:3, 3]


def _orthonormal(directions: Points) -> Points:
    """Two orthonormal columns that span the two columns of `directions`."""
    return np.linalg.qr(directions)[0]
