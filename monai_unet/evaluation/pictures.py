"""A case as a picture: contours of reference and prediction on three planes where they disagree most."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from monai_unet.geometry import PLANES
from monai_unet.io import drawn, palette, unit_rgb
from monai_unet.measurement import (
    box_with_margin,
    draw_contour,
    draw_directions,
    fullest_planes,
    grey_window,
    plane_slice,
)

REFERENCE_COLOR, PREDICTION_COLOR = palette.SKY_BLUE, palette.ORANGE
"""Apart for colour-blind readers, and in grey print by their dashes."""

_MARGIN_MM = 25.0
_NAMED = 3


def case_picture(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    *,
    spacing: Sequence[float],
    image: NDArray[np.number] | None = None,
    names: Mapping[int, str] | None = None,
) -> bytes:
    """PNG of the axial, coronal and sagittal slices in which the two label maps (S, A, R) differ in most voxels.

    Radiological convention: the patient's right is on the left, anterior and superior up, anterior left if sagittal.
    CT is shown in a soft-tissue window, anything else between its 1st and 99.5th percentile. With `names` those of the
    structures that differ most are written above them.
    """
    labelled = (prediction > 0) | (reference > 0)
    differing = prediction != reference
    box = box_with_margin(labelled, spacing, _MARGIN_MM)
    places = fullest_planes(differing if differing.any() else labelled)
    figure = Figure(figsize=(10.5, 3.8), facecolor="black", layout="constrained")
    low, high = grey_window(image) if image is not None else (0.0, 1.0)
    for axes, plane in zip(figure.subplots(1, 3), PLANES.values(), strict=True):
        place = places[plane.axis]
        expected, found = (plane_slice(m, box, plane, place) for m in (reference, prediction))
        grey: NDArray[np.number] = np.zeros(expected.shape)
        if image is not None:
            grey = plane_slice(image, box, plane, place)
        axes.imshow(
            grey, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=spacing[plane.up] / spacing[plane.across]
        )
        for value in np.unique(np.concatenate([expected[expected > 0], found[found > 0]])):
            draw_contour(axes, expected == value, REFERENCE_COLOR)
            draw_contour(axes, found == value, PREDICTION_COLOR, "dashed")
        _write_names(axes, expected, found, names or {})
        axes.set_title(f"{plane.name}, slice {place + 1} of {reference.shape[plane.axis]}", color="white", fontsize=9)
        draw_directions(axes, plane.letters)
    handles = [
        Line2D([], [], color=unit_rgb(REFERENCE_COLOR), label="reference"),
        Line2D([], [], color=unit_rgb(PREDICTION_COLOR), linestyle="dashed", label="prediction"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, labelcolor="white", frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor="black")
    return buffer.getvalue()


def _write_names(
    axes: Axes, expected: NDArray[np.integer], found: NDArray[np.integer], names: Mapping[int, str]
) -> None:
    """Names of the structures that differ most in a plane, above each."""
    differing = {value: int(((expected == value) != (found == value)).sum()) for value in names}
    for value in sorted(differing, key=lambda value: -differing[value])[:_NAMED]:
        if differing[value]:
            rows, columns = np.nonzero((expected == value) | (found == value))
            place = (float(columns.mean()), float(rows.max()) + 1)
            text = axes.text(
                *place, drawn(names[value]), color="white", fontsize=8, ha="center", va="bottom", clip_on=True
            )
            text.set_path_effects([withStroke(linewidth=2, foreground="black")])
