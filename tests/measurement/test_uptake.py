"""Uptake in images whose values are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_unet.measurement import measure_uptake
from monai_unet.measurement.uptake import _ball


def test_mean_highest_volume_and_their_product() -> None:
    image = np.zeros((9, 20, 20))
    image[4, 10, 8:12] = 1, 2, 3, 10
    found = measure_uptake(image > 0, image, (5, 4, 4))
    assert found is not None
    assert (found.mean, found.highest) == (4.0, 10.0)
    # four voxels of 5 × 4 × 4 mm
    assert found.volume_ml == pytest.approx(0.32)
    assert found.total == pytest.approx(1.28)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (3.27, 5.47, 5.47), (5, 2, 2), (20, 4, 4)])
def test_the_ball_of_the_peak_holds_a_millilitre(spacing: tuple[float, ...]) -> None:
    ball = _ball(spacing)
    assert ball.sum() == pytest.approx(1)
    assert (ball == ball[::-1, ::-1, ::-1]).all()
    assert all(n % 2 for n in ball.shape)
    if max(spacing) < 6:
        # of one density, a voxel that is wholly inside has its share of 1 ml
        assert ball.max() * 1000 / np.prod(spacing) == pytest.approx(1, rel=0.12)


def test_the_peak_reaches_out_of_the_mask_and_is_below_a_single_hot_voxel() -> None:
    image = np.zeros((15, 31, 31))
    image[7, 15, 15] = 100
    found = measure_uptake(image > 0, image, (2, 2, 2))
    assert found is not None
    # one voxel of 8 mm³ in a ball of 1000 mm³
    assert found.peak == pytest.approx(100 * 8 / 1000, rel=0.05)
    flat = measure_uptake(image > 0, np.full(image.shape, 3.0), (2, 2, 2))
    assert flat is not None
    assert flat.peak == pytest.approx(3)


def test_no_peak_where_no_ball_fits_and_nothing_of_nothing() -> None:
    image = np.ones((3, 3, 3))
    found = measure_uptake(image > 0, image, (1, 1, 1))
    assert found is not None
    assert found.peak is None
    assert found.mean == 1
    # at the edge: the ball would lie half outside
    edge = np.zeros((15, 31, 31), bool)
    edge[0, 15, 15] = True
    at_edge = measure_uptake(edge, np.ones(edge.shape), (2, 2, 2))
    assert at_edge is not None
    assert at_edge.peak is None
    assert measure_uptake(image > 1, image, (1, 1, 1)) is None
    with pytest.raises(ValueError, match="as the mask"):
        measure_uptake(image > 0, image[:2], (1, 1, 1))
