"""Means with bootstrap intervals, paired comparison of two models, agreement of volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wilcoxon

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

    Values have the unit of the score that they are.
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
    """Mean and median of `values` (n,) and the percentile interval of their bootstrap `means` (resamples,).

    The result has the unit of the values.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return Interval(np.nan, np.nan, np.nan, np.nan)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.asarray(means), [tail, 1 - tail])
    return Interval(float(known.mean()), float(np.median(known)), float(low), float(high))


@dataclass(frozen=True)
class PairedComparison:
    """Differences second minus first over the cases that both have.

    Attributes:
        n: cases with a value on both sides.
        difference: their mean difference, median and bootstrap interval.
        better, worse: cases with a positive, a negative difference.
        p_value: two-sided Wilcoxon signed-rank test (1945), zero differences kept (Pratt 1959); 1 where all are equal.
    """

    n: int
    difference: Interval
    better: int
    worse: int
    p_value: float


def compare_paired(first: ArrayLike, second: ArrayLike, *, resamples: int = RESAMPLES) -> PairedComparison:
    """Compare two scores of the same cases, (n,) each in the same order; NaN on either side leaves a case out.

    Differences have the unit of the scores.
    """
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return PairedComparison(0, Interval(np.nan, np.nan, np.nan, np.nan), 0, 0, np.nan)
    p_value = float(wilcoxon(differences, zero_method="pratt").pvalue) if differences.any() else 1.0
    return PairedComparison(
        n=int(differences.size),
        difference=interval(differences, bootstrap_means(differences[:, None], resamples=resamples)[:, 0]),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        p_value=p_value,
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p values adjusted for their number (Holm 1979); NaN stays NaN and does not count.

    Values (n,), probabilities from 0 to 1, in any order.
    """
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    order = [index for index in np.argsort(given) if np.isfinite(given[index])]
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * given[index]))
        adjusted[index] = highest
    return adjusted


@dataclass(frozen=True)
class Agreement:
    """Bland & Altman (1986): bias (mean of measured minus reference) and limits of agreement, bias ± 1.96 SD."""

    n: int
    bias: float
    low: float
    high: float


def agreement(measured: ArrayLike, reference: ArrayLike) -> Agreement:
    """Agreement of two measurements of the same quantity, (n,) each; the SD has n - 1 in its denominator.

    Differences have the unit of the measurements, mm or ml for instance.
    """
    differences = np.asarray(measured, dtype=float) - np.asarray(reference, dtype=float)
    if not differences.size:
        return Agreement(0, np.nan, np.nan, np.nan)
    bias = float(differences.mean())
    spread = 1.96 * float(differences.std(ddof=1)) if differences.size > 1 else np.nan
    return Agreement(int(differences.size), bias, bias - spread, bias + spread)
