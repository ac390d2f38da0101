"""One palette: whatever carries a label without a colour shows it in the same one."""

from __future__ import annotations

import numpy as np
import pytest

from monai_unet.interaction.session.objects import new_object
from monai_unet.io import LabelEntry, Segment, label_color, palette, unit_rgb
from monai_unet.io.formats.label_table import from_caret_xml, from_slicer_keys, to_caret_xml, to_slicer_keys


@pytest.mark.parametrize("value", [1, 5, 7, 10, 11, 65535])
def test_a_label_without_a_colour_has_the_same_one_in_the_session_in_dicom_and_in_a_file(value: int) -> None:
    color = label_color(value)
    table = {value: LabelEntry("a")}
    assert new_object(value).color == color
    assert Segment(value, "a").rgb == color
    assert from_caret_xml(to_caret_xml(table))[value].color == color
    keys = to_slicer_keys(table, np.zeros((2, 2, 2), np.uint16))
    assert from_slicer_keys(keys)[value].color == color


def test_the_first_seven_are_those_of_okabe_and_ito() -> None:
    """Table of Color Universal Design (Okabe & Ito 2008), without black."""
    published = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert {"#{:02X}{:02X}{:02X}".format(*color) for color in palette.LABELS[:7]} == published


def test_neighbouring_labels_differ() -> None:
    assert all(label_color(value) != label_color(value + 1) for value in range(1, 30))


def test_a_stated_colour_stays() -> None:
    assert Segment(1, "a", color=(1, 2, 3)).rgb == (1, 2, 3)
    assert new_object(1, color=(1, 2, 3)).color == (1, 2, 3)


def test_matplotlib_and_napari_get_shares_of_one() -> None:
    assert unit_rgb((255, 0, 51)) == (1.0, 0.0, 0.2)
