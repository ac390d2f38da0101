"""A measure of an answerer: a user who always clicks into the middle of the largest error, and the scores after each.

Everything goes through an `EditSession`, as a real user's clicks do. The user knows the reference and tells one click
at a time; no box and no size is given away. With one seed the clicks are the same on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.errors import InputError
from monai_unet.evaluation.overlap import overlaps
from monai_unet.evaluation.scores import score_case
from monai_unet.geometry import Box, Grid
from monai_unet.interaction import Answerer, Prompt
from monai_unet.interaction.session import EditSession

SEED = 20261122
"""Seed of every choice between equally deep voxels."""

BALL = 3
"""Radius in voxels of what `Curve.dice_outside` leaves out around each click."""

TARGETS = (0.85, 0.90)
"""Dice to which clicks are counted."""

_CONNECTED = ndimage.generate_binary_structure(3, 3)


@dataclass(frozen=True)
class Click:
    """One click: a voxel (S, A, R), its place in RAS+ mm, and whether it includes."""

    voxel: tuple[int, int, int]
    world: tuple[float, float, float]
    positive: bool


@dataclass(eq=False)
class Curve:
    """Scores of one object before the first click (index 0) and after each; a click that no error called for costs 0.

    Attributes:
        dice, nsd: of the object's mask.
        dice_outside: Dice without the voxels within `BALL` voxels of any click so far, NaN where nothing is left.
        milliseconds: index 0 the preparation of the image, then the wall time of each click, label map included.
        clicks: those made.
        notes: what the answers said, once each.
        mask: (S, A, R) the object after the last click.
    """

    dice: list[float] = field(default_factory=list)
    nsd: list[float] = field(default_factory=list)
    dice_outside: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mask: NDArray[np.bool_] | None = None

    def clicks_to(self, dice: float) -> int | None:
        """The first count of clicks after which Dice is at least this; None if it never is."""
        return next((count for count, value in enumerate(self.dice) if value >= dice), None)


def next_click(
    predicted: NDArray[np.bool_], reference: NDArray[np.bool_], grid: Grid, random: np.random.Generator
) -> Click | None:
    """A click at the deepest voxel of the largest error; None where the masks are equal.

    The largest error is the largest 26-connected part of what is missing or of what is too much. Depth is the Euclidean
    distance in mm to the next voxel outside that part, the image's edge counting as outside; `random` decides between
    voxels of one depth.

    Masks (S, A, R) on `grid`.
    """
    largest: tuple[int, Box, NDArray[np.bool_], bool] | None = None
    for error, positive in ((reference & ~predicted, True), (predicted & ~reference, False)):
        parts, count = ndimage.label(error, _CONNECTED)
        if not count:
            continue
        sizes = np.bincount(parts.ravel())[1:]
        number = int(sizes.argmax())
        if largest is None or sizes[number] > largest[0]:
            box = ndimage.find_objects(parts)[number]
            largest = (int(sizes[number]), box, parts[box] == number + 1, positive)
    if largest is None:
        return None
    _, box, part, positive = largest
    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=grid.spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() * (1 - 1e-9))
    chosen = deepest[random.integers(len(deepest))] + [s.start for s in box]
    world = grid.to_world(chosen)
    s, a, r = (int(v) for v in chosen)
    x, y, z = (float(v) for v in world)
    return Click((s, a, r), (x, y, z), positive)


def run_case(
    image: NDArray[np.number],
    grid: Grid,
    reference: NDArray[np.bool_],
    answerer: Answerer,
    *,
    clicks: int = 10,
    initial: NDArray[np.bool_] | None = None,
    tolerance_mm: float = 1.0,
    seed: int = SEED,
) -> Generator[int, None, Curve]:
    """Measure one object; yields the number of clicks made so far and returns the curve.

    Args:
        image: (S, A, R).
        reference: (S, A, R) the object as it should be, not empty.
        initial: (S, A, R) the mask to begin with, empty if None.
        tolerance_mm: of NSD.

    Raises:
        InputError: shapes differ, or the reference is empty.
    """
    if reference.shape != grid.shape or (initial is not None and initial.shape != grid.shape):
        raise InputError(f"The masks do not have the {grid.shape} voxels (S, A, R) of the image; use its own masks.")
    if not reference.any():
        raise InputError("The reference is empty, so there is nothing to click at; choose a case with the structure.")
    session = EditSession(image, grid, labels=initial)
    value = 1 if session.objects else session.add_object("object")
    random, curve = np.random.default_rng(seed), Curve()
    started = time.perf_counter()
    answerer.start(image, grid)
    _score(curve, session.mask(value), reference, grid, tolerance_mm, 1000 * (time.perf_counter() - started))
    for count in range(clicks):
        yield count
        click = next_click(session.mask(value), reference, grid, random)
        if click is None:
            for numbers in (curve.dice, curve.nsd, curve.dice_outside):
                numbers.append(numbers[-1])
            curve.milliseconds.append(0.0)
            continue
        curve.clicks.append(click)
        prompt = Prompt("point", click.positive, np.array([click.world]))
        started = time.perf_counter()
        change = session.add_prompt(value, prompt, answerer)
        elapsed = 1000 * (time.perf_counter() - started)
        curve.notes += [note for note in change.notes if note not in curve.notes]
        _score(curve, session.mask(value), reference, grid, tolerance_mm, elapsed)
    curve.mask = session.mask(value)
    session.close()
    yield clicks
    return curve


def _score(
    curve: Curve,
    mask: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    grid: Grid,
    tolerance_mm: float,
    milliseconds: float,
) -> None:
    labels = {1: "object"}
    (score,) = score_case(
        mask.view(np.uint8), reference.view(np.uint8), spacing=grid.spacing, labels=labels, tolerance_mm=tolerance_mm
    )
    curve.dice.append(score.dice)
    curve.nsd.append(score.nsd[0])
    curve.dice_outside.append(_dice_outside(mask, reference, curve.clicks))
    curve.milliseconds.append(milliseconds)


def _dice_outside(mask: NDArray[np.bool_], reference: NDArray[np.bool_], clicks: Sequence[Click]) -> float:
    mask, reference = mask.copy(), reference.copy()
    offsets = np.argwhere(np.ones((2 * BALL + 1,) * 3)) - BALL
    offsets = offsets[(offsets**2).sum(axis=1) <= BALL**2]
    for click in clicks:
        ball = offsets + click.voxel
        ball = ball[((ball >= 0) & (ball < mask.shape)).all(axis=1)]
        mask[tuple(ball.T)] = reference[tuple(ball.T)] = False
    found = overlaps(mask.view(np.uint8), reference.view(np.uint8), {1: "object"})[1]
    total = found.prediction + found.reference
    return 2 * found.shared / total if total else nan
