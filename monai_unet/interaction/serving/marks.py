"""Marks that a client sends as masks, as the prompts that our answerers know: lines and polygons, the same voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction.prompts import Prompt

MOST_VOXELS = 20_000
"""Of one scribble."""

MOST_PIECES = 64
"""Of one scribble or lasso: more separate pieces are no stroke of a hand."""

_ALL = np.ones((3, 3, 3), dtype=bool)
_STEPS = np.argwhere(_ALL) - 1


def scribbles_in(mask: NDArray[np.bool_], corner: tuple[int, int, int], grid: Grid, *, positive: bool) -> list[Prompt]:
    """A scribble for each connected piece of a mask: a line that visits its voxels and no other.

    Args:
        mask: (S, A, R), part of the grid.
        corner: voxel index of its first voxel.
        grid: of the image.
        positive: whether it belongs to the object.

    Raises:
        InputError: nothing is marked, or far too much.
    """
    _check(mask, "scribble")
    if np.count_nonzero(mask) > MOST_VOXELS:
        raise InputError(f"a scribble of more than {MOST_VOXELS} voxels is a painted object; send it as a mask.")
    return [Prompt("scribble", positive, grid.to_world(_walk(piece) + corner)) for piece in _pieces(mask, "scribble")]


def lassos_in(mask: NDArray[np.bool_], corner: tuple[int, int, int], grid: Grid, *, positive: bool) -> list[Prompt]:
    """A lasso for each connected piece in each slice of a mask, across its thinnest axis; holes are filled.

    Args:
        mask: (S, A, R), part of the grid.
        corner: voxel index of its first voxel.
        grid: of the image.
        positive: whether it belongs to the object.

    Raises:
        InputError: nothing is marked, or too many pieces.
    """
    _check(mask, "lasso")
    axis = int(np.argmin([np.count_nonzero(mask.any(axis=tuple(a for a in range(3) if a != n))) for n in range(3)]))
    found = []
    for number in np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))):
        plane = np.take(mask, number, axis=axis)
        labels, count = ndimage.label(plane)
        for piece in range(1, count + 1):
            outline = _outline(labels == piece)
            points = np.insert(outline, axis, number, axis=1) + corner
            found.append(Prompt("lasso", positive, grid.to_world(points), axis=axis))
            if len(found) > MOST_PIECES:
                raise InputError(f"a lasso of more than {MOST_PIECES} pieces was sent; draw one piece at a time.")
    return found


def _check(mask: NDArray[np.bool_], what: str) -> None:
    if not mask.any():
        raise InputError(f"the {what} marks no voxel; draw it inside the image.")


def _pieces(mask: NDArray[np.bool_], what: str) -> list[set[tuple[int, int, int]]]:
    labels, count = ndimage.label(mask, structure=_ALL)
    if count > MOST_PIECES:
        raise InputError(f"a {what} of {count} pieces was sent, more than {MOST_PIECES}; draw one piece at a time.")
    places = np.argwhere(labels)
    values = labels[tuple(places.T)]
    return [{(int(a), int(b), int(c)) for a, b, c in places[values == piece]} for piece in range(1, count + 1)]


def _walk(voxels: set[tuple[int, int, int]]) -> NDArray[np.float64]:
    """(N, 3) a walk from neighbour to neighbour over all voxels of a connected piece, going back where it must."""
    left = set(voxels)
    place = min(left)
    left.discard(place)
    path, way = [place], [place]
    while left:
        near = [(place[0] + a, place[1] + b, place[2] + c) for a, b, c in _STEPS.tolist()]
        following = next((voxel for voxel in near if voxel in left), None)
        if following is None:
            way.pop()
            following = way[-1]
        else:
            left.discard(following)
            way.append(following)
        place = following
        path.append(place)
    return _without_corners(np.array(path, dtype=float))


def _without_corners(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """The path with two points beside the middle of each step, as a line's middle on a diagonal may fall to a third
    voxel."""
    steps = np.diff(path, axis=0)
    between = [path[:-1], path[:-1] + 0.49 * steps, path[:-1] + 0.51 * steps]
    return np.concatenate([np.stack(between, axis=1).reshape(-1, 3), path[-1:]])


def _outline(piece: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, 2) the longest contour of a piece in its plane, between its pixels and those outside."""
    contours = find_contours(np.pad(piece, 1).astype(np.float64), 0.5, fully_connected="low")
    return np.asarray(max(contours, key=len), dtype=float)[:-1] - 1
