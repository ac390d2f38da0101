"""Fill the tables of docs/family.md, between its markers, and draw the learning curves, from the results file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monai_unet.io import atomic_path, write_text
from monai_unet.networks import NETWORKS

NOT_RUN = "not yet run"
TEMPLATE = Path(__file__).resolve().parent.parent / "docs" / "family.md"


def write_page(results: dict[str, Any], *, page: Path, figures: Path) -> None:
    """Replace each `<!-- table: NAME -->` … `<!-- end -->` of the page; the prose around them stays as it is."""
    text = (page if page.is_file() else TEMPLATE).read_text(encoding="utf-8")
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        body = table(results)
        text = pattern.sub(lambda found, body=body: f"{found[1]}{body}{found[2]}", text)
    write_text(page, text)
    if results["runs"]:
        draw_curves(results["runs"], figures / "curves.png")


def merged(results: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any]:
    """Results with the runs of other files (other budgets, another computer) beside their own; costs stay their own."""
    runs = dict(results["runs"])
    for number, other in enumerate(others, start=2):
        runs |= {f"{key} ({number})": row for key, row in other["runs"].items()}
    return {**results, "runs": runs}


def offers(results: dict[str, Any]) -> str:
    """What each network offers."""
    head = [
        "network",
        "skip",
        "checkpointing",
        "spacing",
        "deep supervision",
        "one pass = tiles",
        "TorchScript",
        "ONNX",
    ]
    rows = [
        [
            f"`{name}`",
            " ".join(row.skips) or "fixed",
            _yes(row.checkpointing),
            _yes(row.anisotropic),
            str(row.deep_supervision) if row.deep_supervision else "–",
            _yes(row.equivariant),
            row.torchscript,
            row.onnx,
        ]
        for name, row in NETWORKS.items()
    ]
    return _table(head, rows)


def costs(results: dict[str, Any]) -> str:
    """Parameters, GFLOPs, time, receptive field."""
    head = ["network", "parameters (M)", "GFLOPs per patch", "seconds per patch", "receptive field (voxels)", "device"]
    rows = []
    for name in NETWORKS:
        cost = results["costs"].get(name)
        if cost is None:
            rows.append([f"`{name}`", *[NOT_RUN] * 5])
            continue
        field = f"{cost['receptive_field']}" if cost["receptive_field"] else "whole input"
        passes = f" ({cost['passes']} passes)" if cost["passes"] > 1 else ""
        rows.append(
            [
                f"`{name}`",
                f"{cost['parameters'] / 1e6:.2f}",
                f"{cost['gflops']:.1f}{passes}",
                f"{cost['seconds']:.2f}" if "seconds" in cost else NOT_RUN,
                field,
                cost.get("device", "–"),
            ]
        )
    return _table(head, rows)


def scores(results: dict[str, Any]) -> str:
    """Dice and NSD of each network."""
    head = ["network", "seed", "budget (s)", "validation Dice", "test Dice", "test NSD at 1 mm", "seconds per case"]
    head.append("device")
    return _table(head, _score_rows(results, list(NETWORKS), lambda row: not row["skip"] and row["loss"] == "dice_ce"))


def ablations(results: dict[str, Any]) -> str:
    """Skips and losses on one network."""
    head = ["network", "skip", "loss", "budget (s)", "validation Dice", "test Dice", "test NSD at 1 mm"]
    rows = []
    for skip, loss in (("", "dice_ce"), ("add", "dice_ce"), ("none", "dice_ce"), ("", "cross_entropy"), ("", "dice")):
        first = [f"`{ABLATED}`", skip or "concat", f"`{loss}`"]
        found = [r for r in results["runs"].values() if (r["network"], r["skip"], r["loss"]) == (ABLATED, skip, loss)]
        for row in sorted(found, key=lambda row: (row["seed"], row["budget_s"]))[:1]:
            rows.append([*first, f"{row['budget_s']:g}", *_numbers(row)[:3]])
        if not found:
            rows.append([*first, *[NOT_RUN] * 4])
    return _table(head, rows)


ABLATED = "residual_unet"
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "offers": offers,
    "costs": costs,
    "scores": scores,
    "ablations": ablations,
}


def draw_curves(runs: dict[str, Any], path: Path) -> None:
    """Validation Dice over seconds of training, one line per network."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for row in runs.values():
        if len(row["curve"]) > 1 and not row["skip"] and row["loss"] == "dice_ce":
            label = f"{row['network']}, seed {row['seed']}, {row['budget_s']:g} s"
            axes.plot(*zip(*row["curve"], strict=True), marker=".", label=label)
    # curves of good networks lie close together; where the axis begins is written beside it
    lowest = min((dice for line in axes.lines for dice in line.get_ydata()), default=0.0)
    bottom = max(0.0, math.floor(lowest * 20) / 20)
    axes.set(xlabel="seconds of training", ylabel=f"mean Dice on validation (from {bottom:g})", ylim=(bottom, 1))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    pyplot.close(figure)


def _score_rows(results: dict[str, Any], names: list[str], wanted: Callable[[dict[str, Any]], bool]) -> list[list[str]]:
    rows = []
    for name in names:
        found = [row for row in results["runs"].values() if row["network"] == name and wanted(row)]
        for row in sorted(found, key=lambda row: (row["device"], row["seed"], row["budget_s"])):
            rows.append([f"`{name}`", str(row["seed"]), f"{row['budget_s']:g}", *_numbers(row), row["device"]])
        if not found:
            rows.append([f"`{name}`", *[NOT_RUN] * 7])
    return rows


def _numbers(row: dict[str, Any]) -> list[str]:
    validation, test = row["validation"], row["test"]
    scores = [_interval(validation["dice"])]
    scores += [_interval(test["dice"]), _interval(test["nsd"])] if test else ["not yet read"] * 2
    return [*scores, f"{validation['seconds_per_case']:.2f}"]


def _interval(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _yes(value: bool) -> str:
    return "yes" if value else "–"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
