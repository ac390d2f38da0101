"""Pictures of a volume: what lies where, and in which colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from monai_unet.geometry import PLANES
from monai_unet.io import label_color
from monai_unet.measurement import box_with_margin, contour_figure, plane_slice


def test_a_voxel_lies_where_the_letters_of_each_plane_say() -> None:
    """One bright voxel at the superior, anterior, right end: up, and left of the picture."""
    volume = np.zeros((4, 5, 6))
    volume[-1, -1, -1] = 1
    box = (slice(0, 4), slice(0, 5), slice(0, 6))
    for plane in PLANES.values():
        shown = plane_slice(volume, box, plane, volume.shape[plane.axis] - 1)
        assert shown.shape == (volume.shape[plane.up], volume.shape[plane.across])
        assert np.argwhere(shown).tolist() == [[shown.shape[0] - 1, 0]]


def test_the_box_is_the_label_and_a_margin_in_millimetres_inside_the_volume() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[10:12, 5, 18] = True
    box = box_with_margin(mask, (2.0, 1.0, 1.0), 3.0)
    assert [(s.start, s.stop) for s in box] == [(8, 14), (2, 9), (15, 20)]
    assert [(s.start, s.stop) for s in box_with_margin(mask & False, (1, 1, 1), 3.0)] == [(0, 20)] * 3


def test_contours_are_drawn_in_the_colours_of_the_labels() -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:4, 2:4, 2:4], labels[5:7, 5:7, 5:7] = 1, 2
    colors = {value: label_color(value) for value in (1, 2)}
    figure = contour_figure(
        labels * 1.0, labels, spacing=(1, 1, 1), names={1: "a", 2: "b"}, colors=colors, title="phantom"
    )
    assert [axes.get_title() for axes in figure.axes] == ["axial", "coronal", "sagittal"]
    (legend,) = figure.legends
    for line, value in zip(legend.get_lines(), (1, 2), strict=True):
        assert to_rgb(line.get_color()) == pytest.approx([channel / 255 for channel in colors[value]])
