"""`monai-unet evaluate` on DICOM: a series, its SEG and its RTSTRUCT, with scores worked out by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_checks import ALGORITHM, DATA, needs_data
from dicom_phantom import Phantom, write_phantom

from monai_unet.cli import main
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io import read_volume, write_label_map
from monai_unet.io.dicom.rtstruct import write_rtstruct
from monai_unet.io.dicom.seg import write_seg
from monai_unet.io.results import Segment

SEGMENTS = [Segment(1, "Tumour"), Segment(2, "left kidney")]
NAME = "GTV_Mass_MR_T1"
SHAPE, SPACING = (40, 36, 12), (1.0, 1.0, 3.0)


def box(columns: slice, value: int) -> np.ndarray:
    """Labels (column, row, slice) with one box of 10 × 8 × 5 voxels where `columns` is ten wide."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[columns, 10:18, 3:8] = value
    return labels


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "cases.csv").open(encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


@pytest.fixture
def phantom(tmp_path: Path) -> Phantom:
    return write_phantom(tmp_path / "images" / "patient", shape=SHAPE, spacing=SPACING)


def _seg(phantom: Phantom, labels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    working, _ = to_working_frame(labels, phantom.grid)
    return write_seg(working, path, source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)


def _rtstruct(phantom: Phantom, labels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    working, _ = to_working_frame(labels, phantom.grid)
    return write_rtstruct(working, path, source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)


def _evaluate(tmp_path: Path, prediction: Path, reference: Path, *more: str) -> int:
    table = tmp_path / "pairs.csv"
    table.write_text(
        f"case,prediction,reference,image\npatient,{prediction},{reference},{tmp_path / 'images' / 'patient'}\n"
    )
    return main(["evaluate", "--pairs", str(table), "--output", str(tmp_path / "out"), "--workers", "1", *more])


def test_a_seg_against_an_rtstruct_on_the_grid_of_their_series(tmp_path: Path, phantom: Phantom) -> None:
    """The box moved by 2 of 10 columns: Dice 0.8; the second structure is drawn by both alike."""
    both = box(slice(25, 35), 2)
    prediction = _seg(phantom, box(slice(6, 16), 1) + both, tmp_path / "p" / "patient.dcm")
    reference = _rtstruct(phantom, box(slice(4, 14), 1) + both, tmp_path / "r" / "patient.dcm")
    assert _evaluate(tmp_path, prediction, reference) == 0
    found = rows(tmp_path / "out")
    assert float(found["Tumour"]["dice"]) == pytest.approx(0.8, abs=1e-6)
    assert float(found["left kidney"]["dice"]) == 1.0
    assert float(found["Tumour"]["reference_volume_ml"]) == pytest.approx(10 * 8 * 5 * 3 / 1000)


def test_a_nifti_prediction_against_the_seg_of_a_scanner_study(tmp_path: Path, phantom: Phantom) -> None:
    reference = _seg(phantom, box(slice(4, 14), 1), tmp_path / "r" / "patient.dcm")
    working, _ = to_working_frame(box(slice(9, 19), 1), phantom.grid)
    prediction = tmp_path / "patient.nii.gz"
    write_label_map(working, prediction, like=read_volume(phantom.folder).meta)
    assert _evaluate(tmp_path, prediction, reference, "--labels", "1=Tumour", "2=left kidney") == 0
    assert float(rows(tmp_path / "out")["Tumour"]["dice"]) == pytest.approx(0.5, abs=1e-6)


def test_two_folders_of_segs(tmp_path: Path, phantom: Phantom) -> None:
    _seg(phantom, box(slice(6, 16), 1), tmp_path / "p" / "patient.dcm")
    _seg(phantom, box(slice(4, 14), 1), tmp_path / "r" / "patient.dcm")
    arguments = ["--predictions", str(tmp_path / "p"), "--references", str(tmp_path / "r")]
    images = ["--images", str(tmp_path / "images"), "--output", str(tmp_path / "out"), "--workers", "1"]
    assert main(["evaluate", *arguments, *images]) == 0
    assert float(rows(tmp_path / "out")["Tumour"]["dice"]) == pytest.approx(0.8, abs=1e-6)


def test_contours_of_another_patient_are_refused_by_name(
    tmp_path: Path, phantom: Phantom, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_phantom(tmp_path / "elsewhere", shape=SHAPE, spacing=SPACING, seed=7)
    prediction = _seg(phantom, box(slice(6, 16), 1), tmp_path / "p" / "patient.dcm")
    reference = _rtstruct(other, box(slice(4, 14), 1), tmp_path / "r" / "patient.dcm")
    assert _evaluate(tmp_path, prediction, reference) == 1
    assert f"{reference}" in capsys.readouterr().err, "the file that could not be read must be named"


@pytest.mark.data
@needs_data
def test_a_real_rtstruct_has_the_volume_of_the_published_mask(tmp_path: Path) -> None:
    study = DATA / "dicom" / "rtstruct_sarcoma" / "STS_002" / "MR_T1"
    (contours,) = (study / "mask").glob("*.dcm")
    table = tmp_path / "pairs.csv"
    table.write_text(f"case,prediction,reference,image\nSTS_002,{contours},{contours},{study / 'image'}\n")
    labels = ["--labels", f"1={NAME}"]
    assert main(["evaluate", "--pairs", str(table), "--output", str(tmp_path / "out"), "--workers", "1", *labels]) == 0
    mask = nib.load(DATA / "SoftTissueSarcoma" / "STS_002" / "t1_label.nii.gz")
    ml = float(np.count_nonzero(mask.dataobj) * np.prod(mask.header.get_zooms()) / 1000)
    assert float(rows(tmp_path / "out")[NAME]["reference_volume_ml"]) == pytest.approx(ml, rel=0.01)
