from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_unet.errors import InputError
from monai_unet.geometry.grid import Grid
from monai_unet.geometry.placement import place

SHEARED = np.array([[0.7, 0.1, 0.0, -3.0], [-0.1, 0.8, 0.3, 5.0], [0.0, 0.0, 2.0, 7.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_all_48_orientations_land_on_the_same_voxels(order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    onto = Grid((5, 6, 7), SHEARED)
    array = np.arange(1, 211).reshape(onto.shape)
    turn = np.eye(4)
    turned = array.transpose(order)
    for axis, flip in enumerate(flips):
        turn[:, axis] = 0
        turn[order[axis], axis] = flip
        if flip < 0:
            turned = np.flip(turned, axis)
            turn[order[axis], 3] = onto.shape[order[axis]] - 1
    np.testing.assert_array_equal(place(turned, Grid(turned.shape, SHEARED @ turn), onto, name="mask"), array)


@pytest.mark.parametrize("offset", [0.06, -0.4])
def test_voxels_off_the_grid_are_refused(offset: float) -> None:
    affine = np.eye(4)
    affine[1, 3] = offset
    with pytest.raises(InputError, match="does not lie on the voxels"):
        place(np.ones((3, 3, 3)), Grid((3, 3, 3), affine), Grid((3, 3, 3), np.eye(4)), name="mask")


def test_rounding_of_a_float32_header_is_no_offset() -> None:
    affine = SHEARED.astype(np.float32).astype(float) + 1e-3
    array = np.ones((4, 4, 4))
    np.testing.assert_array_equal(place(array, Grid((4, 4, 4), affine), Grid((4, 4, 4), SHEARED), name="mask"), array)


def test_larger_mask_is_cut_to_the_source_where_it_is_empty() -> None:
    array = np.zeros((6, 6, 6))
    array[2:4, 2:4, 2:4] = 1
    affine = np.eye(4)
    affine[:3, 3] = -1
    placed = place(array, Grid((6, 6, 6), affine), Grid((4, 4, 4), np.eye(4)), name="mask")
    np.testing.assert_array_equal(placed, array[1:5, 1:5, 1:5])
