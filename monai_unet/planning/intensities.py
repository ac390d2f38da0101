"""Intensities of one channel of a case, inside what is marked and where the image is not zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_SAMPLED = 200_000
"""Voxels whose percentiles are taken, evenly spread; more change them by less than their last digit here."""

LEVELS = np.linspace(0, 1, 201)
"""Quantiles kept of each case, every half per cent, from which those of all cases are put together."""

_AIR = -500.0
"""CT shows air at -1000 HU; no other modality of use has voxels below this unless its scale was made so."""


@dataclass(frozen=True)
class Intensities:
    """Mean, standard deviation and percentiles (0.5, 50, 99.5) in the image's own unit."""

    mean: float
    sd: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class ChannelInCase:
    """One image of a case.

    Attributes:
        modality: as DICOM states it; empty in other files.
        dtype: of the voxels as stored (after scaling by slope and intercept).
        lowest, highest: of all finite voxels.
        not_finite: voxels that are NaN or infinite.
        zeros: share of voxels that are exactly 0.
        nonzero: over the others; None where all are 0.
        foreground: over what is marked, None without.
        quantiles: of what is marked, at `LEVELS`; empty without.
    """

    modality: str
    dtype: str
    lowest: float
    highest: float
    not_finite: int
    zeros: float
    nonzero: Intensities | None
    foreground: Intensities | None
    quantiles: tuple[float, ...] = ()

    @property
    def hounsfield(self) -> bool:
        """Whether the values can be Hounsfield units: air is there, and nothing denser than metal."""
        return -5000 <= self.lowest <= _AIR and self.highest <= 40_000

    @property
    def never_negative(self) -> bool:
        """Whether no voxel is below 0, as in most MR images and never in CT that shows air."""
        return self.lowest >= 0


def channel_facts(
    voxels: NDArray[np.number], inside: NDArray[np.bool_] | None, modality: str
) -> tuple[ChannelInCase, NDArray[np.float32]]:
    """Facts of voxels (S, A, R), of which `inside` are marked, and the voxels as float32, the lowest for NaN."""
    dtype = np.dtype(voxels.dtype).name
    data = np.ascontiguousarray(voxels, dtype=np.float32)
    bad = 0
    if voxels.dtype.kind == "f" and not np.isfinite(data.sum(dtype=np.float64)):
        finite = np.isfinite(data)
        bad = int(data.size - np.count_nonzero(finite))
        data = np.where(finite, data, data[finite].min() if finite.any() else 0)
    signal = data[data != 0]
    marked = data[inside] if inside is not None and inside.any() else None
    facts = ChannelInCase(
        modality=modality,
        dtype=dtype,
        lowest=_digits(data.min()),
        highest=_digits(data.max()),
        not_finite=bad,
        zeros=round(1 - signal.size / data.size, 4),
        nonzero=_intensities(signal) if signal.size else None,
        foreground=None if marked is None else _intensities(marked),
        quantiles=() if marked is None else tuple(_digits(v) for v in np.quantile(_sampled(marked), LEVELS)),
    )
    return facts, data


def _intensities(values: NDArray[np.float32]) -> Intensities:
    some = _sampled(values).astype(np.float64)
    low, median, high = np.percentile(some, (0.5, 50, 99.5))
    return Intensities(*(_digits(v) for v in (some.mean(), some.std(), low, median, high)))


def _sampled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    if values.size <= _MOST_SAMPLED:
        return values
    return values[np.linspace(0, values.size - 1, _MOST_SAMPLED).astype(np.int64)]


def _digits(value: float | np.floating) -> float:
    return float(f"{float(value):.6g}")
