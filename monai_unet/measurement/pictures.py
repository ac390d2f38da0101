"""A volume with contours on three planes, in radiological convention, as a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from monai_unet.geometry import PLANES, Box, Plane, bounding_box, make_box, whole_box
from monai_unet.io import Color, unit_rgb

Scalar = TypeVar("Scalar", bound=np.generic)

_CT_BELOW = -400.0
_CT_WINDOW = (-160.0, 240.0)


def contour_figure(
    image: NDArray[np.number],
    labels: NDArray[np.integer] | Mapping[int, NDArray[np.bool_]],
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
        names, colors: of each label value; RGB, 0 to 255.
        margin_mm: how much of the image is shown around the labels.

    The patient's right is on the left of the picture, anterior and superior are up, anterior is left if sagittal.
    """
    masks = labels if isinstance(labels, Mapping) else {value: labels == value for value in colors}
    any_mask = np.logical_or.reduce(list(masks.values()))
    box = box_with_margin(any_mask, spacing, margin_mm)
    places = fullest_planes(any_mask)
    low, high = grey_window(image)
    figure = Figure(figsize=(13, 5), facecolor="black", layout="constrained")
    for axes, plane in zip(figure.subplots(1, 3), PLANES.values(), strict=True):
        place = places[plane.axis]
        shown = plane_slice(image, box, plane, place)
        aspect = spacing[plane.up] / spacing[plane.across]
        axes.imshow(shown, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect)
        for value, color in colors.items():
            draw_contour(axes, plane_slice(masks[value], box, plane, place), color)
        axes.set_title(plane.name, color="white", fontsize=11)
        draw_directions(axes, plane.letters)
    handles = [Line2D([], [], color=unit_rgb(colors[value]), label=name) for value, name in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor="white", frameon=False)
    figure.suptitle(f"{title}   For research use; not a medical device.", color="white", fontsize=11)
    return figure


def plane_slice(volume: NDArray[Scalar], box: Box, plane: Plane, index: int) -> NDArray[Scalar]:
    """The boxed part of slice `index` of a volume (S, A, R), rows upwards, for `imshow(origin="lower")`."""
    # both sideways axes grow towards what belongs on the left of the picture (right, anterior)
    return np.moveaxis(volume, plane.order, (0, 1, 2))[index][box[plane.up], box[plane.across]][:, ::-1]


def box_with_margin(mask: NDArray[np.bool_], spacing: Sequence[float], margin_mm: float) -> Box:
    """The labelled part of a mask (S, A, R) and a margin around it; the whole volume where nothing is labelled."""
    box = bounding_box(mask) or whole_box(mask.shape)
    margins = [int(np.ceil(margin_mm / mm)) for mm in spacing]
    return make_box(
        [max(s.start - n, 0) for s, n in zip(box, margins, strict=True)],
        [min(s.stop + n, size) for s, n, size in zip(box, margins, mask.shape, strict=True)],
    )


def fullest_planes(mask: NDArray[np.bool_]) -> list[int]:
    """Per axis the plane that holds most of a mask; the middle one where the mask is empty.

    Mask (S, A, R).
    """
    if not mask.any():
        return [n // 2 for n in mask.shape]
    return [int(mask.sum(axis=tuple(other for other in range(3) if other != axis)).argmax()) for axis in range(3)]


def grey_window(image: NDArray[np.number]) -> tuple[float, float]:
    """Black and white level: a soft-tissue window for CT, else the 1st and the 99.5th percentile.

    Image (S, A, R), HU in CT, any unit otherwise.
    """
    if float(image.min()) < _CT_BELOW:
        return _CT_WINDOW
    low, high = np.percentile(cast("NDArray[np.floating]", image), [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def draw_contour(axes: Axes, mask: NDArray[np.bool_], color: Color, style: str = "solid") -> None:
    """Outline of a mask in a plane; nothing where it is empty.

    Mask (rows, columns), rows upwards.
    """
    if mask.any():
        # a border of background closes contours that end at the picture's edge
        padded = np.pad(mask, 1).astype(float)
        x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        axes.contour(x, y, padded, levels=[0.5], colors=[unit_rgb(color)], linestyles=style, linewidths=1.4)


def draw_directions(axes: Axes, letters: str) -> None:
    """Letters of the patient's directions at the left, right, top and bottom edge."""
    axes.set_axis_off()
    for letter, (x, y) in zip(letters, ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
        text = axes.text(x, y, letter, transform=axes.transAxes, color="white", fontsize=10, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
