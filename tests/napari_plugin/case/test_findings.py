from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_unet.generators import drain
from monai_unet.geometry import Grid
from monai_unet.interaction.session.objects import SegmentObject
from napari_plugin.case.findings import (
    Findings,
    centre_voxel,
    in_parts,
    measure_objects,
    measure_wholes,
    sum_of_targets,
    wholes_of,
)
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


def test_a_stray_voxel_is_another_part_and_stretches_no_diameter() -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 4:8, 10:21] = 1
    labels[3, 6, 35] = 1
    lesion = measured(labels, [1])[1]
    assert lesion is not None
    assert lesion.parts == 2
    assert lesion.long_axis.length_mm == pytest.approx(np.hypot(11, 3))
    assert lesion.longest_diameter.length_mm < 15
    assert lesion.voxels == 45
    assert "2 parts" in in_parts("lesion 1", lesion)


def test_areas_of_a_slice_that_hang_together_elsewhere_are_measured_one_by_one() -> None:
    """A horseshoe: two legs in slice 3, joined in slice 4."""
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 10, 5:12] = labels[3, 10, 25:30] = 1
    labels[4, 10, 11:26] = 1
    lesion = measured(labels, [1])[1]
    assert lesion is not None
    assert (lesion.parts, lesion.slice_index) == (1, 4)
    assert lesion.long_axis.length_mm == pytest.approx(15)


def test_only_chosen_target_lesions_are_summed() -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 4, 10:20] = 1
    labels[5, 4:6, 10:12] = 2
    labels[7, 4, 10:17] = 3
    found = measured(labels, [1, 2, 3, 4])
    objects = [SegmentObject(v, f"lesion {v}", target=v in (1, 3, 4)) for v in (1, 2, 3, 4)]
    assert sum_of_targets(objects, found) == "Sum of long axes: 17.0 mm, of products 17 mm² (2 lesions chosen)."
    nodes = [replace(item, organ="node") for item in objects]
    assert sum_of_targets(nodes, found) == "Sum of diameters: 2.0 mm, of products 17 mm² (2 lesions chosen)."
    assert sum_of_targets(objects[1:2], found) == ""


def test_whole_of_several_classes_is_their_union() -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[3, 4:10, 10:20] = 2
    labels[3, 5:9, 12:18] = 3
    labels[3, 6:8, 14:16] = 1
    both, core = ("whole tumour", "tumour core"), ("whole tumour",)
    objects = [SegmentObject(1, "necrosis", regions=both), SegmentObject(2, "oedema", regions=core)]
    objects += [SegmentObject(3, "enhancing", regions=both), SegmentObject(4, "lesion 4")]
    held = wholes_of(objects)
    assert held == {"whole tumour": (1, 2, 3), "tumour core": (1, 3)}
    found = drain(measure_wholes(labels, labels.astype(np.float32), GRID, held))
    whole, inner = found["whole tumour"], found["tumour core"]
    assert whole is not None
    assert inner is not None
    assert (whole.voxels, inner.voxels) == (60, 24)
    assert whole.long_axis.length_mm == pytest.approx(np.hypot(10, 5))


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
