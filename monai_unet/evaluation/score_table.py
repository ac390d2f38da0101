"""All scores of an evaluation as columns: eight bytes a number, so that a million cases still fit."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.scores import ClassScore, Status

_PLAIN = ("dice", "iou", "precision", "recall", "hd95_mm", "assd_mm")
_VOLUMES = ("volume_ml", "reference_volume_ml", "volume_difference_ml")
_STATES = {status: code for code, status in enumerate(Status)}


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Cases in the order in which they came, classes in the order of their values.

    Attributes:
        cases: their names.
        labels: name of each class by its value.
        metrics: names of the columns, see `metric_values`.
        stacked: (cases, metrics × classes) the numbers, all classes of one metric side by side; NaN where both masks
            are empty or there is no row.
        states: (cases, classes) place of the status in `Status`, -1 where there is no row.
    """

    cases: tuple[str, ...]
    labels: Mapping[int, str]
    metrics: tuple[str, ...]
    stacked: NDArray[np.float64]
    states: NDArray[np.int8]

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """(cases, classes) of each metric, views of `stacked`."""
        return dict(zip(self.metrics, np.split(self.stacked, len(self.metrics), axis=1), strict=True))

    def is_status(self, status: Status) -> NDArray[np.bool_]:
        """(cases, classes) which rows have that status."""
        return self.states == _STATES[status]

    def count(self, status: Status) -> NDArray[np.int64]:
        """(classes,) cases of that status."""
        return self.is_status(status).sum(axis=0)


def metric_values(score: ClassScore) -> dict[str, float]:
    """Numbers of one row by column name; the surface Dice at each tolerance has its own, such as `nsd_1mm`."""
    values = {name: getattr(score, name) for name in _PLAIN}
    values |= {f"nsd_{t:g}mm": value for t, value in zip(score.tolerances_mm, score.nsd, strict=True)}
    return values | {name: getattr(score, name) for name in _VOLUMES}


def score_table(scores: Iterable[ClassScore]) -> ScoreTable | None:
    """The table of the rows of all cases, taken one by one; None where there are none.

    Raises:
        ValueError: two rows for one class of one case.
    """
    cases: dict[str, int] = {}
    names: dict[int, str] = {}
    places, numbers = array("q"), array("d")
    metrics: tuple[str, ...] = ()
    for score in scores:
        values = metric_values(score)
        metrics = metrics or tuple(values)
        names.setdefault(score.label, score.name)
        places.extend((cases.setdefault(score.case, len(cases)), score.label, _STATES[score.status]))
        numbers.extend(values.values() if score.status is not Status.BOTH_EMPTY else [np.nan] * len(metrics))
    if not metrics:
        return None
    case, label, state = np.frombuffer(places, np.int64).reshape(-1, 3).T
    labels = sorted(names)
    column = np.searchsorted(labels, label)
    times = np.bincount(case * len(labels) + column)
    if times.max() > 1:
        twice, which = divmod(int(times.argmax()), len(labels))
        raise ValueError(f"class {labels[which]} of case {list(cases)[twice]!r} was scored twice")
    states = np.full((len(cases), len(labels)), -1, np.int8)
    states[case, column] = state
    stacked = np.full((len(cases), len(metrics), len(labels)), np.nan)
    stacked[case, :, column] = np.frombuffer(numbers).reshape(-1, len(metrics))
    return ScoreTable(
        tuple(cases), {value: names[value] for value in labels}, metrics, stacked.reshape(len(cases), -1), states
    )
