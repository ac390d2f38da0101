from __future__ import annotations

import numpy as np
import pytest

from napari_plugin.viewer.windows import AUTOMATIC, CT_WINDOWS, is_ct, limits_of, range_of


@pytest.mark.parametrize(("name", "low", "high"), [("brain", 0, 80), ("lung", -1350, 150), ("bone", -500, 1300)])
def test_ct_presets_are_level_plus_and_minus_half_the_width(name: str, low: float, high: float) -> None:
    assert limits_of(name, np.zeros((2, 2, 2)), "CT") == (low, high)
    assert set(CT_WINDOWS) == {"brain", "stroke", "lung", "mediastinum", "abdomen", "bone"}


def test_automatic_window_of_mr_ignores_the_air_around_the_head() -> None:
    image = np.zeros((40, 40, 40), np.float32)
    image[10:30, 10:30, 10:30] = np.linspace(100, 1100, 8000).reshape(20, 20, 20)
    low, high = limits_of(AUTOMATIC, image, "MR")
    assert 100 <= low < 140
    assert 1060 < high <= 1100


def test_ct_is_told_by_the_header_before_the_values() -> None:
    air = np.full((4, 4, 4), -1000.0)
    assert is_ct(air)
    assert not is_ct(air, "MR")
    assert not is_ct(np.zeros((4, 4, 4)))


def test_constant_image_has_a_window() -> None:
    low, high = limits_of(AUTOMATIC, np.full((3, 3, 3), 7.0))
    assert low < high
    assert range_of(np.full((3, 3, 3), 7.0))[0] < range_of(np.full((3, 3, 3), 7.0))[1]
