"""Which voxels the closed contours of one ROI enclose in one slice (DICOM PS3.3 C.8.8.6).

Each contour is filled on its own (a keyhole leaves its hole open). A contour inside another is a hole in it, one inside
the hole an island; contours that overlap in part are united; one that is there twice counts once. Only contours of
type CLOSEDPLANAR_XOR are combined by exclusive or.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.errors import InputError
from monai_unet.io.dicom.contours import Polygon, fill

SAME_POINT = 0.01
"""Voxels by which the points of two contours may differ that are one contour, written twice."""

FINENESS = 10
"""Samples along a voxel edge by which it is judged whether one contour lies in another; fewer where both are large."""

MOST_PAIRS = 2_000
"""Overlapping pairs of contours in one slice beyond which a file is believed to be damaged."""

_MOST_SAMPLES = 1 << 24


@dataclass(frozen=True, eq=False)
class Filled:
    """What contours enclose.

    Attributes:
        mask: (row, column).
        repeated: contours left out because they are there twice.
        united: contours that overlap another in part.
    """

    mask: NDArray[np.bool_]
    repeated: int = 0
    united: int = 0


def fill_planar(polygons: Sequence[Polygon], shape: tuple[int, int]) -> Filled:
    """Fill the CLOSED_PLANAR contours of one ROI in a slice of `shape` (rows, columns).

    Raises:
        InputError: too many contours overlap.
    """
    different = _different(polygons)
    repeated = len(polygons) - len(different)
    if len(different) == 1:
        return Filled(fill(different, shape), repeated)
    pieces = [_Piece.of(polygon, shape) for polygon in different]
    pieces = [piece for piece in pieces if piece.mask.size]
    count = np.zeros(shape, dtype=np.int32)
    for piece in pieces:
        count[piece.window] += piece.mask
    if count.max(initial=0) <= 1:
        return Filled(count > 0, repeated)
    involved = [piece for piece in pieces if (count[piece.window] * piece.mask).max() > 1]
    inside, same, united = _relations(involved)
    kept = [n for n in range(len(involved)) if n not in same]
    mask = np.zeros(shape, dtype=bool)
    for piece in pieces:
        mask[piece.window] |= piece.mask
    for piece in involved:
        mask[piece.window] &= ~piece.mask
    mask |= _combined(involved, kept, inside, shape)
    return Filled(mask, repeated + len(same), len(united))


def fill_xor(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill CLOSEDPLANAR_XOR contours: exclusive or of what each encloses."""
    return fill(polygons, shape)


def area(polygon: Polygon) -> float:
    """Area enclosed by a polygon (n, 2), in squared units of its points."""
    x, y = polygon.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


@dataclass(frozen=True, eq=False)
class _Piece:
    """One contour filled, in the window of the slice that it spans."""

    polygon: Polygon
    low: tuple[int, int]
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, polygon: Polygon, shape: tuple[int, int]) -> _Piece:
        # (row, column) of the first and behind the last voxel
        low = np.clip(np.floor(polygon.min(axis=0))[::-1], 0, shape).astype(int)
        high = np.clip(np.ceil(polygon.max(axis=0))[::-1] + 1, low, shape).astype(int)
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        return cls(polygon, (int(low[0]), int(low[1])), fill([polygon - low[::-1]], size))

    @property
    def window(self) -> tuple[slice, slice]:
        rows, columns = self.mask.shape
        return slice(self.low[0], self.low[0] + rows), slice(self.low[1], self.low[1] + columns)

    def meets(self, other: _Piece) -> bool:
        """Whether a voxel belongs to both."""
        low = np.maximum(self.low, other.low)
        high = np.minimum(np.add(self.low, self.mask.shape), np.add(other.low, other.mask.shape))
        if (high <= low).any():
            return False
        return bool((self._cut(low, high) & other._cut(low, high)).any())

    def _cut(self, low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.bool_]:
        (top, left), (bottom, right) = low - self.low, high - self.low
        return self.mask[top:bottom, left:right]


def _different(polygons: Sequence[Polygon]) -> list[Polygon]:
    """The contours without those that are there already, wherever they begin and whichever way they run."""
    kept: list[Polygon] = []
    known: dict[bytes, list[NDArray[np.float64]]] = {}
    for polygon in polygons:
        closed = len(polygon) > 3 and np.abs(polygon[0] - polygon[-1]).max() < SAME_POINT
        points = polygon[1:] if closed else polygon
        rounded = np.round(points, 3) + 0.0
        alike = known.setdefault(rounded[np.lexsort(rounded.T)].tobytes(), [])
        if not any(_same_walk(points, other) for other in alike):
            alike.append(points)
            kept.append(polygon)
    return kept


