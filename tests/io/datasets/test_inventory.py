"""What lies below a path, as cases and as a listing for people."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthetic_dicom import write_series

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.io import find_cases

AFFINE = np.diag([-1.0, -2.0, 3.0, 1.0])


def study(folder: Path) -> None:
    voxels, positions = np.zeros((4, 5, 6), np.int16), [(0.0, 0.0, 2.0 * k) for k in range(4)]
    write_series(folder, voxels, positions, SeriesDescription="T1 axial", SeriesDate="20200229")


def nifti(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), AFFINE)
    nib.save(image, path)


def test_volumes_and_dicom_folders_at_any_depth_are_cases_of_unique_names(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii.gz")
    nifti(tmp_path / ".hidden.nii.gz")
    study(tmp_path / "patient1" / "scan")
    study(tmp_path / "patient2" / "scan")
    write_series(tmp_path / "results", np.zeros((1, 2, 2), np.uint8), [(0, 0, 0)], Modality="SEG")
    (tmp_path / "notes.txt").write_text("no image")
    cases = find_cases(tmp_path)
    assert [case["name"] for case in cases] == ["a", "patient1_scan", "patient2_scan"]
    assert [Path(case["image"]).relative_to(tmp_path).as_posix() for case in cases] == [
        "a.nii.gz",
        "patient1/scan",
        "patient2/scan",
    ]


def test_one_file_and_one_series_are_one_case(tmp_path: Path) -> None:
    nifti(tmp_path / "sub-01_T1w.nii.gz")
    assert find_cases(tmp_path / "sub-01_T1w.nii.gz") == [
        {"image": str(tmp_path / "sub-01_T1w.nii.gz"), "name": "sub-01_T1w"}
    ]
    study(tmp_path / "ct")
    assert find_cases(tmp_path / "ct") == [{"image": str(tmp_path / "ct"), "name": "ct"}]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no volume"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_cases(tmp_path / "nowhere")


def test_info_lists_series_and_files_without_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path / "ct")
    nifti(tmp_path / "a.nii.gz")
    assert main(["info", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "T1 axial" in text
    assert "6×5×4" in text
    assert "LPS" in text
    assert "20200229" in text
    assert not any(secret in text for secret in ("Doe", "4711", "19500101"))
    assert main(["info", str(tmp_path), "--json"]) == 0
    text = capsys.readouterr().out
    assert not any(secret in text for secret in ("Doe", "4711", "19500101", "identity"))
    entries = {entry["format"]: entry for entry in json.loads(text)}
    assert entries["NIfTI"]["affine"] == AFFINE.tolist()
    assert entries["NIfTI"]["orientation"] == "LPS"
    assert entries["DICOM"]["spacing"] == [1.0, 1.0, 2.0]
    assert entries["DICOM"]["problems"] == []


def test_info_says_who_the_patient_is_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path / "ct")
    assert main(["info", str(tmp_path), "--json", "--identity"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["identity"]["PatientID"] == "SECRET-4711"


def test_info_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path, np.zeros((3, 4, 5), np.int16), [(0, 0, 0), (0, 0, 2), (0, 0, 7)])
    assert main(["info", str(tmp_path)]) == 0
    assert "cannot be read: no affine can place its slices" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "nowhere")]) == 1
