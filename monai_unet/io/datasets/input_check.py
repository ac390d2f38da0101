"""Does a volume look like what a model was trained on? Warnings in one sentence each, before the model runs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, product

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_unet.geometry import WORKING_AXES, grid_of
from monai_unet.io.datasets.channel import ExpectedInput, Triple

_AXIS_NAMES = ("head-foot", "front-back", "left-right")
_ROOM = 1.25
"""How far outside the training range a size may lie before it is worth a sentence."""
_COARSE = 8
# On 20 head and neck CTs not in the mean, the largest gain of a wrong orientation was 0.09.
_CLEARLY_BETTER = 0.12
_ALIKE = 0.5
_AIR_HU, _AIR_WANTED_HU = -500.0, -200.0


def expected_of(volumes: Iterable[MetaTensor], *, modality: str = "") -> ExpectedInput:
    """What training volumes (1, S, A, R) look like; only CT and PET have units in which intensities can be compared.

    Raises:
        ValueError: no volume was given.
    """
    spacings, extents, percentiles, coarse = [], [], [], []
    for volume in volumes:
        grid = grid_of(volume)
        spacings.append(grid.spacing)
        extents.append(np.multiply(grid.shape, grid.spacing))
        percentiles.append(_percentiles(volume))
        coarse.append(_coarse(volume))
    if not spacings:
        raise ValueError("at least one volume is needed")
    low, high = np.array(percentiles).T
    return ExpectedInput(
        modality,
        (_triple(np.min(spacings, axis=0)), _triple(np.max(spacings, axis=0))),
        (_triple(np.min(extents, axis=0)), _triple(np.max(extents, axis=0))),
        (float(low.min()), float(high.max())) if modality in ("CT", "PT") else None,
        _appearance(np.array(coarse)),
    )


def check_input(volume: MetaTensor, expected: ExpectedInput) -> list[str]:
    """Sentences that say what looks wrong with a volume (1, S, A, R) for a model; empty when nothing does.

    Spacing is compared in mm, intensities in the unit that the model states.
    """
    low, high = _percentiles(volume)
    if low == high and float(volume.min()) == float(volume.max()):
        return [f"every voxel has the value {low:g}: this is not an image."]
    return [
        *_modality_warnings(volume, expected),
        *size_warnings(volume, expected),
        *_intensity_warnings(low, high, expected),
        *_orientation_warnings(volume, expected),
    ]


def _modality_warnings(volume: MetaTensor, expected: ExpectedInput) -> list[str]:
    stated = str(volume.meta.get("modality", ""))
    if stated and expected.modality:
        known = stated == expected.modality
        return [] if known else [f"the volume is {stated}, the model was trained on {expected.modality}."]
    lowest = float(volume.min())
    if expected.modality == "CT" and lowest > _AIR_WANTED_HU:
        return [f"the lowest value is {lowest:g}: a CT in Hounsfield units has air near -1000; is it MR, or rescaled?"]
    if expected.modality == "MR" and lowest < _AIR_HU:
        return [f"the lowest value is {lowest:g}, as in CT; the model was trained on MR."]
    return []


def size_warnings(volume: MetaTensor, expected: ExpectedInput) -> list[str]:
    """The same of voxel size and field of view alone, in mm; no voxel is looked at."""
    grid = grid_of(volume)
    found = []
    for what, sizes, seen in (
        ("voxel size", grid.spacing, expected.spacing),
        ("field of view", np.multiply(grid.shape, grid.spacing), expected.extent),
    ):
        for axis, size, low, high in zip(_AXIS_NAMES, sizes, *(seen or ((), ())), strict=False):
            if not low / _ROOM <= size <= high * _ROOM:
                found.append(f"the {axis} {what} is {size:.3g} mm, in training it was {low:.3g} to {high:.3g} mm.")
    return found


def _intensity_warnings(low: float, high: float, expected: ExpectedInput) -> list[str]:
    if expected.intensity is None:
        return []
    seen_low, seen_high = expected.intensity
    room = 0.25 * (seen_high - seen_low)
    if seen_low - room <= low and high <= seen_high + room and high - low > 0.1 * room:
        return []
    return [
        f"intensities run from {low:.4g} to {high:.4g} (1st and 99th percentile), "
        f"in training they lay between {seen_low:.4g} and {seen_high:.4g}; check the units."
    ]


def _orientation_warnings(volume: MetaTensor, expected: ExpectedInput) -> list[str]:
    """Compare with the mean training volume in all 48 axis orders and directions."""
    if expected.appearance is None:
        return []
    template = np.reshape(expected.appearance, (_COARSE,) * 3)
    coarse = _coarse(volume)
    as_is = _correlation(coarse, template)
    best, order, flips = max(
        (_correlation(np.flip(coarse.transpose(o), f), template), o, f) for o in permutations(range(3)) for f in _FLIPS
    )
    if best < max(_ALIKE, as_is + _CLEARLY_BETTER):
        return []
    change = f"its axes exchanged to {''.join(WORKING_AXES[axis] for axis in order)}" if order != (0, 1, 2) else ""
    turned = f"{' and '.join(_AXIS_NAMES[axis] for axis in flips)} reversed" if flips else ""
    return [
        f"the volume resembles the training volumes more with {', '.join(filter(None, (change, turned)))} "
        f"(correlation {best:.2f} instead of {as_is:.2f}): the orientation in its header may be wrong."
    ]


_FLIPS = [tuple(axis for axis, chosen in enumerate(chosen_axes) if chosen) for chosen_axes in product((0, 1), repeat=3)]


def _percentiles(volume: MetaTensor) -> tuple[float, float]:
    # every 7th voxel suffices, and a thousand-slice CT is not sorted as a whole
    values = volume.as_tensor().reshape(-1)[:: 7 if volume.numel() > 1_000_000 else 1].float().numpy()
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high)


def _coarse(volume: MetaTensor) -> NDArray[np.float64]:
    """(8, 8, 8) means, standardised; outliers cut off so that metal or padding does not decide."""
    low, high = _percentiles(volume)
    data = volume.as_tensor()[:1].float().clamp(low, max(high, low + 1e-6))
    means = torch.nn.functional.adaptive_avg_pool3d(data[None], _COARSE)[0, 0].double().numpy()
    return (means - means.mean()) / max(float(means.std()), 1e-12)


def _appearance(coarse: NDArray[np.float64]) -> tuple[float, ...] | None:
    """Mean of (n, 8, 8, 8), or None where a volume says little about the next."""
    total = coarse.sum(axis=0)
    alike = [_correlation(one, total - one) for one in coarse]
    if len(coarse) > 1 and np.percentile(alike, 10) < _ALIKE:
        return None
    return tuple(float(v) for v in np.round(total.ravel() / len(coarse), 3))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / scale if scale else 0.0


def _triple(values: NDArray[np.float64]) -> Triple:
    a, b, c = (round(float(v), 4) for v in values)
    return a, b, c
