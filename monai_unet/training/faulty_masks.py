"""Masks of an object as something else than the editor may have given them, to be corrected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, shift

from monai_unet.training.invented_windows import Sample, noise

NEARLY = (0.55, 0.97)
"""Dice of a nearly right mask."""


def faulty_mask(target: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """A mask such as an automatic method might give: too large, too small, shifted, cut, or with a piece too much.

    Masks (S, A, R) of one window.
    """
    kind = int(random.integers(6))
    if kind == 0:
        return binary_dilation(target, iterations=int(random.integers(1, 4)))
    if kind == 1:
        return binary_erosion(target, iterations=int(random.integers(1, 3)))
    if kind == 2:
        return shift(target.astype(np.uint8), random.integers(-4, 5, 3), order=0).astype(bool)
    positions = np.argwhere(target)
    grid = np.indices(target.shape)
    if kind == 5:  # a first answer that knew the place and not the size
        middle, size = positions.mean(0), (3 * len(positions) / (4 * np.pi)) ** (1 / 3)
        distance = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, middle, strict=True)))
        return np.asarray(distance < size * random.uniform(0.4, 1.6))
    if kind == 3:
        normal = random.normal(size=3)
        height = np.tensordot(normal, grid, 1)
        return target & (height < np.quantile(positions @ normal, random.uniform(0.3, 0.8)))
    centre, radius = positions[random.integers(len(positions))], random.uniform(3, 8)
    ball = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) < radius**2
    return target | ball if random.random() < 0.6 else target & ~ball


def nearly_right_mask(sample: Sample, random: np.random.Generator) -> NDArray[np.bool_]:
    """A mask such as a good automatic method gives: a border that lies a little off here and there, at times a part
    missing, a part of the surroundings or a piece elsewhere too much. Dice within `NEARLY`, unless the object is tiny.

    Mask (S, A, R) of the window.
    """
    target = sample.target
    total, mask = int(target.sum()), target
    depth = (distance_transform_edt(np.pad(target, 1)) - distance_transform_edt(np.pad(~target, 1)))[1:-1, 1:-1, 1:-1]
    radius = (3 * total / (4 * np.pi)) ** (1 / 3)
    for _ in range(6):
        off = noise(target.shape, random.uniform(2.5, 10), random) * radius * random.uniform(0.03, 0.26)
        mask = depth + off + radius * random.normal(0, 0.08) > 0
        if random.random() < 0.5:
            part = _piece(sample, radius * random.uniform(0.3, 1.0), random)
            mask = mask & ~part if random.random() < 0.5 else mask | part
        if random.random() < 0.25:
            mask = mask | _elsewhere(sample, radius * random.uniform(0.2, 0.7), random)
        if random.random() < 0.2:
            mask = mask & _fewer_slices(target, random)
        dice = 2 * int((mask & target).sum()) / max(1, int(mask.sum()) + total)
        if NEARLY[0] <= dice <= NEARLY[1]:
            break
    return np.asarray(mask)


def _piece(sample: Sample, radius: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A bumpy ball at the border of the object, in half of the draws of one tissue only."""
    border = np.argwhere(sample.target & ~binary_erosion(sample.target))
    centre = border[random.integers(len(border))]
    ball = _ball(sample.target.shape, centre, radius, random)
    if random.random() < 0.5 and ball.any():
        level, spread = float(np.median(sample.image[ball])), float(sample.image[ball].std())
        ball &= np.abs(sample.image - level) < spread
    return ball


def _elsewhere(sample: Sample, radius: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A bumpy ball that need not touch the object; of bright or dark tissue only in half of the draws."""
    ball = _ball(sample.target.shape, random.integers(0, sample.target.shape[0], 3), radius, random)
    if random.random() < 0.5 and ball.any():
        ball &= (sample.image > np.median(sample.image[ball])) == (random.random() < 0.5)
    return ball


def _ball(
    shape: tuple[int, ...], centre: NDArray[np.int_], radius: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    squares = sum(
        (axis - c) ** 2 * f for axis, c, f in zip(np.indices(shape), centre, random.uniform(0.6, 1.6, 3), strict=True)
    )
    return np.asarray(np.sqrt(squares) + noise(shape, 4, random) * 0.15 * radius < radius)


def _fewer_slices(target: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """All but the outermost slices of the object at one end of it."""
    axis = int(random.integers(3))
    filled = np.flatnonzero(target.any(axis=tuple(a for a in range(3) if a != axis)))
    off = int(random.integers(1, max(2, len(filled) // 4 + 1)))
    kept = filled[off:] if random.random() < 0.5 else filled[:-off]
    shape = [1, 1, 1]
    shape[axis] = -1
    keep = np.zeros(target.shape[axis], dtype=bool)
    keep[kept] = True
    return np.broadcast_to(keep.reshape(shape), target.shape)
