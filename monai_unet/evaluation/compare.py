"""Two evaluations of the same cases, case by case."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from pathlib import Path

import numpy as np

from monai_unet.errors import InputError
from monai_unet.evaluation.statistics import Interval, PairedComparison, compare_paired, holm
from monai_unet.evaluation.tables import strict_json
from monai_unet.io import of_cell, plain, write_text

_NOT_METRICS = ("case", "label", "name", "status", "volume_ml", "reference_volume_ml", "volume_difference_ml")
_SMALLER_IS_BETTER = ("hd95_mm", "assd_mm")


@dataclass(frozen=True)
class EvaluationResult:
    """One evaluation as read from its folder: `values` by (case, class) and metric, NaN where both masks are empty."""

    name: str
    values: Mapping[tuple[str, str], Mapping[str, float]]
    metrics: tuple[str, ...]
    surface: str
    provenance: Mapping[str, object]


@dataclass(frozen=True)
class ComparisonRow:
    """One class and metric compared; `better` says which result is, empty where nothing is shown.

    Attributes:
        first, second: means over the compared cases.
        found: second minus first, and the test.
        p_holm: p value adjusted for all classes of this metric.
        only_one_side: cases left out because one result has no value: both masks empty there, not here.
    """

    name: str
    metric: str
    first: float
    second: float
    found: PairedComparison
    p_holm: float
    only_one_side: int

    @property
    def better(self) -> str:
        """`first` or `second` where the adjusted test shows a difference at 5 %, else empty."""
        if not isfinite(self.p_holm) or self.p_holm >= 0.05 or self.found.difference.mean == 0:
            return ""
        gained = (self.found.difference.mean > 0) != (self.metric in _SMALLER_IS_BETTER)
        return "second" if gained else "first"


@dataclass(frozen=True)
class Comparison:
    """All classes and metrics of two results, and the cases and classes that only one of them has."""

    first: EvaluationResult
    second: EvaluationResult
    rows: tuple[ComparisonRow, ...]
    cases: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    classes_of_one: tuple[str, ...]


def read_result(folder: str | Path, *, name: str = "") -> EvaluationResult:
    """A folder written by `monai-unet evaluate` or by `ScoreHandler`.

    Raises:
        InputError: the folder lacks `cases.csv` or `summary.json`, or they cannot be read.
    """
    root = Path(folder)
    try:
        summary = json.loads((root / "summary.json").read_text(encoding="utf-8"))
        with (root / "cases.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        values = {
            (of_cell(row["case"]), of_cell(row["name"])): {
                k: float(v) if v else nan for k, v in row.items() if k not in _NOT_METRICS
            }
            for row in rows
        }
        surface = summary["definitions"]["surface"]
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} does not exist; name a folder that `evaluate` wrote.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root} holds no readable evaluation ({error}); evaluate again.") from None
    if not rows:
        raise InputError(f"{root / 'cases.csv'} holds no scored case; there is nothing to compare.")
    metrics = tuple(key for key in rows[0] if key not in _NOT_METRICS)
    return EvaluationResult(name or root.resolve().name, values, metrics, surface, summary.get("provenance", {}))


def compare(first: EvaluationResult, second: EvaluationResult) -> Comparison:
    """Compare two results over the cases that both have.

    Raises:
        InputError: they were scored with different definitions, or have no case in common.
    """
    if first.surface != second.surface or first.metrics != second.metrics:
        raise InputError(
            f"{first.name} was scored with surface '{first.surface}' and {', '.join(first.metrics)}, {second.name} "
            f"with '{second.surface}' and {', '.join(second.metrics)}; evaluate both with the same options."
        )
    cases = [list(dict.fromkeys(case for case, _ in result.values)) for result in (first, second)]
    there = set(cases[1])
    common = [case for case in cases[0] if case in there]
    if not common:
        raise InputError(
            f"{first.name} and {second.name} have no case in common (the first has {cases[0][0]}, the second "
            f"{cases[1][0]}); compare evaluations of the same data."
        )
    classes = [list(dict.fromkeys(name for _, name in result.values)) for result in (first, second)]
    names = [name for name in classes[0] if name in classes[1]]
    if not names:
        raise InputError(
            f"{first.name} scores {', '.join(classes[0])} and {second.name} {', '.join(classes[1])}; there is no class "
            "to compare. Give the same names to both (evaluate --labels)."
        )
    rows: list[ComparisonRow] = []
    for metric in first.metrics:
        rows += _metric_rows(first, second, metric, names, common)
    return Comparison(
        first,
        second,
        tuple(rows),
        cases=len(common),
        only_first=tuple(sorted(set(cases[0]) - set(common))),
        only_second=tuple(sorted(set(cases[1]) - set(common))),
        classes_of_one=tuple(name for name in [*classes[0], *classes[1]] if name not in names),
    )


def case_differences(comparison: Comparison, metric: str, name: str) -> dict[str, float]:
    """Second minus first of one metric and class, by case; NaN where a side has no value."""
    second = comparison.second.values
    return {
        case: second[case, name][metric] - values[metric]
        for (case, cls), values in comparison.first.values.items()
        if cls == name and (case, name) in second
    }


def write_comparison_json(comparison: Comparison, path: str | Path) -> None:
    """All rows as strict JSON. Atomic."""
    content = {
        "first": comparison.first.name,
        "second": comparison.second.name,
        "cases_compared": comparison.cases,
        "cases_only_in_first": comparison.only_first,
        "cases_only_in_second": comparison.only_second,
        "classes_only_in_one": comparison.classes_of_one,
        "rows": [asdict(row) | {"better": row.better} for row in comparison.rows],
        "definitions": {
            "difference": "second minus first, mean over cases with its 95 % bootstrap interval, cases drawn whole",
            "p_value": "Wilcoxon signed-rank test, two-sided, zero differences after Pratt",
            "p_holm": "adjusted for the classes of one metric after Holm",
            "surface": comparison.first.surface,
        },
        "provenance": {"first": comparison.first.provenance, "second": comparison.second.provenance},
    }
    write_text(path, strict_json(content))


def text_rows(comparison: Comparison, metrics: Sequence[str] = ("dice", "hd95_mm")) -> str:
    """The comparison as a small table for the terminal."""
    lines = [
        [
            "metric",
            "class",
            plain(comparison.first.name),
            plain(comparison.second.name),
            "difference",
            "p (Holm)",
            "better",
        ]
    ]
    for row in comparison.rows:
        if row.metric in metrics:
            better = {"first": plain(comparison.first.name), "second": plain(comparison.second.name)}.get(
                row.better, "not shown"
            )
            numbers = [f"{row.first:.3f}", f"{row.second:.3f}", _signed(row.found.difference), f"{row.p_holm:.3g}"]
            lines.append([row.metric, plain(row.name), *numbers, better])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _metric_rows(
    first: EvaluationResult, second: EvaluationResult, metric: str, names: Sequence[str], common: Sequence[str]
) -> list[ComparisonRow]:
    nothing = {metric: nan}
    columns = [
        tuple(np.array([side.values.get((case, name), nothing)[metric] for case in common]) for side in (first, second))
        for name in names
    ]
    found = [compare_paired(a, b) for a, b in columns]
    adjusted = holm([result.p_value for result in found])
    rows = []
    for name, (a, b), result, p_value in zip(names, columns, found, adjusted, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        means = [float(side[both].mean()) if both.any() else nan for side in (a, b)]
        lost = int((np.isfinite(a) != np.isfinite(b)).sum())
        rows.append(ComparisonRow(name, metric, means[0], means[1], result, float(p_value), lost))
    return rows


def _signed(value: Interval) -> str:
    return f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"
