"""A volume with contours on three planes, in radiological convention, as a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

Color = tuple[float, float, float] | str
Box = tuple[slice, ...]

PLANES: dict[str, tuple[int, int, int, str]] = {
    "axial": (0, 1, 2, "RLAP"),
    "coronal": (1, 0, 2, "RLSI"),
    "sagittal": (2, 0, 1, "APSI"),
}
"""Plane → the axis of (S, A, R) that is cut, the one upwards, the one sideways; letters left, right, top, bottom."""

_CT_BELOW = -400.0
_CT_WINDOW = (-160.0, 240.0)


def contour_figure(
    image: NDArray[Any],
    labels: NDArray[Any] | Mapping[int, NDArray[np.bool_]],
    *,
    spacing: Sequence[float],
    names: Mapping[int, str],
    colors: Mapping[int, Color],
    title: str = "",
    margin_mm: float = 25.0,
) -> Figure:
    """Axial, coronal and sagittal plane in which most of the labels lie, each label as a contour.

    Args:
        image: (S, A, R) grey values.
        labels: (S, A, R) integers; or a mask (S, A, R) for each value, where masks overlap.
        spacing: voxel size in mm along S, A, R.
        names, colors: of each label value; colours as matplotlib takes them.
        margin_mm: how much of the image is shown around the labels.

    The patient's right is on the left of the picture, anterior and superior are up, anterior is left if sagittal.
    """
    masks = labels if isinstance(labels, Mapping) else {value: labels == value for value in colors}
    any_mask = np.logical_or.reduce(list(masks.values()))
    box = box_with_margin(any_mask, spacing, margin_mm)
    places = fullest_planes(any_mask)
    low, high = grey_window(image)
    figure = Figure(figsize=(13, 5), facecolor="black", layout="constrained")
    for axes, (plane, (cut, up, across, letters)) in zip(figure.subplots(1, 3), PLANES.items(), strict=True):
        shown = plane_slice(image, box, cut, places[cut], up, across)
        aspect = spacing[up] / spacing[across]
        axes.imshow(shown, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect)
        for value, color in colors.items():
            draw_contour(axes, plane_slice(masks[value], box, cut, places[cut], up, across), color)
        axes.set_title(plane, color="white", fontsize=11)
        draw_directions(axes, letters)
    handles = [Line2D([], [], color=colors[value], label=name) for value, name in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor="white", frameon=False)
    figure.suptitle(f"{title}   For research use; not a medical device.", color="white", fontsize=11)
    return figure


def plane_slice(volume: NDArray[Any], box: Box, cut: int, index: int, up: int, across: int) -> NDArray[Any]:
    """The boxed part of one slice of a volume (S, A, R), rows upwards, for `imshow(origin="lower")`."""
    # both sideways axes grow towards what belongs on the left of the picture (right, anterior)
    return np.moveaxis(volume, (cut, up, across), (0, 1, 2))[index][box[up], box[across]][:, ::-1]


def box_with_margin(mask: NDArray[np.bool_], spacing: Sequence[float], margin_mm: float) -> Box:
    """Slices of the labelled part and a margin around it; of the whole volume where nothing is labelled."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(margin_mm / spacing[axis]))
        ends = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, mask.shape[axis])
        box.append(slice(max(ends[0] - margin, 0), ends[1] + margin))
    return tuple(box)


def fullest_planes(mask: NDArray[np.bool_]) -> list[int]:
    """Per axis the plane that holds most of a mask; the middle one where the mask is empty."""
    if not mask.any():
        return [n // 2 for n in mask.shape]
    return [int(mask.sum(axis=tuple(other for other in range(3) if other != axis)).argmax()) for axis in range(3)]


def grey_window(image: NDArray[Any]) -> tuple[float, float]:
    """Black and white level: a soft-tissue window for CT, else the 1st and the 99.5th percentile."""
    if float(image.min()) < _CT_BELOW:
        return _CT_WINDOW
    low, high = np.percentile(image, [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def draw_contour(axes: Axes, mask: NDArray[np.bool_], color: Color, style: str = "solid") -> None:
    """Outline of a mask in a plane; nothing where it is empty."""
    if mask.any():
        # a border of background closes contours that end at the picture's edge
        padded = np.pad(mask, 1).astype(float)
        x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        axes.contour(x, y, padded, levels=[0.5], colors=[color], linestyles=style, linewidths=1.4)


def draw_directions(axes: Axes, letters: str) -> None:
    """Letters of the patient's directions at the left, right, top and bottom edge."""
    axes.set_axis_off()
    for letter, (x, y) in zip(letters, ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
        text = axes.text(x, y, letter, transform=axes.transAxes, color="white", fontsize=10, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
