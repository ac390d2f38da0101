"""A volume with contours on three planes, in radiological convention, as a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = tuple[float, float, float]

# plane: (axis that is cut, axis upwards, axis sideways, letters left, right, top, bottom); axes of (S, A, R)
PLANES: dict[str, tuple[int, int, int, str]] = {
    "axial": (0, 1, 2, "RLAP"),
    "coronal": (1, 0, 2, "RLSI"),
    "sagittal": (2, 0, 1, "APSI"),
}


def contour_figure(
    image: NDArray[Any],
    labels: NDArray[Any],
    *,
    spacing: Sequence[float],
    names: Mapping[int, str],
    colors: Mapping[int, Color],
    title: str = "",
    reference: NDArray[Any] | None = None,
    margin_mm: float = 25.0,
) -> Figure:
    """Axial, coronal and sagittal plane through the middle of the labels, each label as a contour.

    Args:
        image: (S, A, R) grey values.
        labels: (S, A, R) integers; `reference`, where given, is drawn dashed.
        spacing: voxel size in mm along S, A, R.
        names, colors: of each label value; colours as RGB in 0 to 1.
        margin_mm: how much of the image is shown around the labels.

    Right of the patient is on the left of the picture, anterior and superior are up, anterior is left in sagittal
    planes.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    shown = labels if reference is None else np.where(labels > 0, labels, reference)
    box = _box(shown > 0, spacing, margin_mm)
    image, labels = image[box], labels[box]
    reference = None if reference is None else reference[box]
    middle = _middle(shown[box] > 0)
    low, high = np.percentile(image, [1, 99.5])

    figure = Figure(figsize=(13, 5), facecolor="black", layout="constrained")
    for axes, (plane, (cut, up, across, letters)) in zip(figure.subplots(1, 3), PLANES.items(), strict=True):
        sliced = [_plane(a, cut, middle[cut], up, across) for a in (image, labels)]
        aspect = spacing[up] / spacing[across]
        axes.imshow(sliced[0], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower", aspect=aspect)
        _contours(axes, sliced[1], colors, "solid")
        if reference is not None:
            _contours(axes, _plane(reference, cut, middle[cut], up, across), colors, "dashed")
        axes.set_title(plane, color="white", fontsize=11)
        _letters(axes, letters)
    handles = [Line2D([], [], color=colors[value], label=name) for value, name in names.items()]
    if reference is not None:
        handles.append(Line2D([], [], color="white", linestyle="dashed", label="reference"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor="white", frameon=False)
    figure.suptitle(f"{title}   For research use; not a medical device.", color="white", fontsize=11)
    return figure


def _plane(array: NDArray[Any], cut: int, index: int, up: int, across: int) -> NDArray[Any]:
    # both sideways axes grow towards what belongs on the left of the picture (right, anterior)
    return np.moveaxis(array, (cut, up, across), (0, 1, 2))[index][:, ::-1]


def _contours(axes: Axes, labels: NDArray[Any], colors: Mapping[int, Color], style: str) -> None:
    for value, color in colors.items():
        if (labels == value).any():
            axes.contour(labels == value, levels=[0.5], colors=[color], linewidths=1.6, linestyles=style)


def _letters(axes: Axes, letters: str) -> None:
    places = (
        (0.02, 0.5, "left", "center"),
        (0.98, 0.5, "right", "center"),
        (0.5, 0.98, "center", "top"),
        (0.5, 0.02, "center", "bottom"),
    )
    for letter, (x, y, horizontal, vertical) in zip(letters, places, strict=True):
        axes.text(x, y, letter, color="yellow", transform=axes.transAxes, ha=horizontal, va=vertical, fontsize=11)
    axes.set_axis_off()


def _box(mask: NDArray[np.bool_], spacing: Sequence[float], margin_mm: float) -> tuple[slice, ...]:
    if not mask.any():
        return (slice(None),) * 3
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = round(margin_mm / spacing[axis])
        box.append(slice(max(0, int(inside[0]) - margin), int(inside[-1]) + margin + 1))
    return tuple(box)


def _middle(mask: NDArray[np.bool_]) -> list[int]:
    """Per axis the plane that holds most of the labels (the middle of the volume if there are none)."""
    if not mask.any():
        return [n // 2 for n in mask.shape]
    return [int(mask.sum(axis=tuple(a for a in range(3) if a != axis)).argmax()) for axis in range(3)]
