"""Grey-level windows: the usual ones of CT, and those found from the image for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

AUTOMATIC = "automatic"
NARROW, WIDE = "soft tissue, narrow", "whole range"
OWN_WINDOWS = {NARROW: (5.0, 97.0), WIDE: (0.0, 100.0)}
"""Of images without Hounsfield units: percentiles shown black and white."""
_AUTOMATIC = (1.0, 99.5)
_CT_BELOW = -400.0
_RIND_MM = 12.0
"""Scalp, its fat and the skull: what is deeper than this decides what is bright."""
_LEAST = 500


@dataclass(frozen=True)
class GreyWindow:
    """A window of CT: `level` is its middle and `width` its extent, in Hounsfield units."""

    name: str
    level: float
    width: float

    @property
    def limits(self) -> tuple[float, float]:
        """Value shown black, value shown white."""
        return self.level - self.width / 2, self.level + self.width / 2


CT_WINDOWS = {
    window.name: window
    for window in (
        GreyWindow("brain", 40, 80),
        GreyWindow("stroke", 40, 40),
        GreyWindow("lung", -600, 1500),
        GreyWindow("mediastinum", 50, 350),
        GreyWindow("abdomen", 50, 400),
        GreyWindow("bone", 400, 1800),
    )
}


def is_ct(image: NDArray[np.number], modality: str = "") -> bool:
    """Whether values are Hounsfield units: DICOM says CT, or in a file air lies far below zero.

    Image (S, A, R).
    """
    if modality:
        return modality == "CT"
    return bool(_sample(image).min() < _CT_BELOW)


def limits_of(
    name: str, image: NDArray[np.number], modality: str = "", spacing: Sequence[float] = (1.0, 1.0, 1.0)
) -> tuple[float, float]:
    """Black and white level of a named window for an image (S, A, R), spacing in mm.

    "automatic" is the abdomen window for CT; otherwise the 1st and 99.5th percentile of what lies more than 12 mm deep
    in the head or body, so that neither the air around it nor the fat under the skin decides; where nothing lies so
    deep, of all that is brighter than the background.

    Levels have the unit of the image, HU in CT.

    >>> flat = np.zeros((20, 60, 60))
    >>> flat[:, 4:56, 4:56] = 900  # fat
    >>> flat[:, 7:53, 7:53] = np.linspace(100, 200, 46)  # brain
    >>> round(limits_of("automatic", flat, "MR", (5, 3, 3))[1])
    198
    """
    if name in CT_WINDOWS:
        return CT_WINDOWS[name].limits
    if name == AUTOMATIC and is_ct(image, modality):
        return CT_WINDOWS["abdomen"].limits
    low, high = np.percentile(_within(image, spacing), OWN_WINDOWS.get(name, _AUTOMATIC))
    return float(low), float(max(high, low + max(1e-6, abs(low) * 1e-6)))


def range_of(image: NDArray[np.number]) -> tuple[float, float]:
    """Lowest and highest value, for the ends of the contrast slider.

    Image (S, A, R) in any unit.
    """
    low, high = float(image.min()), float(image.max())
    return low, max(high, low + 1e-6)


def _within(image: NDArray[np.number], spacing: Sequence[float]) -> NDArray[np.floating]:
    """Values deep in the head or body, or of all that is brighter than the background where nothing lies deep."""
    values = _sample(image)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(1)
    darkest = values[finite].min()
    tissue = finite & (values > darkest)
    if not tissue.any():
        return values[finite]
    # noise in the air is brighter than the darkest voxel too
    body = tissue & (values > darkest + 0.25 * (values[tissue].mean() - darkest))
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in body])
    steps = np.array(image.shape) / values.shape
    # within each slice: the head goes on beyond the first and the last one
    depth = np.stack([ndimage.distance_transform_edt(p, sampling=(steps * spacing)[1:]) for p in filled])
    deep = tissue & (depth > _RIND_MM)
    return values[deep] if deep.sum() >= _LEAST else values[tissue]


def _sample(image: NDArray[np.number]) -> NDArray[np.floating]:
    """At most about a quarter of a million voxels, evenly spread: enough for a percentile, whatever the size."""
    step = max(1, round((image.size / 250_000) ** (1 / 3)))
    return cast("NDArray[np.floating]", image)[::step, ::step, ::step]
