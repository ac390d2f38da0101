"""Results as files: `cases.csv`, one row per case and class, and `summary.json`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from monai_unet.evaluation.detection import LesionRecord
from monai_unet.evaluation.metrics import DEFINITIONS
from monai_unet.evaluation.score_table import metric_values
from monai_unet.evaluation.scores import ClassScore
from monai_unet.evaluation.statistics import CONFIDENCE, Interval
from monai_unet.evaluation.summary import Summary
from monai_unet.evaluation.surface import Surface
from monai_unet.io import atomic_path, cell, plain, write_text
from monai_unet.mappings import Json

EMPTY_POLICY = (
    "Both masks empty: counted as n_both_empty, no score. Prediction or reference empty: Dice, IoU, precision, recall "
    "and NSD 0, HD95 and ASSD the image's diagonal, counted as n_missed or n_spurious. No case is dropped from a mean."
)


def write_cases_csv(scores: Iterable[ClassScore], path: str | Path) -> None:
    """One line per case and class; an empty cell where both masks are empty. Atomic."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for score in scores:
            row = {"case": score.case, "label": score.label, "name": score.name, "status": score.status.value}
            row |= {name: f"{value:.6g}" if isfinite(value) else "" for name, value in metric_values(score).items()}
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow({key: cell(value) for key, value in row.items()})


LESION_COLUMNS = (
    "case",
    "label",
    "name",
    "side",
    "number",
    "hit",
    "partners",
    "best_iou",
    "volume_ml",
    "long_axis_mm",
    "short_axis_mm",
    "longest_diameter_mm",
    "slice_index",
    "centroid_right_mm",
    "centroid_anterior_mm",
    "centroid_superior_mm",
    "intensity_mean",
    "intensity_sd",
)


def write_lesions_csv(records: Iterable[LesionRecord], path: str | Path) -> None:
    """One line per lesion of either side; the header stands there even without lesions. Atomic."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=LESION_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in records:
            row = asdict(record)
            right, anterior, superior = row.pop("centroid_mm")
            row |= {
                "side": record.side.value,
                "hit": int(record.hit),
                "partners": " ".join(map(str, record.partners)),
                "centroid_right_mm": right,
                "centroid_anterior_mm": anterior,
                "centroid_superior_mm": superior,
            }
            writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else cell(v) for key, v in row.items()})


def write_summary_json(
    summary: Summary | None,
    path: str | Path,
    *,
    surface: Surface | str,
    failures: Sequence[Mapping[str, str]] = (),
    provenance: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
) -> None:
    """The summary with definitions, failed cases and provenance, as strict JSON (null for "no value"). Atomic.

    `more` adds sections of its own, for example the lesions.
    """
    content: Json = {
        "cases_scored": summary.cases if summary else 0,
        "cases_failed": [dict(failure) for failure in failures],
        "classes": [asdict(found) for found in summary.classes] if summary else [],
        "mean_over_classes": {k: asdict(v) for k, v in summary.mean_over_classes.items()} if summary else {},
        **(more or {}),
        "definitions": {
            **DEFINITIONS,
            "surface": str(Surface(surface)),
            "interval": f"{CONFIDENCE:.0%} percentile bootstrap of the mean, cases drawn whole",
            "empty_masks": EMPTY_POLICY,
        },
        "provenance": dict(provenance or {}),
    }
    write_text(path, strict_json(content))


def strict_json(content: Mapping[str, object]) -> str:
    """Indented JSON that every reader takes: null instead of NaN and infinity; what would steer a terminal is escaped.

    >>> print(strict_json({"name": "Tumör\\u202e"}), end="")
    {
      "name": "Tumör\\u202e"
    }
    """
    text = json.dumps(_strict(content), indent=2, ensure_ascii=False, allow_nan=False)
    return "".join(letter if letter == "\n" or letter.isprintable() else _escaped(letter) for letter in text) + "\n"


def _escaped(letter: str) -> str:
    """As JSON spells it, by one or two units of UTF-16."""
    return json.dumps(letter)[1:-1]


def text_table(summary: Summary) -> str:
    """The means with their intervals as a small table for the terminal."""
    shown = [n for n in summary.mean_over_classes if n in ("dice", "hd95_mm") or n.startswith("nsd_")]
    lines = [["class", "n", "missed", "spurious", "both empty", *shown]]
    for found in summary.classes:
        counts = [found.n, found.n_missed, found.n_spurious, found.n_both_empty]
        lines.append([plain(found.name), *map(str, counts), *(_cell(found.metrics[name]) for name in shown)])
    lines.append(["mean over classes", "", "", "", "", *(_cell(summary.mean_over_classes[name]) for name in shown)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]" if isfinite(value.mean) else "no case"


def _strict(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
