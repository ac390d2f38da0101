from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, DATA, GEOMETRIES, dciodvfy_errors, needs_data, needs_dciodvfy
from dicom_phantom import Phantom, write_phantom
from pydicom.sr.codedict import codes

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom.seg import write_seg
from monai_unet.io.dicom.sr import read_sr, write_sr
from monai_unet.io.results import LesionMeasurements, Segment

SEGMENTS = [
    Segment(1, "Tumour 1", tracking_id="Tumour 1", tracking_uid="2.25.101"),
    Segment(2, "left kidney", tracking_id="Kidney", tracking_uid="2.25.102"),
]
LESIONS = [
    LesionMeasurements(1, "Tumour 1", 12.3456, 31.25, 17.5, 41.7, 12.25, "[hnsf'U]"),
    LesionMeasurements(2, "left kidney", 0.75),
]


def write(phantom: Phantom, folder: Path, lesions: list[LesionMeasurements] | None = None) -> Path:
    """SEG and SR of two cuboids."""
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[2:8, 3:9, 1:4] = 1
    labels[10:14, 3:9, 2:6] = 2
    working, _ = to_working_frame(labels, phantom.grid)
    write_seg(working, folder / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    return write_sr(
        LESIONS if lesions is None else lesions,
        folder / "sr.dcm",
        source=phantom,
        segmentation=folder / "seg.dcm",
        algorithm=ALGORITHM,
    )


def test_measurements_come_back(tmp_path: Path) -> None:
    report = read_sr(write(write_phantom(tmp_path / "ct"), tmp_path))
    tumour, kidney = report.lesions
    assert (tumour.volume_ml, tumour.long_axis_mm, tumour.short_axis_mm) == (12.3456, 31.25, 17.5)
    assert (tumour.mean, tumour.sd, tumour.unit) == (41.7, 12.25, "[hnsf'U]")
    assert (tumour.segment, kidney.segment) == (1, 2)
    assert (kidney.volume_ml, kidney.long_axis_mm, kidney.mean) == (0.75, None, None)
    assert tumour.finding == codes.SCT.Neoplasm


def test_highdicom_finds_the_measurements_by_their_codes(tmp_path: Path) -> None:
    report = hd.sr.srread(write(write_phantom(tmp_path / "ct"), tmp_path)).content
    (group,) = report.get_volumetric_roi_measurement_groups(tracking_uid="2.25.101")
    assert group.finding_type == codes.SCT.Neoplasm
    (volume,) = group.get_measurements(name=codes.SCT.Volume)
    assert (volume.value, volume.unit.value) == (12.3456, "ml")
    (long_axis,) = group.get_measurements(name=codes.SCT.LongAxis)
    assert (long_axis.value, long_axis.unit.value) == (31.25, "mm")
    mean, sd = group.get_measurements(name=codes.DCM.AttenuationCoefficient)
    assert (mean.derivation, mean.value, sd.derivation, sd.value) == (
        codes.SCT.Mean,
        41.7,
        codes.SCT.StandardDeviation,
        12.25,
    )


def test_lesions_are_tracked_by_the_identifiers_of_their_segments(tmp_path: Path) -> None:
    path = write(write_phantom(tmp_path / "ct"), tmp_path)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    by_number = {int(item.SegmentNumber): (item.TrackingID, item.TrackingUID) for item in seg.SegmentSequence}
    report = read_sr(path)
    assert [(m.tracking_id, m.tracking_uid) for m in report.lesions] == [by_number[1], by_number[2]]
    assert report.segmentation_uid == seg.SOPInstanceUID


@pytest.mark.parametrize("geometry", ["axial", "multi-frame"])
def test_report_refers_to_the_images_the_lesions_are_in(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    dataset = pydicom.dcmread(write(phantom, tmp_path))
    images = {header.SOPInstanceUID for header in phantom.headers()}
    report = read_sr(tmp_path / "sr.dcm")
    assert report.image_uids <= images
    assert len(report.image_uids) == (5 if geometry == "axial" else 1)
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in dataset.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    seg_uid = pydicom.dcmread(tmp_path / "seg.dcm").SOPInstanceUID
    assert evidence == images | {seg_uid}


def test_file_says_who_made_it_and_whose_it_is(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    dataset, image = pydicom.dcmread(write(phantom, tmp_path)), phantom.headers()[0]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"):
        assert dataset[keyword].value == image[keyword].value, keyword
    assert "research use only" in dataset.SeriesDescription
    (made_by,) = [item for item in dataset.ContributingEquipmentSequence if item.Manufacturer == "monai-unet"]
    assert "ab" * 32 in made_by.ContributionDescription
    text = dataset.to_json()
    assert "phantom_unet" in text
    assert "ab" * 32 in text
    assert "For research use" in text


def test_report_without_lesion_or_without_its_segment_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    with pytest.raises(InputError, match="no lesion to report"):
        write(phantom, tmp_path, [])
    with pytest.raises(InputError, match="no segment for Tumour 9"):
        write(phantom, tmp_path, [LesionMeasurements(9, "Tumour 9", 1.0)])


def test_segmentation_of_another_series_is_refused(tmp_path: Path) -> None:
    phantom, other = write_phantom(tmp_path / "ct"), write_phantom(tmp_path / "other", seed=4)
    write(phantom, tmp_path)
    with pytest.raises(InputError, match="was not made on the source series"):
        write_sr(LESIONS, tmp_path / "x.dcm", source=other, segmentation=tmp_path / "seg.dcm", algorithm=ALGORITHM)
    assert not (tmp_path / "x.dcm").exists()


@needs_dciodvfy
@pytest.mark.parametrize("geometry", ["axial", "oblique", "multi-frame"])
def test_dciodvfy_finds_no_error(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    assert dciodvfy_errors(write(phantom, tmp_path)) == []


@pytest.mark.data
@needs_data
def test_report_made_by_dcmqi_is_read() -> None:
    folder = DATA / "dicom" / "dcmqi_data" / "sr-example"
    report = read_sr(folder / "sr.dcm")
    assert report.segmentation_uid == pydicom.dcmread(folder / "seg.dcm").SOPInstanceUID
    voxel_ml = np.prod([3.537815, 3.537815, 3.375]) / 1000
    assert report.lesions[0].volume_ml == pytest.approx(795 * voxel_ml, rel=1e-4)
    assert (report.lesions[0].suv_mean, report.lesions[0].mean) == (6.01529, None)
