"""Grey-level windows of images without Hounsfield units."""

from __future__ import annotations

import numpy as np
import pytest

from napari_plugin.viewer.windows import AUTOMATIC, NARROW, OWN_WINDOWS, WIDE, limits_of

SPACING = (6.0, 2.0, 2.0)


def head(fat: float, *, noise: float = 0.0) -> np.ndarray:
    """A head with brain from 100 to 200, a dark skull, and scalp that is as bright as `fat`; air around it."""
    _, y, x = np.mgrid[:12, :110, :90]
    radius = np.hypot((y - 55) / 50, (x - 45) / 40)
    brain = 100 + 100 * (x - x.min()) / np.ptp(x)
    image = np.where(radius < 0.84, brain, np.where(radius < 0.9, 20.0, np.where(radius < 1.0, fat, 0.0)))
    return image + np.random.default_rng(0).random(image.shape) * noise


def test_fat_of_the_scalp_does_not_decide() -> None:
    plain, fat = (limits_of(AUTOMATIC, head(value, noise=5.0), "MR", SPACING) for value in (150.0, 2000.0))
    assert fat == pytest.approx(plain, rel=0.02)
    assert 180 < fat[1] < 210
    assert limits_of(WIDE, head(2000.0, noise=5.0), "MR", SPACING)[1] < 210
    narrow = limits_of(NARROW, head(2000.0, noise=5.0), "MR", SPACING)
    assert fat[0] < narrow[0] < narrow[1] < fat[1]


@pytest.mark.parametrize("name", [AUTOMATIC, *OWN_WINDOWS])
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 4, 5)),
        np.full((3, 4, 5), 1e9),
        np.full((3, 4, 5), np.nan),
        np.arange(8.0).reshape(2, 2, 2),
        np.where(np.arange(60).reshape(3, 4, 5) % 7 == 0, np.nan, 5.0),
    ],
)
def test_any_image_has_a_window_that_is_wider_than_nothing(name: str, image: np.ndarray) -> None:
    low, high = limits_of(name, image, "MR", SPACING)
    assert np.isfinite([low, high]).all()
    assert high > low
