"""A user who is not there: the next click in the largest error, and first prompts drawn from a reference.

Used to train the editor and to measure it. All positions are voxel indices of the arrays given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, label

from monai_unet.interaction.prompts import PromptKind

CONNECTED = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Mark:
    """One prompt in voxel indices.

    Attributes:
        kind, positive, axis: as in `Prompt`.
        positions: (N, 3) voxel indices.
    """

    kind: PromptKind
    positive: bool
    positions: NDArray[np.float64]
    axis: int | None = None


def next_click(
    predicted: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    random: np.random.Generator | None = None,
) -> Mark | None:
    """The interior centre of the largest connected error; None where there is no error.

    An error is a part that is missing or a part that is too much (26 neighbours, by number of voxels).

    Args:
        predicted, reference: masks of one shape.
        spacing: mm per axis, for the distance to the error's border.
        random: draw among the voxels of that error at least half as deep as its centre, instead of the deepest.
    """
    errors = [_largest(wrong) for wrong in (reference & ~predicted, predicted & ~reference)]
    found = [error for error in errors if error is not None]
    if not found:
        return None
    _, box, inside = max(found, key=lambda error: error[0])
    depth = distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deep = np.flatnonzero(depth >= depth.max() / 2)
    flat = int(depth.argmax()) if random is None else int(random.choice(deep))
    position = np.array(np.unravel_index(flat, depth.shape)) + [s.start for s in box]
    return Mark("point", bool(reference[tuple(position)]), position[None].astype(float))


def _largest(wrong: NDArray[np.bool_]) -> tuple[int, tuple[slice, ...], NDArray[np.bool_]] | None:
    """Voxels, box and shape in it of the largest connected piece."""
    pieces, count = label(wrong, structure=CONNECTED)
    if not count:
        return None
    counts = np.bincount(pieces.ravel())
    counts[0] = 0
    number = int(counts.argmax())
    box = find_objects(pieces)[number - 1]
    return int(counts[number]), box, pieces[box] == number


def first_box(
    reference: NDArray[np.bool_], random: np.random.Generator, *, flat: bool, jitter: float = 0.1
) -> Mark | None:
    """A box around the reference, or flat around one slice of it, each side off by up to `jitter` of its length.

    Mask (S, A, R); the corners are voxel indices.
    """
    axis = int(random.integers(3)) if flat else None
    voxels, plane = _slice_of(reference, axis, random)
    if voxels is None:
        return None
    low, high = voxels.min(0).astype(float), voxels.max(0).astype(float)
    off = jitter * (high - low + 1)
    corners = np.stack([low + random.uniform(-off, off), high + random.uniform(-off, off)])
    if axis is not None:
        corners[:, axis] = plane
    return Mark("box", True, np.sort(corners, axis=0).round(), axis)


def first_lasso(reference: NDArray[np.bool_], random: np.random.Generator, *, jitter: float = 0.1) -> Mark | None:
    """A rough outline of one slice of the reference: its extent in 12 directions from the centre, each a little off.

    Mask (S, A, R); places are voxel indices.
    """
    axis = int(random.integers(3))
    voxels, plane = _slice_of(reference, axis, random)
    if voxels is None or len(voxels) < 4:
        return None
    across = [a for a in range(3) if a != axis]
    flat = voxels[:, across] - voxels[:, across].mean(0)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], 1)
    reach = np.maximum((flat @ directions.T).max(0), 1) * random.uniform(1 - jitter, 1 + jitter, 12)
    positions = np.empty((12, 3))
    positions[:, across] = voxels[:, across].mean(0) + reach[:, None] * directions
    positions[:, axis] = plane
    return Mark("lasso", True, positions, axis)


def scribble(region: NDArray[np.bool_], random: np.random.Generator, *, positive: bool) -> Mark | None:
    """A short line inside one slice of a region, between voxels of it; bends once.

    Mask (S, A, R).
    """
    axis = int(random.integers(3))
    voxels, _ = _slice_of(region, axis, random)
    if voxels is None:
        return None
    corners = voxels[random.integers(len(voxels), size=3)].astype(float)
    middle = corners.mean(0)
    return Mark("scribble", positive, middle + 0.6 * (corners - middle), axis)


def _slice_of(
    region: NDArray[np.bool_], axis: int | None, random: np.random.Generator
) -> tuple[NDArray[np.int_] | None, int]:
    """Voxels of a region, of one slice of it (among its larger ones) where an axis is given; and that slice."""
    voxels = np.argwhere(region)
    if not len(voxels):
        return None, 0
    if axis is None:
        return voxels, 0
    areas = np.bincount(voxels[:, axis])
    plane = int(random.choice(np.flatnonzero(areas >= max(1, areas.max() / 2))))
    return voxels[voxels[:, axis] == plane], plane
