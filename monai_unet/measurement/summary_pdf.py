"""The summary of a case as a PDF: what was found, how large, by what, and pictures of the largest slices."""

from __future__ import annotations

import io
import textwrap

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from monai_unet.io import RESEARCH_USE, AlgorithmIdentity, LesionMeasurements
from monai_unet.measurement.slides import SliceView, draw_slice

_A4 = (8.27, 11.69)
_LINES = 40
_PICTURES = 8


def summary_pdf(view: SliceView, algorithm: AlgorithmIdentity) -> bytes:
    """A PDF of one or more A4 pages; nothing of the patient stands in it."""
    held = io.BytesIO()
    with PdfPages(held, metadata={"Creator": "monai-unet", "Producer": None, "CreationDate": None}) as pages:
        rows = [_row(number, lesion) for number, lesion in enumerate(view.parts.lesions, 1)]
        for start in range(0, max(len(rows), 1), _LINES):
            pages.savefig(_table_page(rows[start : start + _LINES], len(rows), algorithm))
        places = view.fullest()
        for start in range(0, min(len(places), _PICTURES), 2):
            pages.savefig(_picture_page(view, places[start : min(start + 2, _PICTURES)]))
    return held.getvalue()


def _row(number: int, lesion: LesionMeasurements) -> list[str]:
    def text(value: float | None, digits: int = 1) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    sizes = [text(lesion.volume_ml, 2), text(lesion.long_axis_mm), text(lesion.short_axis_mm), text(lesion.mean)]
    return [str(number), lesion.name[:40], *sizes]


def _table_page(rows: list[list[str]], total: int, algorithm: AlgorithmIdentity) -> Figure:
    figure = Figure(figsize=_A4)
    figure.text(0.08, 0.95, "Segmentation summary", fontsize=16)
    figure.text(0.08, 0.925, RESEARCH_USE, fontsize=11, color="firebrick")
    said = textwrap.wrap(algorithm.sentence, 95)[:8]
    figure.text(0.08, 0.91, "\n".join(said), fontsize=8, va="top")
    axes = figure.add_axes((0.08, 0.05, 0.84, 0.75))
    axes.set_axis_off()
    if not total:
        axes.text(0, 1, "Nothing was found.", va="top", fontsize=12)
        return figure
    axes.text(0, 1.02, f"{total} finding(s)", fontsize=10)
    columns = ["no.", "name", "volume ml", "long axis mm", "short axis mm", "mean intensity"]
    table = axes.table(rows, colLabels=columns, loc="upper center", colWidths=[0.07, 0.33, 0.15, 0.15, 0.15, 0.15])
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    return figure


def _picture_page(view: SliceView, slices: list[int]) -> Figure:
    figure = Figure(figsize=_A4, facecolor="black")
    for place, k in enumerate(slices):
        axes = figure.add_axes((0.08, 0.52 - 0.48 * place, 0.84, 0.44))
        draw_slice(axes, view, k)
        axes.set_aspect(view.spacing[1] / view.spacing[0])
        axes.set_title(f"slice {k + 1} of {view.image.shape[2]}   {RESEARCH_USE}", color="white", fontsize=9)
    return figure
