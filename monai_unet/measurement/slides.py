"""Slices with lesions as RGB pictures: outlines, numbers, sizes, and that they are for research, burned in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.measure import find_contours

from monai_unet.geometry import from_working_frame, grid_of, place
from monai_unet.io import RESEARCH_USE, AlgorithmIdentity, LesionMeasurements, Segment, unit_rgb
from monai_unet.io.dicom import DicomSeries, Outline, Slide
from monai_unet.measurement.lesion_report import MeasuredParts
from monai_unet.measurement.pictures import grey_window

SHORTEST_SIDE = 512
MOST_SLIDES = 100
_DPI = 100
_PIXELS_A_LETTER = 7.5
"""At most, of the size that is written in."""
_LONGEST_NAME = 36


@dataclass(frozen=True, eq=False)
class SliceView:
    """Image and lesions as the source's slices show them.

    Attributes:
        image: (columns, rows, slices), in the values that readers of the source see.
        labels: the same shape; values are the numbers of the segments.
        parts: names, colours and sizes.
        spacing: mm between columns and between rows.
        window: black and white level.
        inverse: whether large values are shown dark (MONOCHROME1).
    """

    image: NDArray[np.number]
    labels: NDArray[np.integer]
    parts: MeasuredParts
    spacing: tuple[float, float]
    window: tuple[float, float]
    inverse: bool = False

    @classmethod
    def of(cls, parts: MeasuredParts, image: NDArray[np.number], series: DicomSeries, *, inverse: bool) -> SliceView:
        """From an image (S, A, R) of the series.

        Raises:
            InputError: the parts do not lie on the series.
        """
        assert series.grid is not None
        labels = place(parts.labels.numpy()[0], grid_of(parts.labels), series.grid, name="the mask")
        shown = from_working_frame(image, series.grid)
        columns, rows, _ = series.grid.spacing
        return cls(shown, labels, parts, (float(columns), float(rows)), grey_window(image), inverse)

    def slices(self) -> list[int]:
        """Those with lesions."""
        return [int(k) for k in np.flatnonzero(self.labels.any(axis=(0, 1)))]

    def fullest(self) -> list[int]:
        """Of each lesion the slice that holds most of it, each once."""
        places, most = self.slices(), int(self.labels.max()) + 1
        if not places:
            return []
        counts = np.stack([np.bincount(self.labels[:, :, k].ravel(), minlength=most) for k in places], axis=1)
        return sorted({places[int(row.argmax())] for row in counts[1:] if row.any()})

    def outlines(self, k: int) -> list[Outline]:
        """The lesions of a slice."""
        plane = self.labels[:, :, k].T
        found = []
        for segment, lesion in self.present(k):
            # a border of background closes outlines that end at the image's edge
            lines = find_contours(np.pad(plane == segment.number, 1).astype(float), 0.5)
            found.append(Outline([line[:, ::-1] - 1 for line in lines], size_text(lesion)))
        return found

    def present(self, k: int) -> list[tuple[Segment, LesionMeasurements]]:
        """The lesions that have a voxel in a slice."""
        there = set(np.unique(self.labels[:, :, k]).tolist())
        pairs = zip(self.parts.segments, self.parts.lesions, strict=True)
        return [(segment, lesion) for segment, lesion in pairs if segment.number in there]


def size_text(lesion: LesionMeasurements) -> str:
    """Name, diameters and volume in one line.

    >>> size_text(LesionMeasurements(1, "lesion 1", 0.5234, 12.34, 8.1))
    'lesion 1: 12.3 × 8.1 mm, 0.52 ml'
    """
    axes = [f"{mm:.1f}" for mm in (lesion.long_axis_mm, lesion.short_axis_mm) if mm is not None]
    size = f"{' × '.join(axes)} mm, " if axes else ""
    name = lesion.name if len(lesion.name) <= _LONGEST_NAME else f"{lesion.name[: _LONGEST_NAME - 1]}…"
    return f"{name}: {size}{lesion.volume_ml:.2f} ml"


def chosen_slices(view: SliceView) -> list[int]:
    """The slices that are shown: all with lesions; of too many an even choice, with each lesion's fullest."""
    slices = view.slices()
    if not slices:
        return [view.labels.shape[2] // 2]
    if len(slices) <= MOST_SLIDES:
        return slices
    fullest = view.fullest()[:MOST_SLIDES]
    even = np.linspace(0, len(slices) - 1, MOST_SLIDES - len(fullest)).round().astype(int)
    return sorted({*fullest, *(slices[n] for n in even)})


def draw_slides(view: SliceView, algorithm: AlgorithmIdentity, slices: Sequence[int]) -> Iterator[Slide]:
    """One picture for each of the slices."""
    every = len(view.slices())
    for k in slices:
        figure = Figure(figsize=_inches(view), dpi=_DPI, facecolor="black")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        draw_slice(axes, view, k)
        lines = [f"{RESEARCH_USE}", f"{algorithm.name} {algorithm.version}"]
        lines.append(f"slice {k + 1} of {view.image.shape[2]}" if every else "nothing found in any slice")
        if every > len(slices):
            lines.append(f"{len(slices)} of {every} slices with findings are shown")
        _write(axes, 0.01, 0.99, "\n".join(lines), "white", va="top")
        canvas.draw()
        yield Slide(np.asarray(canvas.buffer_rgba())[..., :3].copy(), k)


def draw_slice(axes: Axes, view: SliceView, k: int) -> None:
    """A slice with outlines and sizes; the first row is at the top."""
    plane = view.image[:, :, k].T
    low, high = view.window
    axes.set_axis_off()
    axes.imshow(plane, cmap="gray_r" if view.inverse else "gray", vmin=low, vmax=high, aspect="auto")
    height, width = plane.shape
    texts = []
    for (segment, _), outline in zip(view.present(k), view.outlines(k), strict=True):
        for line in outline.lines:
            axes.plot(line[:, 0], line[:, 1], color=unit_rgb(segment.rgb), linewidth=1.3)
        points = np.concatenate(list(outline.lines)) / (width, height)
        texts.append((float(points[:, 1].mean()), points[:, 0], outline.text, segment.rgb))
    room = _PIXELS_A_LETTER / axes.bbox.width
    bottom = -1.0
    for down, across, text, color in sorted(texts, key=lambda entry: entry[0]):
        bottom = min(max(down, bottom + 0.035), 0.99)  # below the text before
        needed = room * (len(text) + 1)
        # right of it; else left of it, or, where that is not wide enough either, over it, and whole
        x = across.max() + 0.01 if across.max() + needed < 1 else max(across.min() - needed, 0.005)
        _write(axes, float(x), 1 - bottom, text, unit_rgb(color))
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _inches(view: SliceView) -> tuple[float, float]:
    columns, rows, _ = view.image.shape
    width, height = columns * view.spacing[0], rows * view.spacing[1]
    pixel = min(width / max(columns, SHORTEST_SIDE), height / max(rows, SHORTEST_SIDE))
    most = max(width, height) / 2048
    pixel = max(pixel, most)
    return round(width / pixel) / _DPI, round(height / pixel) / _DPI


def _write(axes: Axes, x: float, y: float, text: str, color: object, *, va: str = "center") -> None:
    made = axes.text(x, y, text, transform=axes.transAxes, color=color, fontsize=9, va=va)  # type: ignore[arg-type]
    made.set_bbox({"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 1.0})
