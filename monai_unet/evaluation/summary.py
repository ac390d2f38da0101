"""What the scores of all cases say: per class and over classes, with intervals and with the empty masks counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.score_table import ScoreTable, score_table
from monai_unet.evaluation.scores import ClassScore, Status
from monai_unet.evaluation.statistics import RESAMPLES, Interval, bootstrap_means, interval


@dataclass(frozen=True)
class ClassSummary:
    """One class over all cases.

    Attributes:
        label, name: as in the scores.
        n: cases that count in the means, all but the `n_both_empty`.
        n_both_empty: cases without this class in prediction and reference.
        n_missed, n_spurious: cases among the `n` whose prediction, or whose reference, is empty.
        metrics: column name to mean, median and interval.
    """

    label: int
    name: str
    n: int
    n_both_empty: int
    n_missed: int
    n_spurious: int
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Summary:
    """All classes over all cases; `mean_over_classes` is the mean of the class means, cases resampled whole."""

    cases: int
    classes: tuple[ClassSummary, ...]
    mean_over_classes: dict[str, Interval]


def summarise(scores: Iterable[ClassScore] | ScoreTable, *, resamples: int = RESAMPLES) -> Summary:
    """Summary of the rows of all cases.

    Raises:
        ValueError: no rows, or two rows for one class of one case.
    """
    table = scores if isinstance(scores, ScoreTable) else score_table(scores)
    if table is None:
        raise ValueError("no case was scored")
    # one set of draws for all metrics and classes: bootstrap_means sees them side by side
    means = bootstrap_means(table.stacked, resamples=resamples)
    by_name = dict(zip(table.metrics, np.split(means, len(table.metrics), axis=1), strict=True))
    counted = {status: table.count(status) for status in Status}
    scored = sum(counts for status, counts in counted.items() if status is not Status.BOTH_EMPTY)
    return Summary(
        cases=len(table.cases),
        classes=tuple(
            ClassSummary(
                label=label,
                name=name,
                n=int(np.asarray(scored)[k]),
                n_both_empty=int(counted[Status.BOTH_EMPTY][k]),
                n_missed=int(counted[Status.MISSED][k]),
                n_spurious=int(counted[Status.SPURIOUS][k]),
                metrics={metric: interval(table.columns[metric][:, k], by_name[metric][:, k]) for metric in by_name},
            )
            for k, (label, name) in enumerate(table.labels.items())
        ),
        mean_over_classes={metric: _over_classes(table.columns[metric], by_name[metric]) for metric in by_name},
    )


def _over_classes(table: NDArray[np.float64], means: NDArray[np.float64]) -> Interval:
    present = np.isfinite(table).any(axis=0)
    if not present.any():
        return Interval(np.nan, np.nan, np.nan, np.nan)
    class_means = np.nanmean(table[:, present], axis=0)
    drawn = means[:, present]
    return interval(class_means, np.nanmean(drawn[np.isfinite(drawn).any(axis=1)], axis=1))
