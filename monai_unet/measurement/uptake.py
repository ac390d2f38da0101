"""Uptake in PET: the highest value, the peak in a ball of 1 ml, and the total metabolic tumour volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from monai_unet.geometry import bounding_box

PEAK_ML = 1.0
_PEAK_RADIUS_MM = float((3 * PEAK_ML * 1000 / (4 * np.pi)) ** (1 / 3))
_FINER = 3


@dataclass(frozen=True)
class Uptake:
    """What was taken up in a mask, in the unit of the image it was given.

    Attributes:
        mean, highest: over the voxels of the mask.
        peak: the highest mean in a ball of 1 ml (12.4 mm across) whose middle lies in the mask; the ball may reach out
            of it. None where no such ball lies within the image.
        volume_ml: of the mask.
    """

    mean: float
    highest: float
    peak: float | None
    volume_ml: float

    @property
    def total(self) -> float:
        """Mean times volume: total lesion glycolysis where the tracer is FDG and the unit SUV."""
        return self.mean * self.volume_ml


def measure_uptake(mask: ArrayLike, image: ArrayLike, spacing: Sequence[float]) -> Uptake | None:
    """Mean, highest and peak value in a mask (3D, any axis order); None where it has no voxel.

    Args:
        mask: non-zero inside.
        image: of the same shape.
        spacing: mm along the axes of both.

    Raises:
        ValueError: the shapes differ.

    >>> image = np.zeros((15, 15, 15))
    >>> image[5:10, 5:10, 5:10] = 4
    >>> found = measure_uptake(image > 0, image, (4, 4, 4))
    >>> found.highest, round(found.peak, 2), found.volume_ml
    (4.0, 4.0, 8.0)
    """
    inside, values = np.asarray(mask).astype(bool, copy=False), np.asarray(image)
    if inside.shape != values.shape:
        raise ValueError(f"image must be {inside.shape} as the mask, got {values.shape}")
    if not inside.any():
        return None
    held = values[inside].astype(float)
    volume = float(inside.sum() * np.prod(spacing) / 1000)
    return Uptake(float(held.mean()), float(held.max()), _peak(inside, values, spacing), volume)


def _peak(inside: NDArray[np.bool_], values: NDArray[np.number], spacing: Sequence[float]) -> float | None:
    ball = _ball(spacing)
    reach = [n // 2 for n in ball.shape]
    box = bounding_box(inside)
    assert box is not None
    wide = tuple(
        slice(max(0, part.start - r), min(n, part.stop + r))
        for part, r, n in zip(box, reach, values.shape, strict=True)
    )
    part = values[wide].astype(float)
    if any(n < b for n, b in zip(part.shape, ball.shape, strict=True)):
        return None
    # symmetric, so that convolution is correlation
    means = signal.oaconvolve(part, ball, mode="valid")
    centres = inside[wide][tuple(slice(r, r + n) for r, n in zip(reach, means.shape, strict=True))]
    return float(means[centres].max()) if centres.any() else None


def _ball(spacing: Sequence[float]) -> NDArray[np.float64]:
    """Share of each voxel in a ball of 1 ml about the middle of one, summing to 1; voxels are cut where it ends."""
    reach = [max(0, int(np.ceil(_PEAK_RADIUS_MM / mm - 0.5))) for mm in spacing]
    fine = np.ogrid[tuple(slice(-(r + 0.5) + 0.5 / _FINER, r + 0.5, 1 / _FINER) for r in reach)]
    squares = sum((place * mm) ** 2 for place, mm in zip(fine, spacing, strict=True))
    held = np.asarray(squares <= _PEAK_RADIUS_MM**2, dtype=float)
    shape = [n for r in reach for n in (2 * r + 1, _FINER)]
    shares = held.reshape(shape).mean(axis=(1, 3, 5))
    shares /= shares.sum()
    return np.asarray(shares)
