"""Prompts as voxels, obeyed exactly, and the channels that the network sees."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt, label, uniform_filter

from monai_unet.interaction.answering.guidance import (
    CHANNELS,
    REACH,
    STEP_COST,
    DrawnPrompts,
    connectedness,
    draw,
    nearness,
    network_input,
    obey,
    relative_intensity,
)

SHAPE = (20, 24, 28)
WHOLE = tuple(slice(0, n) for n in SHAPE)


def _full(drawn, shape=SHAPE):
    mask = np.zeros(shape, dtype=bool)
    mask[drawn.box] = drawn.voxels
    return mask


def test_a_point_is_its_nearest_voxel():
    mask = _full(draw("point", [[3.4, 7.6, 9.5]], SHAPE))
    assert np.argwhere(mask).tolist() == [[3, 8, 10]]


def test_a_scribble_is_a_connected_line_between_its_ends():
    mask = _full(draw("scribble", [[2, 3, 4], [2, 15, 9], [8, 15, 20]], SHAPE))
    assert mask[2, 3, 4]
    assert mask[2, 15, 9]
    assert mask[8, 15, 20]
    assert (mask.sum((1, 2)) > 0).sum() == 7  # S 2 … 8
    assert (mask[2].any(1)).sum() == 13  # A 3 … 15


def test_the_radius_of_a_scribble_is_a_ball():
    mask = _full(draw("scribble", [[10, 10, 10]], SHAPE, radius=2.0))
    assert mask.sum() == 33  # lattice points within distance 2 of one (OEIS A000605)


def test_a_box_holds_its_corners_and_what_lies_between():
    mask = _full(draw("box", [[8, 3, 4], [5, 9, 6]], SHAPE))
    assert mask.sum() == 4 * 7 * 3
    assert mask[5, 3, 4]
    assert mask[8, 9, 6]


def test_a_flat_box_holds_in_its_own_slice_only():
    mask = _full(draw("box", [[6, 3, 4], [6, 9, 8]], SHAPE, axis=0))
    assert np.flatnonzero(mask.any((1, 2))).tolist() == [6]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_lasso_fills_its_polygon_in_its_plane(axis):
    across = [a for a in range(3) if a != axis]
    corners = np.full((4, 3), 7.0)
    corners[:, across] = [[3.5, 4.5], [3.5, 12.5], [9.5, 12.5], [9.5, 4.5]]
    mask = _full(draw("lasso", corners, SHAPE, axis=axis))
    assert mask.sum() == 6 * 8
    assert np.flatnonzero(mask.any(tuple(across))).tolist() == [7]


def test_what_lies_outside_is_cut_and_wholly_outside_is_nothing():
    assert draw("point", [[-4, 3, 3]], SHAPE) is None
    assert _full(draw("box", [[-5, -5, -5], [1, 2, 3]], SHAPE)).sum() == 2 * 3 * 4


def test_of_two_prompts_at_one_voxel_the_newer_is_obeyed():
    place = draw("point", [[5, 5, 5]], SHAPE)
    for last in (True, False):
        mask = np.zeros(SHAPE, dtype=bool)
        told = [(place, "point", not last), (place, "point", last)]
        assert obey(mask, WHOLE, told)[5, 5, 5] == last


def test_a_negative_box_empties_and_a_positive_one_does_not_fill():
    box = draw("box", [[2, 2, 2], [6, 6, 6]], SHAPE)
    assert not obey(np.ones(SHAPE, dtype=bool), WHOLE, [(box, "box", False)])[2:7, 2:7, 2:7].any()
    assert not obey(np.zeros(SHAPE, dtype=bool), WHOLE, [(box, "box", True)]).any()


def test_obeying_inside_a_box_of_the_grid_touches_the_right_voxels():
    part = (slice(4, 9), slice(4, 9), slice(4, 9))
    place = draw("point", [[5, 6, 7]], SHAPE)
    mask = obey(np.zeros((5, 5, 5), dtype=bool), part, [(place, "point", True)])
    assert np.argwhere(mask).tolist() == [[1, 2, 3]]
    assert not obey(np.zeros((5, 5, 5), dtype=bool), part, [(draw("point", [[15, 6, 7]], SHAPE), "point", True)]).any()


def _marks(*points, size=(16, 16, 16)):
    marks = DrawnPrompts(size)
    for positive, place in points:
        marks.add("point", positive, np.array([place], dtype=float))
    return marks


def test_the_input_has_a_channel_for_everything_and_is_finite():
    marks = _marks((True, (8, 8, 8)), (False, (2, 2, 2)))
    marks.add("box", True, np.array([[5.0, 5, 5], [11, 11, 11]]))
    image = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32) * 1e4
    channels = network_input(image, np.zeros_like(image), marks)
    assert channels.shape == (len(CHANNELS), 16, 16, 16)
    assert channels.dtype == np.float32
    assert np.isfinite(channels).all()
    assert np.abs(channels).max() < 10
    assert channels[3, 8, 8, 8] == 1
    assert channels[4, 2, 2, 2] == 1
    assert channels[5].sum() == 7**3
    assert channels[6].sum() == 0


@pytest.mark.parametrize("value", [0.0, -1024.0, 3.0e7])
def test_a_constant_image_gives_no_infinities(value):
    marks = _marks((True, (8, 8, 8)))
    channels = network_input(np.full((16, 16, 16), value, np.float32), np.zeros((16, 16, 16), np.float32), marks)
    assert np.isfinite(channels).all()
    assert not channels[:2].any()


def test_the_input_does_not_depend_on_the_scale_of_the_image():
    image = np.random.default_rng(1).normal(size=(16, 16, 16)).astype(np.float32)
    marks, mask = _marks((True, (8, 8, 8))), np.zeros((16, 16, 16), np.float32)
    np.testing.assert_allclose(
        network_input(image, mask, marks), network_input(50 * image + 700, mask, marks), atol=1e-2
    )


def test_soft_tissue_keeps_its_contrast_beside_air_and_bone():
    """A lesion 30 HU above muscle, in a window half full of air and with bone: well apart in the relative channel."""
    image = np.full((16, 16, 16), -1000, np.float32)
    image[:, :10] = 50
    image[:, :2] = 1200
    image[6:10, 4:8, 6:10] = 80
    relative = relative_intensity(image, np.zeros_like(image), _marks((True, (8, 6, 8))))
    assert relative[8, 6, 8] == pytest.approx(0, abs=0.05)
    assert abs(relative[2, 6, 2]) > 0.2


def test_nearness_in_an_even_image_falls_with_the_city_block_distance():
    seeds = np.zeros((12, 12, 12), dtype=bool)
    seeds[6, 6, 6] = True
    steps = distance_transform_cdt(~seeds, metric="taxicab")
    found = nearness(np.zeros(seeds.shape, np.float32), seeds)
    np.testing.assert_allclose(found, np.exp(-steps * STEP_COST / REACH), rtol=1e-5)


def test_nearness_stops_at_an_edge_and_goes_round_it():
    image = np.zeros((3, 20, 20), np.float32)
    image[:, :15, 10] = 1.5
    seeds = np.zeros(image.shape, dtype=bool)
    seeds[1, 3, 3] = True
    found = nearness(image, seeds)
    assert found[1, 3, 10] < 0.06
    # behind the wall the shortest way leads round its end: 12 down, 13 across, 12 up
    assert found[1, 3, 16] == pytest.approx(np.exp(-(13 + 2 * 12) * STEP_COST / REACH), rel=1e-3)


def test_connectedness_is_region_growing_at_every_threshold():
    noise = np.random.default_rng(0).uniform(-3, 3, (12, 13, 14)).astype(np.float32)
    image = uniform_filter(noise, 5)  # smooth as a window: without it the ways are mazes, longer than the scans follow
    seeds = np.zeros(image.shape, dtype=bool)
    seeds[6, 6, 6] = True
    unlike = np.abs(image - image[seeds])
    found = connectedness(image, seeds)
    for threshold in (0.2, 0.4, 0.6, 0.8):
        grown = label(unlike <= threshold)[0]
        np.testing.assert_array_equal(found >= 1 - threshold - 1e-6, grown == grown[6, 6, 6])


def test_connectedness_does_not_pass_a_wall_however_thin():
    image = np.zeros((5, 5, 9), np.float32)
    image[:, :, 4] = 0.7
    seeds = np.zeros(image.shape, dtype=bool)
    seeds[2, 2, 1] = True
    found = connectedness(image, seeds)
    np.testing.assert_allclose(found[:, :, :4], 1)
    np.testing.assert_allclose(found[:, :, 4:], 0.3, atol=1e-6)
