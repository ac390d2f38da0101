"""Means with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
SEED = 20240501
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and median over cases with the bootstrap interval of the mean; NaN where no case has a value."""

    mean: float
    median: float
    low: float
    high: float


def bootstrap_means(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """Means (resamples, k) of `values` (n cases, k) over cases drawn with replacement; NaN is "no value".

    Cases are drawn whole, so columns stay paired (Efron & Tibshirani 1993, chapter 6).
    """
    table = np.asarray(values, dtype=float)
    known = np.isfinite(table).astype(float)
    filled = np.where(known > 0, table, 0.0)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, table.shape[1]))
    for index in range(resamples):
        drawn = np.bincount(random.integers(0, len(table), len(table)), minlength=len(table)).astype(float)
        with np.errstate(invalid="ignore"):
            means[index] = (drawn @ filled) / (drawn @ known)
    return means


def interval(values: ArrayLike, means: ArrayLike, *, confidence: float = CONFIDENCE) -> Interval:
    """Mean and median of `values` (n,) and the percentile interval of their bootstrap `means` (resamples,)."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return Interval(np.nan, np.nan, np.nan, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.asarray(means), [tail, 1 - tail])
    return Interval(float(known.mean()), float(np.median(known)), float(low), float(high))
