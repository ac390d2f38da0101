"""From facts about a data set, a device and a budget to the sizes of a plan; each choice says why.

The rules are nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z) where a budget is long: median spacing,
patch and strides by spacing and extent. A budget that allows few steps asks for more: a patch that holds the
structures and little else, and coarser voxels where every structure would otherwise be seen too seldom to be learnt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monai_unet.networks import strides_and_kernels

WIDTHS = {"cpu": (16, 32, 64, 128, 160), "cuda": (32, 64, 128, 256, 320, 320)}
"""Feature channels per level, full resolution first."""

_MOST_VOXELS = {"cpu": 96**3, "cuda": 128**3}
_SMALLEST_AXIS = 24
_THICK = 2.5
"""Slices are thick from this ratio of the largest to the second largest spacing."""

_SEEN = 40.0
"""How often the surroundings of all structures should be seen in a training; below that, voxels become coarser."""

_FEWEST_STEPS = 400
_SURROUNDINGS_MM = 20.0
_FEWEST_ACROSS = 5.0
"""Voxels across the smallest structure that coarser voxels must leave."""


@dataclass(frozen=True)
class CaseFacts:
    """What a plan needs to know of one case; axes (S, A, R), or across the slices first.

    Attributes:
        spacing: mm.
        shape: voxels.
        box_mm: extent of what is marked, mm; zeros where nothing is.
        volumes_ml: of each class, in the order of the plan's class indices.
    """

    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    box_mm: tuple[float, float, float]
    volumes_ml: tuple[float, ...]


@dataclass(frozen=True)
class Sizes:
    """Spacing, patch and network of a plan."""

    spacing: tuple[float, float, float]
    kept_slices: tuple[float, float] | None
    patch_size: tuple[int, int, int]
    widths: tuple[int, ...]
    strides: tuple[tuple[int, int, int], ...]
    kernels: tuple[tuple[int, int, int], ...]
    reasons: Mapping[str, str]


def sizes(
    cases: Sequence[CaseFacts],
    *,
    device: str,
    voxels_per_second: float,
    seconds: float,
    batch_size: int = 2,
    most_voxels: int | None = None,
) -> Sizes:
    """Spacing, patch and network for a data set.

    Args:
        cases: of the training list.
        device: "cpu" or "cuda".
        voxels_per_second: what a training step gets through here.
        seconds: what the training may take.
        batch_size: patches per step.
        most_voxels: of a patch, where memory allows no more.
    """
    reasons: dict[str, str] = {}
    spacings = np.array([case.spacing for case in cases])
    median = np.median(spacings, axis=0)
    order = np.sort(median)
    thick = bool(order[-1] >= _THICK * order[-2])
    reasons["spacing"] = f"the median of the {len(cases)} cases, {_mm(median)}"
    spacing = median.copy()
    factor = _coarser(cases, median, thick, voxels_per_second * seconds)
    across = [axis for axis in range(3) if not (thick and median[axis] == order[-1])]
    if factor > 1:
        # voxels of like size first: the finest axes are coarsened most
        finest = min(median[axis] for axis in across)
        spacing[across] = np.maximum(median[across], finest * factor)
        reasons["spacing"] += (
            f", made coarser to {_mm(spacing)}: {_time(seconds)} of training would show the surroundings of the "
            f"structures less than {_SEEN:.0f} times otherwise"
        )
    kept = None
    if thick:
        slices = float(spacing.max())
        kept = (round(0.6 * slices, 3), round(1.6 * slices, 3))
        reasons["slices"] = f"thick, {slices:g} mm; from {kept[0]:g} to {kept[1]:g} mm they stay as they were acquired"
    spacing = np.round(spacing, 4)
    most = min(
        most_voxels or _MOST_VOXELS[device],
        max(_SMALLEST_AXIS**3, voxels_per_second * seconds / _FEWEST_STEPS / batch_size),
    )
    wanted, why = _patch(cases, spacing, most, thick)
    reasons["patch"] = why
    widths, strides, kernels, patch = _levels(wanted, spacing, WIDTHS[device])
    reasons["network"] = (
        f"{len(widths)} levels; an axis is halved where its voxels are small beside the others and the patch is long "
        f"enough; {widths[0]} to {widths[-1]} channels for this device ({device})"
    )
    return Sizes(_three(spacing), kept, patch, widths, strides, kernels, reasons)


def _coarser(cases: Sequence[CaseFacts], spacing: np.ndarray, thick: bool, voxels: float) -> float:
    """Factor on the finest axes that makes what is seen enough, at most what the smallest structure allows."""
    boxes = np.array([case.box_mm for case in cases]) + 2 * _SURROUNDINGS_MM
    extents = np.array([np.array(case.shape) * np.array(case.spacing) for case in cases])
    around = float((np.minimum(boxes, extents) / spacing).prod(axis=1).sum())
    seen = voxels / max(around, 1.0)
    if seen >= _SEEN:
        return 1.0
    power = 2 if thick else 3
    wanted = (_SEEN / seen) ** (1 / power)
    volumes = np.array([case.volumes_ml for case in cases], dtype=float)
    volumes[volumes <= 0] = np.nan
    with np.errstate(all="ignore"):
        typical = np.nanmedian(volumes, axis=0)
    smallest = float(np.nanmin(typical)) if np.isfinite(typical).any() else 1.0
    diameter = (6 * smallest * 1000 / math.pi) ** (1 / 3)
    finest = float(spacing.min())
    return float(max(1.0, min(wanted, diameter / _FEWEST_ACROSS / finest, 3.0)))


def _patch(cases: Sequence[CaseFacts], spacing: np.ndarray, most: float, thick: bool) -> tuple[np.ndarray, str]:
    extents = np.array([np.array(case.shape) * np.array(case.spacing) for case in cases])
    boxes = np.array([case.box_mm for case in cases])
    whole = np.median(extents, axis=0) / spacing
    wanted = np.minimum(whole, (np.percentile(boxes, 75, axis=0) + 2 * _SURROUNDINGS_MM) / spacing)
    patch = np.maximum(wanted, np.minimum(whole, _SMALLEST_AXIS))
    if thick:
        axis = int(np.argmax(spacing))
        patch[axis] = min(whole[axis], max(patch[axis], 6))
    said = "the structures with 20 mm around them"
    if patch.prod() > most:
        said = f"as much of them as a step may hold ({most / 1000:.0f} thousand voxels)"
        patch = _shrunk(patch, spacing, most)
    elif most > 2 * patch.prod():
        # room is left: more surroundings, up to the whole image
        grown = np.minimum(whole, patch * (most / patch.prod()) ** (1 / 3))
        patch, said = np.maximum(patch, grown), "the structures and what the step has room for around them"
    return np.maximum(1, np.round(patch)), f"{said}; the median image is {' × '.join(f'{n:.0f}' for n in whole)} voxels"


def _shrunk(patch: np.ndarray, spacing: np.ndarray, most: float) -> np.ndarray:
    """The longest axis in mm is cut first, so that what remains tends to a cube."""
    patch = patch.astype(float).copy()
    while patch.prod() > most:
        lengths = np.where(patch > 4, patch * spacing, 0)
        axis = int(np.argmax(lengths))
        if lengths[axis] == 0:
            break
        patch[axis] *= 0.95
    return patch


def _levels(
    patch: np.ndarray, spacing: np.ndarray, widths: Sequence[int]
) -> tuple[tuple[int, ...], tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...], tuple[int, int, int]]:
    """Levels as long as something is left to halve (4 voxels), and the patch as a multiple of what they divide by."""
    strides, kernels = strides_and_kernels([float(mm) for mm in spacing], len(widths) - 1)
    chosen: list[tuple[int, int, int]] = []
    left = patch.astype(float)
    for stride in strides:
        step = tuple(2 if s == 2 and left[axis] >= 8 else 1 for axis, s in enumerate(stride))
        if max(step) == 1:
            break
        chosen.append((step[0], step[1], step[2]))
        left = left / np.array(step)
    total = np.prod(np.array(chosen or [(1, 1, 1)]), axis=0)
    rounded = np.maximum(1, np.round(patch / total)) * total
    count = len(chosen) + 1
    return (
        tuple(widths[:count]),
        tuple(chosen),
        tuple((k[0], k[1], k[2]) for k in kernels[:count]),
        (int(rounded[0]), int(rounded[1]), int(rounded[2])),
    )


def _three(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _mm(spacing: Sequence[float] | np.ndarray) -> str:
    return " × ".join(f"{mm:.3g}" for mm in spacing) + " mm"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
