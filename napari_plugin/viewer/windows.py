"""Grey-level windows: the usual ones of CT, and one found from the image for everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

AUTOMATIC = "automatic"
_CT_BELOW = -400.0


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


def limits_of(name: str, image: NDArray[np.number], modality: str = "") -> tuple[float, float]:
    """Black and white level of a named window for an image (S, A, R).

    "automatic" is the abdomen window for CT; otherwise the 1st and 99.5th percentile of what is brighter than the
    background, so that the air around the patient does not decide.

    Levels have the unit of the image, HU in CT.
    """
    if name in CT_WINDOWS:
        return CT_WINDOWS[name].limits
    if is_ct(image, modality):
        return CT_WINDOWS["abdomen"].limits
    values = _sample(image)
    tissue = values[values > values.min()]
    low, high = np.percentile(tissue if tissue.size else values, (1, 99.5))
    return float(low), float(max(high, low + 1e-6))


def range_of(image: NDArray[np.number]) -> tuple[float, float]:
    """Lowest and highest value, for the ends of the contrast slider.

    Image (S, A, R) in any unit.
    """
    low, high = float(image.min()), float(image.max())
    return low, max(high, low + 1e-6)


def _sample(image: NDArray[np.number]) -> NDArray[np.floating]:
    """At most about a quarter of a million voxels, evenly spread: enough for a percentile, whatever the size."""
    step = max(1, round((image.size / 250_000) ** (1 / 3)))
    return cast("NDArray[np.floating]", image)[::step, ::step, ::step]
