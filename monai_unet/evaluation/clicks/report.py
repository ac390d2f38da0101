"""Curves of many cases as files: `cases.csv`, `summary.json`, `curves.png` and `report.html`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monai_unet.evaluation.clicks.benchmark import BALL, TARGETS, Curve
from monai_unet.evaluation.pairs import Refusal
from monai_unet.evaluation.report import as_text, data_uri, template
from monai_unet.evaluation.statistics import Interval, bootstrap_means, interval
from monai_unet.evaluation.tables import strict_json
from monai_unet.io import atomic_path, cell, drawn, label_color, together, unit_rgb, write_text
from monai_unet.version import __version__

SHOWN = (0, 1, 2, 3, 5, 10)
"""Counts of clicks in the table."""

DEFINITIONS = {
    "click": "at the deepest voxel (Euclidean distance in mm) of the largest 26-connected part of what is missing or "
    "too much; ties are decided by the seed",
    "Dice outside": f"Dice without the voxels within {BALL} voxels of any click so far, so that obeying the clicks "
    "alone earns nothing",
    "NSD": "share of both surfaces within the tolerance of the other (Nikolov et al., arXiv:1809.04430)",
    "clicks to": "clicks until Dice first reaches the number; a case that never does is counted as not reached",
    "interval": "95 % percentile bootstrap of the mean, cases drawn whole",
}


@dataclass(frozen=True)
class CaseCurve:
    """The curve of one structure of one case."""

    case: str
    structure: str
    volume_ml: float
    curve: Curve


@dataclass(frozen=True)
class ClickRow:
    """One line of the table."""

    clicks: int
    dice: Interval
    nsd: Interval
    outside: Interval


def write_benchmark(
    cases: Sequence[CaseCurve],
    refusals: Sequence[Refusal],
    folder: str | Path,
    *,
    provenance: Mapping[str, object],
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """Write all files of a benchmark, all or none; gives the table as text.

    Args:
        pictures: caption → PNG, shown in the report.
    """
    folder = Path(folder)
    table = rows_of(cases)
    curves = curves_png(cases)
    reached = {target: reach(cases, target) for target in TARGETS}
    summary = {
        "cases": len(cases),
        "cases_failed": [{"case": refusal.case, "reason": refusal.reason} for refusal in refusals],
        "clicks": [
            {"clicks": row.clicks, **{n: vars(getattr(row, n)) for n in ("dice", "nsd", "outside")}} for row in table
        ],
        "clicks_to": {
            f"{target:.2f}": dict(zip(("reached", "median"), found, strict=True)) for target, found in reached.items()
        },
        "milliseconds_per_click": timing(cases),
        "definitions": DEFINITIONS,
        "provenance": dict(provenance),
    }
    html = template("interact.html").render(
        title=str(provenance.get("title", "Interactive benchmark")),
        version=__version__,
        cases=sorted(cases, key=lambda found: found.curve.dice[-1]),
        refusals=refusals,
        groups=[(name, rows_of([c for c in cases if c.structure == name])) for name in structures(cases)],
        shown=[n for n in SHOWN if n < len(table)],
        reached=reached,
        timing=timing(cases),
        curves=data_uri(curves, "png"),
        pictures={caption: data_uri(content, "png") for caption, content in (pictures or {}).items()},
        definitions=DEFINITIONS,
        provenance={key: as_text(value) for key, value in provenance.items() if key != "title"},
    )
    with together():
        _write_csv(cases, folder / "cases.csv")
        with atomic_path(folder / "curves.png") as temporary:
            temporary.write_bytes(curves)
        write_text(folder / "summary.json", strict_json(summary))
        write_text(folder / "report.html", html)
    return text_table(table)


def structures(cases: Sequence[CaseCurve]) -> list[str]:
    """Names of the structures in order of appearance."""
    return list(dict.fromkeys(found.structure for found in cases))


def rows_of(cases: Sequence[CaseCurve]) -> list[ClickRow]:
    """Means over cases after each count of clicks."""
    columns = [np.array([getattr(c.curve, name) for c in cases], float) for name in ("dice", "nsd", "dice_outside")]
    means = [[interval(v[:, n], bootstrap_means(v[:, n : n + 1])[:, 0]) for n in range(v.shape[1])] for v in columns]
    return [ClickRow(n, *numbers) for n, numbers in enumerate(zip(*means, strict=True))]


def reach(cases: Sequence[CaseCurve], dice: float) -> tuple[int, float | None]:
    """How many cases reach a Dice, and the median of their clicks."""
    counts = [count for found in cases if (count := found.curve.clicks_to(dice)) is not None]
    return len(counts), float(np.median(counts)) if counts else None


def timing(cases: Sequence[CaseCurve]) -> dict[str, float]:
    """Median and largest milliseconds of a click (wall time), and the median of preparing an image."""
    clicks = [ms for found in cases for ms in found.curve.milliseconds[1 : len(found.curve.clicks) + 1]]
    prepared = [found.curve.milliseconds[0] for found in cases]
    return {
        "median": float(np.median(clicks)) if clicks else 0.0,
        "largest": max(clicks, default=0.0),
        "prepare": float(np.median(prepared)),
    }


def text_table(rows: Sequence[ClickRow]) -> str:
    """The table for a terminal or a page in Markdown."""
    lines = ["| clicks | Dice [95 %] | NSD | Dice outside |", "| ---: | --- | --- | --- |"]
    for row in rows:
        if row.clicks in SHOWN:
            dice = f"{row.dice.mean:.3f} [{row.dice.low:.3f}, {row.dice.high:.3f}]"
            lines.append(f"| {row.clicks} | {dice} | {row.nsd.mean:.3f} | {row.outside.mean:.3f} |")
    return "\n".join(lines)


def curves_png(cases: Sequence[CaseCurve]) -> bytes:
    """Dice and NSD against clicks: each case thin, the mean of each structure thick."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name, title in zip(figure.subplots(1, 2), ("dice", "nsd"), ("Dice", "NSD"), strict=True):
        for number, structure in enumerate(structures(cases), start=1):
            own = np.array([getattr(found.curve, name) for found in cases if found.structure == structure], float)
            color = unit_rgb(label_color(number))
            axes.plot(own.T, color=color, linewidth=0.6, alpha=0.4)
            axes.plot(
                _mean(own), "o-", color=color, linewidth=2, markersize=4, label=f"{drawn(structure)} (n = {len(own)})"
            )
        axes.set(xlabel="clicks", title=title, ylim=(-0.02, 1.02), xticks=range(own.shape[1]))
        for target in TARGETS if name == "dice" else ():
            axes.axhline(target, color="0.7", linewidth=0.6, zorder=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.nanmean(values, axis=0))


def _write_csv(cases: Sequence[CaseCurve], path: Path) -> None:
    """One line per case, structure and count of clicks."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "case",
                "structure",
                "volume_ml",
                "clicks",
                "dice",
                "nsd",
                "dice_outside",
                "milliseconds",
                "include",
                "right_mm",
                "anterior_mm",
                "superior_mm",
            ]
        )
        for found in cases:
            curve, names = found.curve, [cell(found.case), cell(found.structure)]
            for count, numbers in enumerate(
                zip(curve.dice, curve.nsd, curve.dice_outside, curve.milliseconds, strict=True)
            ):
                click = curve.clicks[count - 1] if 1 <= count <= len(curve.clicks) else None
                place = ["", "", "", ""] if click is None else [int(click.positive), *(f"{x:.6g}" for x in click.world)]
                values = [f"{value:.6g}" if np.isfinite(value) else "" for value in numbers]
                writer.writerow([*names, f"{found.volume_ml:.6g}", count, *values, *place])
