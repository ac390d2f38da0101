from __future__ import annotations

import numpy as np
import pytest

from monai_unet.geometry import Grid
from napari_plugin.case.findings import Findings, centre_voxel, measure_objects, sum_of_long_axes
from napari_plugin.viewer.uncertainty import uncertain_places

GRID = Grid((12, 30, 40), np.array([[0, 0, 1.0, -10], [0, 1.0, 0, 5], [5.0, 0, 0, 7], [0, 0, 0, 1.0]]))


def measured(labels: np.ndarray, values: list[int]) -> Findings:
    steps = measure_objects(labels, labels.astype(np.float32) * 10, GRID, values)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_bar_measures_its_voxels_times_spacing() -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 4:8, 10:31] = 7
    lesion = measured(labels, [7])[7]
    assert lesion is not None
    assert lesion.volume_ml == pytest.approx(4 * 21 * 5.0 / 1000)
    # acquisition plane is axial (5 mm slices); farthest middles of outer voxel faces: 21 by 3 or 20 by 4
    assert lesion.long_axis.length_mm == pytest.approx(np.hypot(21, 3))
    assert lesion.slice_index == 3
    assert lesion.normal_axis == 0
    assert lesion.intensity_mean == 70
    voxel = centre_voxel(lesion, GRID)
    assert voxel[0] == 3
    assert 4 <= voxel[1] < 8
    assert abs(voxel[2] - 20) <= 1


def test_object_without_voxels_is_there_without_numbers() -> None:
    assert measured(np.zeros(GRID.shape, np.uint16), [2]) == {2: None}


def test_sum_counts_only_what_was_measured() -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 4, 10:20] = 1
    labels[5, 4:6, 10:12] = 2
    total, count = sum_of_long_axes(measured(labels, [1, 2, 3]))
    assert count == 2
    assert total == pytest.approx(10 + np.hypot(2, 1))


def test_uncertain_places_come_most_doubtful_first_and_apart() -> None:
    uncertainty = np.zeros((40, 60, 60), np.float32)
    uncertainty[5:12, 5:12, 5:12] = 0.6
    uncertainty[25:32, 40:47, 40:47] = 0.9
    uncertainty[25:32, 40:47, 49:52] = 0.5
    places = uncertain_places(uncertainty, (1.0, 1.0, 1.0))
    assert [round(value, 1) for _, value in places] == [0.9, 0.6]
    assert all(25 <= i < 47 for i in places[0][0])


def test_sure_model_has_no_uncertain_place() -> None:
    assert uncertain_places(np.full((9, 9, 9), 0.1), (1.0, 1.0, 1.0)) == []
