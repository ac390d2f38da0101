"""The viewing planes: radiological convention follows from the axes (S, A, R) alone."""

from __future__ import annotations

import pytest

from monai_unet.geometry import PLANES

TOWARDS, AWAY = "SAR", "IPL"
"""What each axis of the working frame grows towards and comes from."""


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_letters_say_where_the_axes_of_the_picture_lead(name: str) -> None:
    plane = PLANES[name]
    assert sorted(plane.order) == [0, 1, 2]
    assert plane.letters == TOWARDS[plane.across] + AWAY[plane.across] + TOWARDS[plane.up] + AWAY[plane.up]


def test_each_plane_cuts_the_axis_that_its_name_says() -> None:
    assert {name: TOWARDS[plane.axis] for name, plane in PLANES.items()} == {
        "axial": "S",
        "coronal": "A",
        "sagittal": "R",
    }


def test_the_patients_right_is_left_in_all_but_the_sagittal_plane_which_looks_from_the_left() -> None:
    assert {name: plane.letters[0] for name, plane in PLANES.items()} == {"axial": "R", "coronal": "R", "sagittal": "A"}
