"""Boxes of a grid: three slices with a start and a stop, axis order (S, A, R)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]


def make_box(low: Sequence[int] | NDArray[np.generic], high: Sequence[int] | NDArray[np.generic]) -> Box:
    """Box from its first voxel and the one behind its last.

    Indices (S, A, R) of voxels, three each.
    """
    a, b, c = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return a, b, c


def whole_box(shape: Sequence[int]) -> Box:
    """The box of a whole array."""
    return make_box((0, 0, 0), shape)


def box_shape(box: Box) -> tuple[int, int, int]:
    """Voxels along each axis."""
    a, b, c = (s.stop - s.start for s in box)
    return a, b, c


def bounding_box(mask: NDArray[np.bool_], within: Box | None = None) -> Box | None:
    """The smallest box that holds a mask, None where it is empty; `within` is where the mask itself lies.

    Mask (S, A, R); the box counts voxels.
    """
    low, high, part = [0, 0, 0], [0, 0, 0], mask
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(part.any(axis=others))
        if not inside.size:
            return None
        low[axis], high[axis] = int(inside[0]), int(inside[-1]) + 1
        part = part[(slice(None),) * axis + (slice(low[axis], high[axis]),)]
    found = make_box(low, high)
    return found if within is None else shift(found, [s.start for s in within])


def union(*boxes: Box | None) -> Box | None:
    """The smallest box around boxes; None counts as nothing."""
    there = [box for box in boxes if box is not None]
    if not there:
        return None
    return make_box(
        [min(box[axis].start for box in there) for axis in range(3)],
        [max(box[axis].stop for box in there) for axis in range(3)],
    )


def intersection(first: Box, second: Box) -> Box | None:
    """What two boxes share, None where that is nothing."""
    low = [max(a.start, b.start) for a, b in zip(first, second, strict=True)]
    high = [min(a.stop, b.stop) for a, b in zip(first, second, strict=True)]
    return make_box(low, high) if all(a < b for a, b in zip(low, high, strict=True)) else None


def shift(box: Box, offset: Sequence[int]) -> Box:
    """The box moved by an offset in voxels."""
    return make_box(
        [s.start + o for s, o in zip(box, offset, strict=True)], [s.stop + o for s, o in zip(box, offset, strict=True)]
    )


def inside_of(box: Box, outer: Box) -> Box:
    """The box counted from the first voxel of `outer`, to index an array that covers `outer`."""
    return shift(box, [-s.start for s in outer])


def grow(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """The box with a margin in voxels on each side, cut at the grid."""
    return make_box(
        [max(0, s.start - m) for s, m in zip(box, margin, strict=True)],
        [min(n, s.stop + m) for s, m, n in zip(box, margin, shape, strict=True)],
    )
