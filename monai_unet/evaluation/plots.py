"""Figures of a report as SVG: distributions of scores, Bland–Altman, reliability, paired differences."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from monai_unet.evaluation.calibration import Reliability
from monai_unet.evaluation.statistics import Agreement
from monai_unet.io import drawn, palette, unit_rgb

Values = NDArray[np.float64]

_BLUE, _VERMILION = unit_rgb(palette.BLUE), unit_rgb(palette.VERMILION)
_RED, _GREY = "#b00020", "#666666"
_FEW = 10
DOTS = 2000
"""Most dots that a figure shows for one class; lines and boxes are of all cases."""


def distribution(
    values: Mapping[str, Values], *, one_empty: Mapping[str, NDArray[np.bool_]], title: str, from_zero_to_one: bool
) -> bytes:
    """Violin, box and single cases of one metric per class (NaN left out).

    Args:
        values: one number per case.
        one_empty: per class, which cases were missed or spurious; these are marked with a cross.
        title: label of the axis.
        from_zero_to_one: a share; otherwise a length, and logarithmic where a few cases dwarf the rest.
    """
    known = {name: np.isfinite(column) for name, column in values.items()}
    known = {name: here for name, here in known.items() if here.any()}
    everything = np.concatenate([np.zeros(1), *(values[name][here] for name, here in known.items())])
    stretched = not from_zero_to_one and everything.max() > 10 * max(float(np.percentile(everything, 75)), 1.0)
    figure = Figure(figsize=(5.2, 0.9 + 0.62 * max(len(known), 2)), layout="constrained")
    axes = figure.subplots()
    for place, (name, here) in enumerate(known.items()):
        _class_row(axes, place, values[name][here], one_empty[name][here], violin=not stretched)
    axes.set_yticks(range(len(known)), [drawn(name) for name in known])
    axes.invert_yaxis()
    if from_zero_to_one:
        axes.set_xlim(-0.02, 1.02)
    elif stretched:
        axes.set_xscale("symlog", linthresh=1.0)
    if not from_zero_to_one:
        axes.set_xlim(left=-0.03 if stretched else 0)
    return _svg(figure, axes, xlabel=f"{title}, logarithmic above 1" if stretched else title, ticks=not stretched)


def _class_row(axes: Axes, place: int, column: Values, crossed: NDArray[np.bool_], *, violin: bool) -> None:
    """One class of a distribution at a height; `column` without NaN."""
    if violin and column.size >= _FEW and np.ptp(column) > 0:
        drawn: Any = axes.violinplot(column, positions=[place], orientation="horizontal", widths=0.8, showextrema=False)
        drawn["bodies"][0].set(facecolor=_BLUE, alpha=0.18)
    axes.boxplot(
        column,
        positions=[place],
        orientation="horizontal",
        widths=0.3,
        showfliers=False,
        medianprops={"color": _VERMILION, "linewidth": 1.6},
    )
    random = np.random.default_rng(place)
    shown = _shown(column.size)
    heights = place + random.uniform(-0.22, 0.22, shown.size)
    dots, crosses = column[shown], crossed[shown]
    axes.plot(dots[~crosses], heights[~crosses], ".", color=_BLUE, markersize=3, alpha=0.5)
    axes.plot(dots[crosses], heights[crosses], "x", color=_RED, markersize=5, clip_on=False)


def bland_altman(measured: Values, reference: Values, found: Agreement, *, name: str) -> bytes:
    """Difference against mean of two volumes (ml), with bias and limits of agreement."""
    figure = Figure(figsize=(4.4, 3.1), layout="constrained")
    axes = figure.subplots()
    shown = _shown(measured.size)
    axes.plot(((measured + reference) / 2)[shown], (measured - reference)[shown], "o", color=_BLUE, ms=4, alpha=0.6)
    apart = found.high > found.low
    for level, label, style in (
        (found.bias, f"bias\n{found.bias:+.3g}", "-"),
        (found.high if apart else np.nan, f"+1.96 SD\n{found.high:+.3g}", "--"),
        (found.low if apart else np.nan, f"−1.96 SD\n{found.low:+.3g}", "--"),
    ):
        if np.isfinite(level):
            axes.axhline(level, color=_VERMILION, linestyle=style, linewidth=1.1)
            place: Any = {"xycoords": ("axes fraction", "data"), "ha": "left", "va": "center"}
            axes.annotate(label.replace("-", "−"), (1.01, level), **place, fontsize=8, color=_VERMILION)
    axes.axhline(0, color=_GREY, linewidth=0.6)
    axes.margins(y=0.2)
    if not (measured - reference).any():
        axes.set_ylim(-1, 1)
    axes.set_title(f"{drawn(name)}, {measured.size} cases", fontsize=10)
    return _svg(figure, axes, xlabel="mean of prediction and reference (ml)", ylabel="prediction − reference (ml)")


def reliability_curve(found: Reliability) -> bytes:
    """Frequency of foreground against stated probability, and below it how many voxels each bin holds."""
    figure = Figure(figsize=(4.4, 4.6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    edges = np.linspace(0, 1, found.voxels.size + 1)
    counts.stairs(found.voxels, edges, fill=True, color=_BLUE, alpha=0.35)
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.5)
    counts.set_ylabel("voxels", fontsize=9)
    counts.set_xlabel("stated probability of foreground", fontsize=9)
    counts.tick_params(labelsize=9)
    counts.spines[["top", "right"]].set_visible(False)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    axes.annotate("probabilities too high", (0.98, 0.06), ha="right", fontsize=8, color=_GREY)
    axes.annotate("probabilities too low", (0.02, 0.92), fontsize=8, color=_GREY)
    shown = found.voxels > 0
    axes.plot(found.confidence[shown], found.frequency[shown], "o-", color=_BLUE, markersize=4)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return _svg(figure, axes, xlabel="", ylabel="share that is foreground")


def differences(values: Mapping[str, Values], *, title: str, names: Sequence[str]) -> bytes:
    """Paired differences per class, one dot per case, zero marked; `names` are the two results."""
    figure = Figure(figsize=(6.4, 1.1 + 0.55 * max(len(values), 2)), layout="constrained")
    axes = figure.subplots()
    random = np.random.default_rng(0)
    for place, column in enumerate(values.values()):
        known = column[np.isfinite(column)]
        dots = known[_shown(known.size)]
        axes.plot(dots, place + random.uniform(-0.2, 0.2, dots.size), ".", color=_BLUE, markersize=5, alpha=0.6)
        if known.size:
            axes.plot([np.mean(known)] * 2, [place - 0.32, place + 0.32], color=_VERMILION, linewidth=2)
    axes.axvline(0, color=_GREY, linewidth=0.8)
    axes.set_yticks(range(len(values)), [drawn(name) for name in values])
    axes.invert_yaxis()
    return _svg(figure, axes, xlabel=f"{title}: {drawn(names[1])} − {drawn(names[0])}, one dot per case, bar = mean")


def _shown(size: int) -> NDArray[np.int64]:
    """Which of so many cases are drawn as dots: all, or a fixed random choice where they would not be told apart."""
    return np.random.default_rng(0).permutation(size)[:DOTS] if size > DOTS else np.arange(size)


def _svg(figure: Figure, axes: Axes, *, xlabel: str, ylabel: str = "", ticks: bool = True) -> bytes:
    axes.set_xlabel(xlabel, fontsize=9)
    axes.set_ylabel(ylabel, fontsize=9)
    axes.tick_params(labelsize=9)
    if ticks:
        axes.xaxis.set_major_locator(MaxNLocator(6))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
