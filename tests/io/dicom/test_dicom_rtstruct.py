from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_checks import (
    ALGORITHM,
    DATA,
    GEOMETRIES,
    SEGMENTS,
    dciodvfy_errors,
    labels_on,
    needs_data,
    needs_dciodvfy,
)
from dicom_phantom import Phantom, oblique, write_phantom
from pydicom.sr.codedict import codes
from skimage.draw import polygon2mask

from monai_unet.errors import InputError
from monai_unet.geometry.grid import Grid, to_working_frame
from monai_unet.io.dicom.rtstruct import write_rtstruct
from monai_unet.io.dicom.rtstruct_read import read_rtstruct
from monai_unet.io.dicom.series import find_series
from monai_unet.io.results import Segment


def write(phantom: Phantom, labels: np.ndarray, path: Path, segments: list[Segment] | None = None) -> Path:
    """RTSTRUCT of labels given as (column, row, slice)."""
    working, _ = to_working_frame(labels, phantom.grid)
    return write_rtstruct(working, path, source=phantom, segments=segments or SEGMENTS, algorithm=ALGORITHM)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_random_labels_with_holes_and_many_pieces_come_back_identical(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    path = write(phantom, labels, tmp_path / "rt.dcm")
    found = read_rtstruct(path, source=phantom).label_map()
    np.testing.assert_array_equal(found[0], to_working_frame(labels, phantom.grid)[0])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_contours_filled_by_another_library_in_the_plane_of_their_image_give_the_mask(
    tmp_path: Path, geometry: str
) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    dataset = pydicom.dcmread(write(phantom, labels, tmp_path / "rt.dcm"))
    found = np.zeros_like(labels)
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            lps = np.array(contour.ContourData, float).reshape(-1, 3)
            index = np.linalg.solve(phantom.grid.affine, np.c_[lps * [-1, -1, 1], np.ones(len(lps))].T)[:3]
            np.testing.assert_allclose(index[2], index[2].round(), atol=1e-3)
            inside = polygon2mask(labels.shape[:2], index[:2].T)
            found[:, :, round(index[2].mean())][inside] = roi.ReferencedROINumber
    np.testing.assert_array_equal(found, labels)


def test_every_contour_names_the_image_it_lies_in(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=oblique((12.0, 20.0, 5.0)))
    dataset = pydicom.dcmread(write(phantom, labels_on(phantom), tmp_path / "rt.dcm"))
    images = {header.SOPInstanceUID: header for header in phantom.headers()}
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            image = images[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            points = np.array(contour.ContourData, float).reshape(-1, 3) - np.array(image.ImagePositionPatient, float)
            cosines = np.array(image.ImageOrientationPatient, float)
            assert np.abs(points @ np.cross(cosines[:3], cosines[3:])).max() < 1e-3


def test_structure_without_voxels_is_an_roi_without_contours(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    path = write(phantom, labels_on(phantom, highest=1), tmp_path / "rt.dcm")
    found = read_rtstruct(path, source=phantom)
    assert [segment.name for segment in found.segments] == ["left kidney", "Tumour"]
    assert found.mask(2).sum() == 0


def test_rois_carry_names_colours_codes_and_label_values(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    segments = [Segment(3, "spleen"), Segment(7, "Tumour", color=(10, 200, 30))]
    labels = labels_on(phantom)
    labels[labels > 0] = labels[labels > 0] * 4 - 1
    path = write(phantom, labels, tmp_path / "rt.dcm", segments)
    found = read_rtstruct(path, source=phantom)
    assert [(s.number, s.name, s.made_by) for s in found.segments] == [
        (3, "spleen", "AUTOMATIC"),
        (7, "Tumour", "AUTOMATIC"),
    ]
    assert found.segments[1].rgb == (10, 200, 30)
    assert found.segments[0].codes.type == codes.SCT.Spleen
    np.testing.assert_array_equal(found.label_map()[0], to_working_frame(labels, phantom.grid)[0])


def test_file_says_who_made_it_and_whose_it_is(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    dataset, image = pydicom.dcmread(write(phantom, labels_on(phantom), tmp_path / "rt.dcm")), phantom.headers()[0]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "AccessionNumber"):
        assert dataset[keyword].value == image[keyword].value, keyword
    assert dataset.StructureSetName == "For research use; not a medical device"
    assert "phantom_unet 1.2.0" in dataset.StructureSetDescription
    assert "ab" * 32 in dataset.StructureSetDescription
    assert "research use only" in dataset.SeriesDescription
    assert dataset.ApprovalStatus == "UNAPPROVED"


def test_series_it_was_not_drawn_on_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    other = write_phantom(tmp_path / "other", seed=8)
    path = write(phantom, labels_on(phantom), tmp_path / "rt.dcm")
    with pytest.raises(InputError, match=r"was drawn on series .*, not on"):
        read_rtstruct(path, source=other)


def test_series_that_lost_slices_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    labels = np.ones(phantom.grid.shape, np.uint8)
    path = write(phantom, labels, tmp_path / "rt.dcm")
    shutil.copytree(phantom.folder, tmp_path / "short")
    for file in (tmp_path / "short").iterdir():
        if pydicom.dcmread(file).ImagePositionPatient[2] > -106:
            file.unlink()
    (short,) = find_series(tmp_path / "short")
    assert short.grid is not None
    assert short.grid.shape[2] < phantom.grid.shape[2]
    with pytest.raises(InputError, match="between or outside the slices"):
        read_rtstruct(path, source=short)


def test_inner_contour_of_its_own_is_a_hole_and_points_are_left_out(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[2:12, 2:12, 3] = 1
    path = write(phantom, labels, tmp_path / "rt.dcm", SEGMENTS[:1])
    dataset = pydicom.dcmread(path)
    contours = dataset.ROIContourSequence[0].ContourSequence
    corners = np.array([[4.5, 4.5], [8.5, 4.5], [8.5, 7.5], [4.5, 7.5]])
    lps = (np.c_[corners, np.full(4, 3.0), np.ones(4)] @ phantom.grid.affine.T)[:, :3] * [-1, -1, 1]
    for kind, points in (("CLOSED_PLANAR", lps), ("POINT", lps[:1])):
        item = pydicom.Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
        item.ContourData = [f"{value:.5f}" for value in points.ravel()]
        contours.append(item)
    dataset.save_as(path)
    labels[5:9, 5:8, 3] = 0
    found = read_rtstruct(path, source=phantom)
    np.testing.assert_array_equal(found.label_map()[0], to_working_frame(labels, phantom.grid)[0])
    assert found.notes == ("1 contours that enclose nothing were left out",)


@needs_dciodvfy
@pytest.mark.parametrize("geometry", ["axial", "oblique", "tilted", "multi-frame"])
def test_dciodvfy_finds_no_error(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    assert dciodvfy_errors(write(phantom, labels_on(phantom), tmp_path / "rt.dcm")) == []


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(("modality", "label"), [("CT", "ct_label"), ("MR_T1", "t1_label")])
def test_sarcoma_contours_give_the_published_mask(modality: str, label: str) -> None:
    folder = DATA / "dicom" / "rtstruct_sarcoma" / "STS_002" / modality
    (series,) = find_series(folder / "image")
    found = read_rtstruct(folder / "mask" / "RS.dcm", source=series).label_map()
    image = nib.load(DATA / "SoftTissueSarcoma" / "STS_002" / f"{label}.nii.gz")
    known, grid = to_working_frame(np.asarray(image.dataobj), Grid(image.shape, image.affine))
    np.testing.assert_allclose(found.affine, grid.affine, atol=1e-3)
    np.testing.assert_array_equal(found[0], known)


@pytest.mark.data
@needs_data
def test_rt_utils_files_are_read_or_refused_by_name() -> None:
    folder = DATA / "dicom" / "rt_utils_tests" / "mock_data"
    (series,) = [found for found in find_series(folder) if found.is_image]
    found = read_rtstruct(folder / "rt.dcm", source=series)
    assert [segment.name for segment in found.segments] == ["ROI-1"]
    for name in ("invalid_reference_rt.dcm", "non_existent_reference_rt.dcm"):
        with pytest.raises(InputError, match=name):
            read_rtstruct(folder / name, source=series)
