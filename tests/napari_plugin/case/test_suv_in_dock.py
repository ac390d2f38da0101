"""SUV of a PET series from its files to the table: by hand, and the reason where there is none."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

from monai_unet.interaction.session.objects import SegmentObject
from napari_plugin.case.exporting import EditedCase, save_csv, save_sr
from napari_plugin.case.opening import OpenImage, best_of, list_images, open_image

ACTIVITY = 10_000.0
"""Bq/ml in the hot voxels: 4 SUV at 4e-4 g/Bq."""


def write_pet(folder: Path, *, weight: str | None = "70", units: str = "BQML") -> Path:
    """Ten slices of 20 × 20 voxels of 4 mm, 350 MBq a half-life before the scan: hot in a box of 4 × 7 × 7."""
    folder.mkdir()
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = "350000000", "6600"
    drug.RadiopharmaceuticalStartTime = "080000"
    for number in range(10):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
            PositronEmissionTomographyImageStorage,
            generate_uid(),
        )
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made = FileDataset(folder / f"{number}.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
        made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = study, series, frame
        made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "P", "1", "", ""
        made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyID = "20240131", "090000", "", ""
        made.ReferringPhysicianName, made.SeriesNumber, made.InstanceNumber = "", 1, number + 1
        made.Modality, made.SeriesDescription, made.Units, made.DecayCorrection = "PT", "PET", units, "START"
        made.CorrectedImage = ["ATTN", "DECY"]
        made.SeriesDate = made.AcquisitionDate = "20240131"
        made.SeriesTime = made.AcquisitionTime = "095000"
        made.PatientWeight = weight
        made.RadiopharmaceuticalInformationSequence = [drug]
        made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, 4 * number], [1, 0, 0, 0, 1, 0]
        made.PixelSpacing, made.SliceThickness = [4, 4], 4
        made.Rows = made.Columns = 20
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
        made.RescaleSlope, made.RescaleIntercept = "2", "0"
        pixels = np.zeros((20, 20), np.uint16)
        if 3 <= number < 7:
            pixels[5:12, 5:12] = int(ACTIVITY / 2)
        made.PixelData = pixels.tobytes()
        made.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def case_of(image: OpenImage) -> EditedCase:
    labels = (image.array > 1).astype(np.uint16)
    return EditedCase(image, labels, (SegmentObject(1, "lesion 1", "tumour"),), {})


def row_of(case: EditedCase, path: Path) -> dict[str, str]:
    save_csv(case, path)
    with path.open() as file:
        return next(csv.DictReader(file))


def test_suv_by_hand_in_table_and_report(tmp_path: Path) -> None:
    from monai_unet.io.dicom.sr import read_sr

    image = open_image(best_of(list_images(write_pet(tmp_path / "pet"))))
    # 70,000 g / 175e6 Bq
    assert image.suv == pytest.approx(4e-4)
    assert (image.unit, image.no_suv) == ("Bq/ml", "")
    row = row_of(case_of(image), tmp_path / "pet.csv")
    assert float(row["mean_intensity"]) == pytest.approx(ACTIVITY)
    assert row["intensity_unit"] == "Bq/ml"
    for name in ("suvbw_mean", "suvbw_max", "suvbw_peak"):
        assert float(row[name]) == pytest.approx(4.0, rel=1e-5)
    # 4 × 7 × 7 voxels of 64 mm³
    assert float(row["volume_ml"]) == pytest.approx(12.544)
    assert float(row["suvbw_mean_times_ml"]) == pytest.approx(4 * 12.544, rel=1e-4)
    save_sr(case_of(image), tmp_path / "report.dcm")
    (lesion,) = read_sr(tmp_path / "report.dcm").lesions
    assert (lesion.suv_mean, lesion.suv_max, lesion.suv_peak) == pytest.approx((4, 4, 4), rel=1e-4)
    assert lesion.mean == pytest.approx(ACTIVITY)
    assert lesion.unit == "Bq/ml"


def test_without_weight_there_is_a_sentence_and_no_number(tmp_path: Path) -> None:
    image = open_image(best_of(list_images(write_pet(tmp_path / "pet", weight=None))))
    assert image.suv is None
    assert "weight" in image.no_suv
    row = row_of(case_of(image), tmp_path / "pet.csv")
    assert [row[name] for name in ("suvbw_mean", "suvbw_max", "suvbw_peak", "intensity_unit")] == [""] * 4


def test_values_that_are_suv_already_are_not_multiplied(tmp_path: Path) -> None:
    image = open_image(best_of(list_images(write_pet(tmp_path / "pet", units="GML"))))
    assert (image.suv, image.unit) == (1.0, "g/ml")
    row = row_of(case_of(image), tmp_path / "pet.csv")
    assert float(row["suvbw_mean"]) == pytest.approx(ACTIVITY)
