"""Prompts as voxels: drawn on any grid, obeyed exactly, and turned into the channels that the network sees.

The drawing is the same for the image's grid, where a prompt is obeyed, and for the network's window, where it guides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.draw import polygon2mask

from monai_unet.geometry import Box
from monai_unet.interaction.prompts import Prompt, PromptKind
from monai_unet.io import njit

CHANNELS = (
    "image, z-scored in the window",
    "image relative to what was marked positive",
    "current mask",
    "positive points and scribbles",
    "negative points and scribbles",
    "positive boxes and lassos",
    "negative boxes and lassos",
    "nearness to positive marks along paths of even intensity",
    "nearness to negative marks along paths of even intensity",
    "connectedness to positive marks: how unlike them the worst voxel of the best path is",
)
"""What the network takes, in order."""

SEED_SIGMA = 1.2
"""Standard deviation in window voxels of the blob that a point or scribble leaves in its channel."""

STEP_COST, REACH = 0.02, 0.5
"""Geodesic nearness is exp(-path / REACH); a path costs its change of intensity and STEP_COST per voxel."""


@dataclass(eq=False)
class Drawn:
    """The voxels of one prompt: a box of the grid and the marked voxels in it."""

    box: Box
    voxels: NDArray[np.bool_]


def draw(
    kind: PromptKind,
    positions: NDArray[np.float64],
    shape: Sequence[int],
    *,
    axis: int | None = None,
    radius: float = 0.0,
) -> Drawn | None:
    """The voxels of a grid that a prompt marks; None where it lies wholly outside.

    Args:
        kind: "point", "scribble" (a polyline), "box" (two corners) or "lasso" (a closed polygon).
        positions: (N, 3) fractional voxel indices of the grid.
        shape: of the grid.
        axis: perpendicular to the plane in which a box or lasso was drawn.
        radius: of a scribble, in voxels.
    """
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    if kind == "scribble":
        positions = _dense(positions)
    low = np.floor(positions.min(0) - radius + 0.5).astype(int)
    high = np.floor(positions.max(0) + radius + 0.5).astype(int) + 1
    clipped_low, clipped_high = np.maximum(low, 0), np.minimum(high, shape)
    if (clipped_low >= clipped_high).any():
        return None
    if kind == "box":
        full = np.ones(high - low, dtype=bool)
    elif kind == "lasso":
        full = _polygon(positions, low, high, axis)
    else:
        full = _balls(positions, low, high, radius)
    part = tuple(slice(a - first, b - first) for a, b, first in zip(clipped_low, clipped_high, low, strict=True))
    spans = [slice(int(a), int(b)) for a, b in zip(clipped_low, clipped_high, strict=True)]
    return Drawn((spans[0], spans[1], spans[2]), full[part])


def obey(
    mask: NDArray[np.bool_], box: Box, prompts: Sequence[tuple[Drawn | None, PromptKind, bool]]
) -> NDArray[np.bool_]:
    """The mask inside `box`, changed in place so that it holds what was marked; of two that differ the newer wins.

    A positive box or lasso says where the object is, not that each voxel in it belongs: it changes nothing here.

    Mask (S, A, R) of the whole grid.
    """
    for drawn, kind, positive in prompts:
        if drawn is None or (positive and kind in ("box", "lasso")):
            continue
        both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(drawn.box, box, strict=True)]
        if any(s.start >= s.stop for s in both):
            continue
        target = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(both, box, strict=True))
        source = tuple(slice(s.start - d.start, s.stop - d.start) for s, d in zip(both, drawn.box, strict=True))
        mask[target][drawn.voxels[source]] = positive
    return mask


class DrawnPrompts:
    """What was marked so far, on the voxels of one window: the four guidance channels and the seeds behind them."""

    def __init__(self, size: Sequence[int]) -> None:
        self.size = tuple(size)
        self.seeds = np.zeros((2, *size), dtype=bool)
        self.blobs = np.zeros((2, *size), dtype=np.float32)
        self.regions = np.zeros((2, *size), dtype=bool)

    def add(
        self,
        kind: PromptKind,
        positive: bool,
        positions: NDArray[np.float64],
        *,
        axis: int | None = None,
        radius: float = 0.0,
    ) -> None:
        """Add one prompt at window positions (N, 3); the newest wins where two differ."""
        drawn = draw(kind, positions, self.size, axis=axis, radius=radius)
        if drawn is None:
            return
        mine, other = (0, 1) if positive else (1, 0)
        if kind in ("box", "lasso"):
            self.regions[mine][drawn.box] |= drawn.voxels
            self.regions[other][drawn.box] &= ~drawn.voxels
            return
        self.seeds[mine][drawn.box] |= drawn.voxels
        self.seeds[other][drawn.box] &= ~drawn.voxels
        reach = int(np.ceil(3 * SEED_SIGMA))
        for centre in np.argwhere(drawn.voxels) + [s.start for s in drawn.box]:
            self._blob(mine, other, centre, reach)

    def _blob(self, mine: int, other: int, centre: NDArray[np.int_], reach: int) -> None:
        low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, self.size)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        squares = [(np.arange(a, b) - c) ** 2 for a, b, c in zip(low, high, centre, strict=True)]
        distance = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]
        blob = np.exp(-distance / (2 * SEED_SIGMA**2)).astype(np.float32)
        np.maximum(self.blobs[mine][box], blob, out=self.blobs[mine][box])
        self.blobs[other][tuple(centre)] = 0


def network_input(image: NDArray[np.float32], mask: NDArray[np.float32], marks: DrawnPrompts) -> NDArray[np.float32]:
    """(10, *size) what the network sees, see `CHANNELS`; every channel is of order one whatever the image's scale.

    Arrays have the window's axes (S, A, R).

    Args:
        image: the window's intensities.
        mask: the current mask, 0 to 1.
        marks: what was marked in the window.
    """
    relative = relative_intensity(image, mask, marks)
    result = np.empty((len(CHANNELS), *image.shape), dtype=np.float32)
    result[0] = standardised(image)
    result[1] = relative
    result[2] = mask
    result[3:5] = marks.blobs
    result[5:7] = marks.regions
    smooth = uniform_filter(relative, 3, mode="nearest")
    for channel, seeds in ((7, marks.seeds[0]), (8, marks.seeds[1])):
        result[channel] = nearness(smooth, seeds) if seeds.any() else 0
    result[9] = connectedness(smooth, marks.seeds[0]) if marks.seeds[0].any() else 0
    return result


def standardised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clipped to its 1st and 99th percentile, mean 0 and standard deviation 1; a constant image becomes 0.

    Intensities (S, A, R) of the window, in any unit.
    """
    low, high = np.percentile(image[::2, ::2, ::2], [1, 99])
    clipped = image.clip(low, high)
    spread = float(clipped.std())
    return (clipped - clipped.mean()) / spread if spread > 1e-6 * (abs(float(high)) + 1e-6) else np.zeros_like(image)