def _same_walk(points: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    for way in (points, points[::-1]):
        for start in np.flatnonzero(np.abs(way - other[0]).max(axis=1) <= SAME_POINT)[:8]:
            if np.abs(np.roll(way, -int(start), axis=0) - other).max() <= SAME_POINT:
                return True
    return False


def _relations(pieces: Sequence[_Piece]) -> tuple[dict[int, set[int]], set[int], set[int]]:
    """Of each piece those that it lies in; those that are there twice; those that overlap another in part."""
    inside: dict[int, set[int]] = {n: set() for n in range(len(pieces))}
    same: set[int] = set()
    united: set[int] = set()
    low = np.array([piece.low for piece in pieces])
    high = low + [piece.mask.shape for piece in pieces]
    asked = 0
    for n, one in enumerate(pieces):
        near = ((low[n + 1 :] < high[n]) & (high[n + 1 :] > low[n])).all(axis=1)
        for m in (np.flatnonzero(near) + n + 1).tolist():
            if n in same or m in same or not one.meets(pieces[m]):
                continue
            asked += 1
            if asked > MOST_PAIRS:
                raise InputError(f"more than {MOST_PAIRS} pairs of contours overlap in one slice, it is damaged")
            relation = _relation(one.polygon, pieces[m].polygon)
            if relation == "same":
                same.add(m)
            elif relation == "second in first":
                inside[m].add(n)
            elif relation == "first in second":
                inside[n].add(m)
            else:
                united |= {n, m}
    for containers in inside.values():
        containers -= same
    return inside, same, united - same


def _relation(one: Polygon, other: Polygon) -> str:
    """How two contours that share voxels lie to each other, by samples finer than voxels.

    What sticks out by less than two samples is rounding.
    """
    sizes = [np.ptp(polygon, axis=0) + 2 for polygon in (one, other)]
    small = one if np.prod(sizes[0]) <= np.prod(sizes[1]) else other
    low = np.floor(small.min(axis=0)) - 1
    size = np.ceil(small.max(axis=0)) + 2 - low
    fine = int(np.clip(np.sqrt(_MOST_SAMPLES / max(float(np.prod(size)), 1.0)), 1, FINENESS))
    shape = int(size[1]) * fine, int(size[0]) * fine
    first, second = (fill([(polygon - low) * fine], shape) for polygon in (one, other))
    large = other if small is one else one
    # the larger one always sticks out of the window of the smaller one, where it does at all
    wider = bool(((large.min(axis=0) < low) | (large.max(axis=0) > low + size)).any())
    first_out = _thick(first & ~second) or (wider and large is one)
    second_out = _thick(second & ~first) or (wider and large is other)
    if first_out and second_out:
        return "overlap"
    if first_out:
        return "second in first"
    return "first in second" if second_out else "same"


def _thick(mask: NDArray[np.bool_]) -> bool:
    return bool(mask.any()) and bool(ndimage.binary_erosion(mask, np.ones((3, 3), bool)).any())


def _combined(
    pieces: Sequence[_Piece], kept: Sequence[int], inside: dict[int, set[int]], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Union of the outermost contours, each without its holes, each hole without its islands, and so on."""
    children: dict[int, list[int]] = {n: [] for n in kept}
    roots = []
    for n in kept:
        containers = inside[n]
        # the innermost ones: those that hold no other container
        direct = [c for c in containers if not any(c in inside[d] for d in containers)]
        for container in direct:
            children[container].append(n)
        if not direct:
            roots.append(n)
    regions: dict[int, NDArray[np.bool_]] = {}
    taken = np.zeros(shape, dtype=bool)
    # the deepest first
    for n in sorted(kept, key=lambda n: len(inside[n]), reverse=True):
        taken[pieces[n].window] = False
        for child in children[n]:
            taken[pieces[child].window] = False
        for child in children[n]:
            taken[pieces[child].window] |= regions.get(child, pieces[child].mask)
        regions[n] = pieces[n].mask & ~taken[pieces[n].window]
    out = np.zeros(shape, dtype=bool)
    for n in roots:
        out[pieces[n].window] |= regions[n]
    return out
