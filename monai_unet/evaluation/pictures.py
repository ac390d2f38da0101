"""A case as a picture: contours of reference and prediction on three planes where they disagree most."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from monai_unet.pictures import PLANES

REFERENCE_COLOR, PREDICTION_COLOR = "#56b4e9", "#e69f00"
"""Sky blue and orange of Okabe & Ito: apart for colour-blind readers, and in grey print by their dashes."""

_MARGIN_MM = 25.0
_CT_BELOW = -400.0
_CT_WINDOW = (-160.0, 240.0)


def case_picture(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    *,
    spacing: Sequence[float],
    image: NDArray[Any] | None = None,
) -> bytes:
    """PNG of the axial, coronal and sagittal slices in which the two label maps (S, A, R) differ in most voxels.

    Radiological convention: the patient's right is on the left, anterior and superior up, anterior left if sagittal.
    CT is shown in a soft-tissue window, anything else between its 1st and 99.5th percentile.
    """
    labelled = (prediction > 0) | (reference > 0)
    differing = prediction != reference
    voxels = differing if differing.any() else labelled
    box = _box(labelled, spacing)
    places = [int(np.argmax(voxels.sum(axis=tuple(axis for axis in range(3) if axis != cut)))) for cut in range(3)]
    figure = Figure(figsize=(10.5, 3.8), facecolor="black", layout="constrained")
    low, high = _window(image)
    for axes, (plane, (cut, up, across, letters)) in zip(figure.subplots(1, 3), PLANES.items(), strict=True):
        shown = [
            None if volume is None else _slice(volume, box, cut, places[cut], up, across)
            for volume in (image, reference, prediction)
        ]
        grey = shown[0] if shown[0] is not None else np.zeros_like(shown[1], dtype=float)
        aspect = spacing[up] / spacing[across]
        axes.imshow(grey, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=aspect)
        _contours(axes, shown[1], REFERENCE_COLOR, "solid")
        _contours(axes, shown[2], PREDICTION_COLOR, "dashed")
        axes.set_title(f"{plane}, slice {places[cut] + 1} of {reference.shape[cut]}", color="white", fontsize=9)
        _letters(axes, letters)
    handles = [
        Line2D([], [], color=REFERENCE_COLOR, label="reference"),
        Line2D([], [], color=PREDICTION_COLOR, linestyle="dashed", label="prediction"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, labelcolor="white", frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor="black")
    return buffer.getvalue()


def _slice(volume: NDArray[Any], box: tuple[slice, ...], cut: int, index: int, up: int, across: int) -> NDArray[Any]:
    # both sideways axes grow towards what belongs on the left of the picture (right, anterior)
    return np.moveaxis(volume, (cut, up, across), (0, 1, 2))[index][box[up], box[across]][:, ::-1]


def _box(mask: NDArray[np.bool_], spacing: Sequence[float]) -> tuple[slice, ...]:
    """The labelled part and a margin around it; all of the volume where nothing is labelled."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(_MARGIN_MM / spacing[axis]))
        ends = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, mask.shape[axis])
        box.append(slice(max(ends[0] - margin, 0), ends[1] + margin))
    return tuple(box)


def _window(image: NDArray[Any] | None) -> tuple[float, float]:
    if image is None:
        return 0.0, 1.0
    if float(image.min()) < _CT_BELOW:
        return _CT_WINDOW
    low, high = np.percentile(image, [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def _contours(axes: Axes, labels: NDArray[Any] | None, color: str, style: str) -> None:
    assert labels is not None
    for value in np.unique(labels[labels > 0]):
        # a border of background closes contours that end at the picture's edge
        padded = np.pad(labels == value, 1).astype(float)
        x, y = np.arange(-1, labels.shape[1] + 1), np.arange(-1, labels.shape[0] + 1)
        axes.contour(x, y, padded, levels=[0.5], colors=[color], linestyles=style, linewidths=1.3)


def _letters(axes: Axes, letters: str) -> None:
    axes.set_axis_off()
    for letter, (x, y) in zip(letters, ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)), strict=True):
        text = axes.text(x, y, letter, transform=axes.transAxes, color="white", fontsize=10, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
