"""The paired report of two evaluations, one HTML file."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import numpy as np

from monai_unet.evaluation import plots
from monai_unet.evaluation.compare import Comparison, case_differences
from monai_unet.evaluation.report import as_text, column_head, data_uri, template
from monai_unet.io import write_text
from monai_unet.version import __version__

CHANGED = 10


def write_comparison_report(comparison: Comparison, path: str | Path) -> None:
    """Write the report of a comparison. Atomic."""
    names = list(dict.fromkeys(row.name for row in comparison.rows))
    figures = []
    for metric in [m for m in comparison.first.metrics if m in ("dice", "hd95_mm") or m.startswith("nsd_")]:
        values = {n: np.array(list(case_differences(comparison, metric, n).values())) for n in names}
        image = plots.differences(
            values, title=column_head(metric), names=(comparison.first.name, comparison.second.name)
        )
        figures.append((column_head(metric), data_uri(image, "svg+xml")))
    write_text(
        path,
        template("compare.html").render(
            title=f"{comparison.first.name} against {comparison.second.name}",
            version=__version__,
            comparison=comparison,
            headline=_headline(comparison),
            figures=figures,
            changed=_changed(comparison, names),
            provenance={result.name: as_text(result.provenance) for result in (comparison.first, comparison.second)},
        ),
    )


def _headline(comparison: Comparison) -> str:
    shown = [row for row in comparison.rows if row.metric == "dice" and row.better]
    if not shown:
        return "No difference in Dice is shown for any class."
    sides = {"first": comparison.first.name, "second": comparison.second.name}
    return " ".join(
        f"{row.name}: {sides[row.better]} is better in Dice by {abs(row.found.difference.mean):.3f} "
        f"(p {row.p_holm:.2g})."
        for row in shown
    )


def _changed(comparison: Comparison, names: list[str]) -> list[tuple[str, str, float, float]]:
    first, second = comparison.first.values, comparison.second.values
    moved = [
        (case, name, first[case, name]["dice"], second[case, name]["dice"])
        for name in names
        for case, difference in case_differences(comparison, "dice", name).items()
        if isfinite(difference) and difference
    ]
    return sorted(moved, key=lambda row: -abs(row[3] - row[2]))[:CHANGED]