def relative_intensity(
    image: NDArray[np.float32], mask: NDArray[np.float32], marks: DrawnPrompts
) -> NDArray[np.float32]:
    """Intensity minus that of the marked object, in units of the contrast around it, through tanh: (-1, 1).

    The unit is the median difference near the marks, so that soft tissue keeps its contrast in a CT with air and bone
    and any MR sequence comes out alike.

    Arrays have the window's axes (S, A, R).
    """
    inside = _object_voxels(mask, marks)
    near = tuple(
        slice(max(0, int(c - n // 4)), int(c + n // 4 + 1)) for c, n in zip(inside.mean(0), image.shape, strict=True)
    )
    reference = float(np.median(image[tuple(inside.T)]))
    low, high = np.percentile(image[::2, ::2, ::2], [5, 95])
    unit = max(float(np.median(np.abs(image[near] - reference))), 0.05 * float(high - low), 1e-6)
    return np.tanh((image - np.float32(reference)) / np.float32(unit))


def _object_voxels(mask: NDArray[np.float32], marks: DrawnPrompts) -> NDArray[np.int_]:
    """Voxels known or believed to lie in the object, best knowledge first; the window's centre when nothing is."""
    for known in (marks.seeds[0], marks.regions[0], mask > 0.5):
        if known.any():
            voxels = np.argwhere(known)
            if known is not marks.seeds[0]:
                return voxels
            shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
            return (voxels[:, None] + shifts).reshape(-1, 3).clip(0, np.array(mask.shape) - 1)
    return np.array([[n // 2 for n in mask.shape]])


def nearness(intensity: NDArray[np.float32], seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
    """exp(-geodesic distance / REACH) to the seeds: 1 there, near 0 behind an edge (Criminisi et al. 2008, ECCV).

    Both (S, A, R): intensity as from `relative_intensity`, seeds a mask.
    """
    distance = np.where(seeds, np.float32(0), np.float32(1e6))
    _scan(np.ascontiguousarray(intensity, dtype=np.float32), distance, STEP_COST, 2, False)
    return np.exp(-distance / np.float32(REACH))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _step(paid: float, there: float, here: float, cost: float, worst: bool) -> float:
    """What a path costs that has paid so much at the neighbour and goes on to the voxel."""
    return max(paid, here) if worst else paid + cost + abs(here - there)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _scan(values: NDArray[np.float32], paid: NDArray[np.float32], cost: float, rounds: int, worst: bool) -> None:
    """Raster scans forwards and backwards over six neighbours, in place, until nothing changes or so many rounds.

    `paid` becomes what the cheapest path from where it is 0 costs: with `worst` the largest of the values on it, else
    the sum of their changes and of `cost` per voxel.
    """
    depth, height, width = paid.shape
    for _ in range(rounds):
        changed = False
        for direction in (1, -1):
            for a in range(depth):
                i = a if direction == 1 else depth - 1 - a
                for b in range(height):
                    j = b if direction == 1 else height - 1 - b
                    for c in range(width):
                        k = c if direction == 1 else width - 1 - c
                        best, here = paid[i, j, k], values[i, j, k]
                        p = i - direction
                        if 0 <= p < depth:
                            best = min(best, _step(paid[p, j, k], values[p, j, k], here, cost, worst))
                        p = j - direction
                        if 0 <= p < height:
                            best = min(best, _step(paid[i, p, k], values[i, p, k], here, cost, worst))
                        p = k - direction
                        if 0 <= p < width:
                            best = min(best, _step(paid[i, j, p], values[i, j, p], here, cost, worst))
                        if best < paid[i, j, k]:
                            paid[i, j, k] = best
                            changed = True
        if not changed:
            return


def prompt_drawn(
    prompt: Prompt, voxels: NDArray[np.float64], shape: Sequence[int], spacing: Sequence[float]
) -> Drawn | None:
    """A prompt drawn on the image's own grid, `voxels` being its positions there.

    Positions (n, 3) are fractional voxel indices (S, A, R); `shape` and `spacing` in mm have the same axes.
    """
    return draw(prompt.kind, voxels, shape, axis=prompt.axis, radius=prompt.radius / max(spacing))


def connectedness(intensity: NDArray[np.float32], seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fuzzy connectedness to the seeds (Udupa and Samarasekera 1996): 1 there, 0 behind the least similar tissue.

    Of each path the voxel most unlike the seeds counts, and of all paths the best: every threshold's region growing
    from the seeds at once (but for paths that wind through a maze). `intensity` is of order one, as
    `relative_intensity` gives it.

    Both (S, A, R): intensity as from `relative_intensity`, seeds a mask.
    """
    unlike = np.abs(intensity - np.median(intensity[seeds]))
    worst = np.where(seeds, np.float32(0), np.float32(2))
    _scan(np.ascontiguousarray(unlike, dtype=np.float32), worst, 0.0, 4, True)
    return 1 - worst.clip(0, 1)


def _dense(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """A polyline sampled at least twice per voxel."""
    pieces = [positions[:1]]
    for a, b in pairwise(positions):
        count = max(1, int(np.ceil(2 * np.abs(b - a).max())))
        pieces.append(a + (b - a) * np.linspace(1 / count, 1, count)[:, None])
    return np.concatenate(pieces)


def _balls(
    positions: NDArray[np.float64], low: NDArray[np.int_], high: NDArray[np.int_], radius: float
) -> NDArray[np.bool_]:
    full = np.zeros(high - low, dtype=bool)
    centres = np.unique(np.floor(positions + 0.5).astype(int) - low, axis=0)
    reach = int(radius)
    offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    offsets = offsets[(offsets**2).sum(1) <= radius**2]
    voxels = (centres[:, None] + offsets).reshape(-1, 3)
    voxels = voxels[((voxels >= 0) & (voxels < full.shape)).all(1)]
    full[tuple(voxels.T)] = True
    return full


def _polygon(
    positions: NDArray[np.float64], low: NDArray[np.int_], high: NDArray[np.int_], axis: int | None
) -> NDArray[np.bool_]:
    """The voxels inside a closed polygon in its plane; `axis` is the flattest one where it is not given."""
    normal = int(np.argmin(np.ptp(positions, axis=0))) if axis is None else axis
    plane = [a for a in range(3) if a != normal]
    inside = polygon2mask(tuple((high - low)[plane]), positions[:, plane] - low[plane])
    return np.repeat(np.expand_dims(inside, normal), (high - low)[normal], axis=normal)
