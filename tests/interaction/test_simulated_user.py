"""The simulated user: where it clicks, and what it draws first."""

import numpy as np
import pytest

from monai_unet.interaction.answering.guidance import draw
from monai_unet.interaction.simulated_user import first_box, first_lasso, next_click, scribble


def _ball(shape, centre, radius):
    grid = np.indices(shape)
    return sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= radius**2


REFERENCE = _ball((30, 30, 30), (15, 14, 13), 8)


def test_the_first_click_is_the_middle_of_the_object():
    mark = next_click(np.zeros_like(REFERENCE), REFERENCE)
    assert mark.positive
    assert mark.positions.tolist() == [[15, 14, 13]]


def test_the_larger_error_is_clicked_with_its_sign():
    extra = _ball(REFERENCE.shape, (25, 25, 25), 3)
    hole = _ball(REFERENCE.shape, (15, 14, 13), 2)
    mark = next_click((REFERENCE & ~hole) | extra, REFERENCE)
    assert not mark.positive
    assert mark.positions.tolist() == [[25, 25, 25]]
    mark = next_click(REFERENCE & ~hole, REFERENCE)
    assert mark.positive
    assert mark.positions.tolist() == [[15, 14, 13]]


def test_missing_and_extra_parts_that_touch_are_two_errors():
    """Shifted by 3, a cube misses a slab and has one too much; one click can be right in one of them only."""
    reference = np.zeros((20, 20, 20), dtype=bool)
    reference[5:15, 5:15, 5:15] = True
    mark = next_click(np.roll(reference, 3, axis=0), reference)
    place = tuple(mark.positions[0].astype(int))
    assert reference[place] == mark.positive
    assert place[0] in (5, 6, 7, 15, 16, 17)


def test_depth_is_measured_in_millimetres():
    """In a slab 4 thick slices deep, 12 mm, and 20 mm wide the middle is looked for across the 12 mm."""
    reference = np.zeros((10, 40, 40), dtype=bool)
    reference[3:8, 10:30, 10:30] = True
    mark = next_click(np.zeros_like(reference), reference, (3.0, 1.0, 1.0))
    assert mark.positions[0, 0] == 5


def test_a_perfect_mask_calls_for_no_click():
    assert next_click(REFERENCE, REFERENCE) is None


def test_a_jittered_click_still_lies_in_the_error():
    random = np.random.default_rng(0)
    places = {tuple(next_click(np.zeros_like(REFERENCE), REFERENCE, random=random).positions[0]) for _ in range(20)}
    assert len(places) > 5
    assert all(np.linalg.norm(np.array(p) - (15, 14, 13)) <= 5 for p in places)  # at least half as deep as the centre


@pytest.mark.parametrize("flat", [True, False])
def test_a_box_lies_about_the_object(flat):
    random = np.random.default_rng(1)
    for _ in range(10):
        mark = first_box(REFERENCE, random, flat=flat)
        size = mark.positions[1] - mark.positions[0] + 1
        assert (mark.axis is not None) == flat
        across = [a for a in range(3) if a != mark.axis]
        assert (size[across] >= 7).all()
        assert (size[across] <= 21).all()
        if flat:
            assert size[mark.axis] == 1


def test_a_lasso_covers_most_of_its_slice_and_little_else():
    random = np.random.default_rng(2)
    for _ in range(10):
        mark = first_lasso(REFERENCE, random)
        drawn = draw("lasso", mark.positions, REFERENCE.shape, axis=mark.axis)
        mask = np.zeros_like(REFERENCE)
        mask[drawn.box] = drawn.voxels
        plane = tuple(int(mark.positions[0, a]) if a == mark.axis else slice(None) for a in range(3))
        shared = 2 * (mask[plane] & REFERENCE[plane]).sum() / (mask[plane].sum() + REFERENCE[plane].sum())
        assert shared > 0.75


def test_a_scribble_stays_within_a_convex_object():
    random = np.random.default_rng(3)
    for _ in range(10):
        mark = scribble(REFERENCE, random, positive=True)
        drawn = draw("scribble", mark.positions, REFERENCE.shape)
        assert REFERENCE[drawn.box][drawn.voxels].mean() > 0.95


def test_nothing_can_be_drawn_around_nothing():
    empty, random = np.zeros((5, 5, 5), dtype=bool), np.random.default_rng(0)
    assert first_box(empty, random, flat=True) is None
    assert first_lasso(empty, random) is None
    assert scribble(empty, random, positive=True) is None
