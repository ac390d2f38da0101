from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path as Outline
from skimage.draw import disk, polygon2mask

from monai_unet.io.dicom.contours import fill, trace

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def area(polygon: np.ndarray) -> float:
    """Shoelace formula."""
    x, y = polygon.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@settings(max_examples=300, deadline=None)
@given(MASKS)
def test_any_mask_comes_back_from_its_polygons(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(fill(trace(mask), mask.shape), mask)


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_area_inside_is_the_number_of_voxels(mask: np.ndarray) -> None:
    assert sum(area(polygon) for polygon in trace(mask)) == mask.sum()


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_a_reader_that_fills_each_polygon_on_its_own_gets_the_same_mask(mask: np.ndarray) -> None:
    filled = np.zeros(mask.shape, bool)
    for polygon in trace(mask):
        filled |= polygon2mask(mask.shape, polygon[:, ::-1])
    np.testing.assert_array_equal(filled, mask)


def test_ring_is_one_polygon_with_its_hole_open() -> None:
    mask = np.zeros((40, 50), bool)
    mask[disk((20, 25), 15)] = True
    mask[disk((18, 27), 6)] = False
    polygons = trace(mask)
    assert len(polygons) == 1
    assert area(polygons[0]) == mask.sum()


def test_pieces_that_touch_at_a_corner_are_separate_polygons() -> None:
    assert len(trace([[1, 0], [0, 1]])) == 2


def test_rectangle_has_four_corners_on_voxel_edges() -> None:
    mask = np.zeros((6, 9), bool)
    mask[2:5, 3:8] = True
    (polygon,) = trace(mask)
    assert {tuple(corner) for corner in polygon} == {(2.5, 1.5), (7.5, 1.5), (7.5, 4.5), (2.5, 4.5)}


def test_empty_mask_has_no_polygon() -> None:
    assert trace(np.zeros((4, 5), bool)) == []
    assert not fill([], (4, 5)).any()


@pytest.mark.parametrize("seed", range(20))
def test_filling_a_smooth_polygon_agrees_with_matplotlib(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 30))
    radius = rng.uniform(3, 14, 30)
    polygon = np.stack([15.3 + radius * np.cos(angle), 14.7 + radius * np.sin(angle)], axis=1)
    row, column = np.mgrid[:28, :33]
    inside = Outline(polygon).contains_points(np.stack([column.ravel(), row.ravel()], axis=1))
    np.testing.assert_array_equal(fill([polygon], (28, 33)), inside.reshape(28, 33))


def test_polygon_reaching_outside_the_image_is_cut_off() -> None:
    expected = np.zeros((5, 5), bool)
    expected[:3, 2:] = True
    np.testing.assert_array_equal(fill([[(1.5, -9.0), (30.0, -9.0), (30.0, 2.5), (1.5, 2.5)]], (5, 5)), expected)


def test_inner_polygon_of_its_own_is_a_hole() -> None:
    outer, inner = (
        [(-0.5, -0.5), (5.5, -0.5), (5.5, 5.5), (-0.5, 5.5)],
        [(1.5, 1.5), (3.5, 1.5), (3.5, 3.5), (1.5, 3.5)],
    )
    expected = np.ones((6, 6), bool)
    expected[2:4, 2:4] = False
    np.testing.assert_array_equal(fill([outer, inner], (6, 6)), expected)


def test_polygons_that_share_an_edge_share_no_voxel() -> None:
    left, right = [(0, 0), (2, 0), (2, 4), (0, 4)], [(2, 0), (4, 0), (4, 4), (2, 4)]
    one, other = fill([left], (5, 5)), fill([right], (5, 5))
    assert not (one & other).any()
    np.testing.assert_array_equal(one | other, fill([[(0, 0), (4, 0), (4, 4), (0, 4)]], (5, 5)))
