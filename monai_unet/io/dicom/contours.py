"""Masks of one slice ↔ closed polygons, exact both ways.

Coordinates are (column, row) in voxels, voxel centres at whole numbers. Polygons run along the edges of voxels, so that
the area inside is that of the mask, and whether a voxel is inside is never a matter of rounding: every centre is half
a voxel away from the nearest edge.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Polygon = NDArray[np.float64]
"""(n, 2) corners (column, row), not repeated at the end."""

_Point = tuple[int, int]


def trace(mask: ArrayLike) -> list[Polygon]:
    """One polygon per piece (4-connected) of a mask (row, column).

    A hole is joined to the outline by a channel of no width, walked once in and once out (the keyhole technique of
    DICOM PS3.3 C.8.8.6.3), so that a reader which fills each polygon on its own leaves it open.
    """
    pieces, count = ndimage.label(np.asarray(mask, dtype=bool))
    polygons = []
    for number, (rows, columns) in zip(range(1, count + 1), ndimage.find_objects(pieces), strict=True):
        corners = _corners(_keyhole(_loops(pieces[rows, columns] == number)))
        polygons.append(corners + np.array([columns.start - 0.5, rows.start - 0.5]))
    return polygons


def fill(polygons: Iterable[ArrayLike], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (row, column) of the voxels whose centre lies inside by the even-odd rule over all polygons together.

    A centre exactly on an edge belongs to the polygon on whose upper or left side the edge is, as in rasterising
    triangles: two polygons that share an edge share no voxel.
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.int64)
    for polygon in polygons:
        starts = np.asarray(polygon, dtype=float)
        ends = np.roll(starts, -1, axis=0)
        low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
        first = np.clip(np.ceil(low), 0, rows).astype(int)
        count = np.clip(np.ceil(high), 0, rows).astype(int) - first
        edge = np.repeat(np.arange(len(starts)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        (x0, y0), (x1, y1) = starts[edge].T, ends[edge].T
        x = x0 + (row - y0) * ((x1 - x0) / (y1 - y0))
        np.add.at(toggles, (row, np.clip(np.ceil(x), 0, columns).astype(int)), 1)
    return (np.cumsum(toggles, axis=1)[:, :columns] % 2).astype(bool)


def _loops(mask: NDArray[np.bool_]) -> list[list[_Point]]:
    """Closed walks along voxel edges with the mask on the right, through every lattice point (column, row) on the way.

    In the order of their first points, the leftmost ones: the outline of a connected mask comes first.
    """
    padded = np.pad(mask, 1)
    outgoing: dict[_Point, list[_Point]] = {}
    for neighbour, start, step in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (1, 1), (-1, 0)),
        (padded[1:-1, :-2], (0, 1), (0, -1)),
    ):
        for row, column in np.argwhere(mask & ~neighbour).tolist():
            outgoing.setdefault((column + start[0], row + start[1]), []).append(step)
    edges = sorted((point, step) for point, steps in outgoing.items() for step in steps)
    walked: set[tuple[_Point, _Point]] = set()
    loops = []
    for edge in edges:
        loop: list[_Point] = []
        while edge not in walked:
            walked.add(edge)
            point, step = edge
            loop.append(point)
            point = (point[0] + step[0], point[1] + step[1])
            # where two voxels touch at a corner only, turn right: round the own voxel
            steps = outgoing[point]
            edge = (point, (-step[1], step[0]) if len(steps) > 1 else steps[0])
        if loop:
            loops.append(loop)
    return loops


def _keyhole(loops: list[list[_Point]]) -> list[_Point]:
    """One closed walk: each hole is entered from the nearest point to the left of its own leftmost one."""
    walk = loops[0]
    for hole in loops[1:]:
        column, row = hole[0]
        gate = max((i for i, point in enumerate(walk) if point[1] == row and point[0] < column), key=lambda i: walk[i])
        walk = [*walk[: gate + 1], *hole, hole[0], *walk[gate:]]
    return walk


def _corners(walk: list[_Point]) -> Polygon:
    """The points at which a walk changes its direction."""
    points = np.array(walk, dtype=float)
    towards = np.sign(np.roll(points, -1, axis=0) - points)
    return points[(towards != np.roll(towards, 1, axis=0)).any(axis=1)]
