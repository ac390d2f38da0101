"""Which contours of an ROI add, which cut out, and that nothing of it is silent."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, DATA, SEGMENTS, labels_on, needs_data
from dicom_phantom import Phantom, write_phantom
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom.contour_areas import fill_planar
from monai_unet.io.dicom.contours import trace
from monai_unet.io.dicom.rtstruct import write_rtstruct
from monai_unet.io.dicom.rtstruct_read import read_rtstruct
from monai_unet.io.dicom.series import find_series

SHAPE = (60, 60)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Corners (column, row) of the voxels from `left` to before `right`, `top` to before `bottom`."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float) - 0.5


OUTER = box(5, 5, 40, 40)
LARGE = 35 * 35


@pytest.mark.parametrize(
    ("contours", "voxels"),
    [
        ([OUTER], LARGE),
        ([OUTER, OUTER], LARGE),
        ([OUTER, OUTER[::-1]], LARGE),
        ([OUTER, np.roll(OUTER, 2, axis=0)], LARGE),
        ([OUTER, np.r_[OUTER, OUTER[:1]]], LARGE),
        ([OUTER, OUTER + 0.004], LARGE),
        ([OUTER, OUTER + 5], 2 * LARGE - 30 * 30),
        ([OUTER, box(10, 10, 20, 20)], LARGE - 100),
        ([OUTER, box(10, 10, 20, 20), box(10, 10, 20, 20)], LARGE - 100),
        ([OUTER, OUTER, box(10, 10, 20, 20)], LARGE - 100),
        ([OUTER, box(5, 5, 20, 20)], LARGE - 225),
        ([OUTER, box(10, 10, 20, 20), box(12, 12, 15, 15)], LARGE - 100 + 9),
        ([OUTER, OUTER + 5, box(20, 20, 25, 25)], 2 * LARGE - 30 * 30 - 25),
        ([OUTER, box(10, 10, 20, 20), box(15, 15, 25, 25)], LARGE - 175),
        ([OUTER, box(40, 5, 50, 40)], LARGE + 350),
        ([OUTER, box(200, 200, 300, 300)], LARGE),
    ],
    ids=[
        "one", "twice", "twice the other way round", "twice from another corner", "closed by its first point",
        "twice but for rounding", "overlapping", "hole", "hole twice", "outline twice with a hole",
        "hole that shares two edges", "island in a hole", "hole in two that overlap", "two holes that overlap",
        "neighbours", "outside",
    ],
)  # fmt: skip
def test_contours_of_one_slice_enclose(contours: list[np.ndarray], voxels: int) -> None:
    assert fill_planar(contours, SHAPE).mask.sum() == voxels
    assert fill_planar(contours[::-1], SHAPE).mask.sum() == voxels


def test_keyhole_and_own_contour_give_the_same_hole() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5:40, 5:40] = True
    mask[10:20, 12:14] = False
    np.testing.assert_array_equal(fill_planar(trace(mask), SHAPE).mask, mask)
    np.testing.assert_array_equal(fill_planar([OUTER, box(12, 10, 14, 20)], SHAPE).mask, mask)
    twice = fill_planar([*trace(mask), *trace(mask)], SHAPE)
    np.testing.assert_array_equal(twice.mask, mask)
    assert twice.repeated == 1


def test_thousands_of_overlapping_contours_are_refused_and_not_waited_for() -> None:
    rng = np.random.default_rng(0)
    contours = [box(*low, *(low + 20)) for low in rng.uniform(0, 40, (3000, 2))]
    with pytest.raises(InputError, match="overlap in one slice"):
        fill_planar(contours, SHAPE)


def structures(tmp_path: Path, change: Callable[[Dataset], None]) -> tuple[Phantom, Path, np.ndarray]:
    """A structure set of two ROIs with `change` made to it, and the labels (S, A, R) it was written from."""
    phantom = write_phantom(tmp_path / "ct")
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    path = write_rtstruct(working, tmp_path / "rt.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return phantom, path, working


def every_contour_twice(dataset: Dataset) -> None:
    for roi in dataset.ROIContourSequence:
        roi.ContourSequence = [*roi.ContourSequence, *copy.deepcopy(list(roi.ContourSequence))]


def first_contours_twice(dataset: Dataset) -> None:
    contours = dataset.ROIContourSequence[0].ContourSequence
    contours.extend(copy.deepcopy(list(contours)[:10]))


def item_twice(dataset: Dataset) -> None:
    dataset.ROIContourSequence.append(copy.deepcopy(dataset.ROIContourSequence[0]))


def roi_and_item_twice(dataset: Dataset) -> None:
    item_twice(dataset)
    dataset.StructureSetROISequence.append(copy.deepcopy(dataset.StructureSetROISequence[0]))


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (every_contour_twice, "contours that are there twice count once"),
        (first_contours_twice, "10 contours that are there twice count once"),
        (item_twice, "contours that are there twice count once"),
        (roi_and_item_twice, "1 ROIs that are there twice count once"),
    ],
)
def test_what_is_stored_twice_counts_once(tmp_path: Path, change: Callable[[Dataset], None], note: str) -> None:
    phantom, path, labels = structures(tmp_path, change)
    found = read_rtstruct(path, source=phantom)
    np.testing.assert_array_equal(found.label_map()[0], labels)
    assert any(note in said for said in found.notes)


def test_overlapping_areas_of_one_roi_are_united_with_a_note(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[2:12, 2:12, 3] = 1
    moved = np.roll(labels, (3, 2), axis=(0, 1))

    def write(mask: np.ndarray, name: str) -> pydicom.FileDataset:
        working, _ = to_working_frame(mask, phantom.grid)
        path = write_rtstruct(working, tmp_path / name, source=phantom, segments=SEGMENTS[:1], algorithm=ALGORITHM)
        return pydicom.dcmread(path)

    dataset, other = write(labels, "rt.dcm"), write(moved, "other.dcm")
    dataset.ROIContourSequence[0].ContourSequence.extend(other.ROIContourSequence[0].ContourSequence)
    dataset.save_as(tmp_path / "rt.dcm")
    found = read_rtstruct(tmp_path / "rt.dcm", source=phantom)
    np.testing.assert_array_equal(found.mask(1)[0], to_working_frame((labels | moved) > 0, phantom.grid)[0])
    assert "2 overlapping contours of 'left kidney' were united" in found.notes
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        contour.ContourGeometricType = "CLOSEDPLANAR_XOR"
    dataset.save_as(tmp_path / "rt.dcm")
    found = read_rtstruct(tmp_path / "rt.dcm", source=phantom)
    np.testing.assert_array_equal(found.mask(1)[0], to_working_frame((labels ^ moved) > 0, phantom.grid)[0])


def test_roi_that_gets_no_voxel_is_named(tmp_path: Path) -> None:
    def shrink(dataset: Dataset) -> None:
        tiny = dataset.ROIContourSequence[0].ContourSequence[0]
        first = np.array(tiny.ContourData[:3], float) + np.array([0.2, 0.2, 0.0])
        points = first + np.array([[0, 0, 0], [0.2, 0, 0], [0.2, 0.2, 0]])
        tiny.ContourData, tiny.NumberOfContourPoints = [f"{v:.4f}" for v in points.ravel()], 3
        dataset.ROIContourSequence[0].ContourSequence = [tiny]
        for contour in dataset.ROIContourSequence[1].ContourSequence:
            contour.ContourGeometricType = "OPEN_PLANAR"

    phantom, path, _ = structures(tmp_path, shrink)
    found = read_rtstruct(path, source=phantom)
    assert found.masks().sum() == 0
    assert "'left kidney' got no voxel, though its 1 contours enclose 0.02 mm²" in found.notes
    assert "'Tumour' got no voxel: it holds points or open contours only" in found.notes


def fewer_points_stated(dataset: Dataset) -> None:
    dataset.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints -= 1


def contours_of_nobody(dataset: Dataset) -> None:
    dataset.ROIContourSequence[0].ReferencedROINumber = 9


def one_number_for_two(dataset: Dataset) -> None:
    dataset.StructureSetROISequence[1].ROINumber = 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (fewer_points_stated, r"a contour states \d+ points and holds"),
        (contours_of_nobody, "contours of ROI 9, which it does not name"),
        (one_number_for_two, "'left kidney' and 'Tumour' have one number, 1"),
    ],
)
def test_structure_set_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Callable[[Dataset], None], reason: str
) -> None:
    phantom, path, _ = structures(tmp_path, change)
    with pytest.raises(InputError, match=reason):
        read_rtstruct(path, source=phantom)


@pytest.mark.data
@needs_data
def test_sarcoma_contours_stored_twice_give_the_same_mask(tmp_path: Path) -> None:
    folder = DATA / "dicom" / "rtstruct_sarcoma" / "STS_002" / "CT"
    (series,) = find_series(folder / "image")
    once = read_rtstruct(folder / "mask" / "RS.dcm", source=series)
    dataset = pydicom.dcmread(folder / "mask" / "RS.dcm")
    every_contour_twice(dataset)
    dataset.save_as(tmp_path / "RS.dcm")
    twice = read_rtstruct(tmp_path / "RS.dcm", source=series)
    np.testing.assert_array_equal(twice.masks(), once.masks())
    assert once.masks().sum() > 1000
