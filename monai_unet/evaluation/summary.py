"""What the scores of all cases say: per class and over classes, with intervals and with the empty masks counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.scores import ClassScore, Status
from monai_unet.evaluation.statistics import RESAMPLES, Interval, bootstrap_means, interval

_PLAIN = ("dice", "iou", "precision", "recall", "hd95_mm", "assd_mm")
_VOLUMES = ("volume_ml", "reference_volume_ml", "volume_difference_ml")


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


def metric_values(score: ClassScore) -> dict[str, float]:
    """Numbers of one row by column name; the surface Dice at each tolerance has its own, such as `nsd_1mm`."""
    values = {name: getattr(score, name) for name in _PLAIN}
    values |= {f"nsd_{t:g}mm": value for t, value in zip(score.tolerances_mm, score.nsd, strict=True)}
    return values | {name: getattr(score, name) for name in _VOLUMES}


def summarise(scores: Iterable[ClassScore], *, resamples: int = RESAMPLES) -> Summary:
    """Summary of the rows of all cases.

    Raises:
        ValueError: no rows, or two rows for one class of one case.
    """
    rows = list(scores)
    if not rows:
        raise ValueError("no case was scored")
    cases = {name: index for index, name in enumerate(dict.fromkeys(row.case for row in rows))}
    classes = dict(sorted({row.label: row.name for row in rows}.items()))
    column = {label: index for index, label in enumerate(classes)}
    names = list(metric_values(rows[0]))
    tables = {name: np.full((len(cases), len(classes)), np.nan) for name in names}
    seen = np.zeros((len(cases), len(classes)), bool)
    for row in rows:
        place = cases[row.case], column[row.label]
        if seen[place]:
            raise ValueError(f"class {row.label} of case {row.case!r} was scored twice")
        seen[place] = True
        if row.status is not Status.BOTH_EMPTY:
            for name, value in metric_values(row).items():
                tables[name][place] = value
    # one set of draws for all metrics and classes: bootstrap_means sees them side by side
    means = bootstrap_means(np.hstack([tables[name] for name in names]), resamples=resamples)
    by_name = dict(zip(names, np.split(means, len(names), axis=1), strict=True))
    return Summary(
        cases=len(cases),
        classes=tuple(
            _class_summary(
                [row for row in rows if row.label == label], {n: (tables[n][:, k], by_name[n][:, k]) for n in names}
            )
            for k, label in enumerate(classes)
        ),
        mean_over_classes={name: _over_classes(tables[name], by_name[name]) for name in names},
    )


def _class_summary(
    rows: list[ClassScore], columns: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> ClassSummary:
    counted = {status: sum(row.status is status for row in rows) for status in Status}
    return ClassSummary(
        label=rows[0].label,
        name=rows[0].name,
        n=len(rows) - counted[Status.BOTH_EMPTY],
        n_both_empty=counted[Status.BOTH_EMPTY],
        n_missed=counted[Status.MISSED],
        n_spurious=counted[Status.SPURIOUS],
        metrics={name: interval(values, means) for name, (values, means) in columns.items()},
    )


def _over_classes(table: NDArray[np.float64], means: NDArray[np.float64]) -> Interval:
    present = np.isfinite(table).any(axis=0)
    if not present.any():
        return Interval(np.nan, np.nan, np.nan, np.nan)
    class_means = np.nanmean(table[:, present], axis=0)
    drawn = means[:, present]
    return interval(class_means, np.nanmean(drawn[np.isfinite(drawn).any(axis=1)], axis=1))
