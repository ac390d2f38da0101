"""What is a case: the same answer for every command, and nothing passed over in silence."""

from __future__ import annotations

import logging
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import generate_uid
from synthetic_dicom import write_series

from monai_unet.batch import find_jobs
from monai_unet.errors import InputError
from monai_unet.io import find_cases, read_volume
from monai_unet.io.datasets import inventory
from monai_unet.io.volume import case_name

COUNT = 12
VOXELS = np.random.default_rng(0).integers(0, 1000, (COUNT, 8, 9)).astype(np.int16)


def scattered(folder: Path, folder_of: list[str], uid: str | None = None, **elements: str) -> None:
    """One series, slice k in the sub-folder `folder_of[k]`."""
    uid = uid or generate_uid()
    for k, name in enumerate(folder_of):
        own = {"series_uid": uid, "names": [f"{uid[-6:]}_{k:03}.dcm"], "InstanceNumber": k, **elements}
        write_series(folder / name, VOXELS[k : k + 1], [(0, 0, 2.0 * k)], **own)


@pytest.mark.parametrize(
    "folder_of",
    [
        [f"{k // 6:08}" for k in range(COUNT)],
        [f"{k % 2:08}" for k in range(COUNT)],
        ["a/b" if k % 3 else "c" for k in range(COUNT)],
    ],
    ids=["first and second half", "alternating", "at different depths"],
)
def test_series_in_several_folders_is_one_case(tmp_path: Path, folder_of: list[str]) -> None:
    scattered(tmp_path / "disc" / "DICOM", folder_of)
    (case,) = find_cases(tmp_path / "disc")
    assert case == {"image": str(tmp_path / "disc" / "DICOM"), "name": "DICOM"}
    assert read_volume(case["image"]).shape[1] == COUNT
    (entry,) = inventory(tmp_path / "disc")
    assert entry.images == COUNT


def test_two_series_in_crossing_folders_are_told_apart(tmp_path: Path) -> None:
    scattered(tmp_path, ["x/1"] * 6 + ["y/1"] * 6)
    scattered(tmp_path, ["x/2"] * 6 + ["y/2"] * 6)
    cases = find_cases(tmp_path)
    assert len({case["name"] for case in cases}) == 2
    assert len({case["series"] for case in cases}) == 2
    for case in cases:
        assert read_volume(case["image"], series=case["series"]).shape[1] == COUNT
    jobs = find_jobs([tmp_path], tmp_path / "out")
    assert {job.series for job in jobs} == {case["series"] for case in cases}


def test_folders_of_different_series_and_of_different_patients_are_different_cases(tmp_path: Path) -> None:
    uid = generate_uid()
    scattered(tmp_path, ["one"] * COUNT, uid)
    scattered(tmp_path, ["two"] * COUNT, uid, PatientID="OTHER", PatientName="Roe^Richard")
    scattered(tmp_path, ["three"] * COUNT)
    assert [case["name"] for case in find_cases(tmp_path)] == ["one", "three", "two"]
    assert not any("series" in case for case in find_cases(tmp_path))


@pytest.mark.parametrize("modality", ["RTSTRUCT", "SEG", "SR", "RTDOSE"])
def test_result_before_the_images_does_not_hide_them(tmp_path: Path, modality: str) -> None:
    scattered(tmp_path / "case", ["."] * COUNT)
    write_series(tmp_path / "case", VOXELS[:1], [(0, 0, 0)], names=["000_first.dcm"], Modality=modality)
    for path in (tmp_path, tmp_path / "case"):
        (case,) = find_cases(path)
        assert case == {"image": str(tmp_path / "case"), "name": "case"}
    assert read_volume(case["image"]).shape[1] == COUNT


def test_folder_that_is_passed_over_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scattered(tmp_path / "case", ["."] * COUNT)
    write_series(tmp_path / "structures", VOXELS[:1], [(0, 0, 0)], Modality="RTSTRUCT")
    (tmp_path / "nifti").mkdir()
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), tmp_path / "nifti" / "a.nii")
    with caplog.at_level(logging.WARNING):
        assert [case["name"] for case in find_cases(tmp_path)] == ["case"]
    assert "structures was passed over: it holds RTSTRUCT and no image" in caplog.text
    assert "nifti was passed over: its 1 volume files do not lie in" in caplog.text
    shutil.rmtree(tmp_path / "case")
    with pytest.raises(InputError, match=r"holds no volume.*structures was passed over"):
        find_cases(tmp_path)


def test_several_series_of_one_input_are_chosen_by_the_option_the_command_has(tmp_path: Path) -> None:
    uids = [generate_uid() for _ in range(2)]
    for uid in uids:
        scattered(tmp_path / "study", ["."] * COUNT, uid)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in (tmp_path / "study").iterdir():
            archive.write(file, file.name)
    for path in (tmp_path / "study", tmp_path / "study.zip"):
        with pytest.raises(InputError, match="name one with --series"):
            read_volume(path)
        (job,) = find_jobs([path], tmp_path / "out", series=uids[1])
        assert (job.target.name, job.series) == ("study.nii.gz", uids[1])
        assert read_volume(job.files[0], series=job.series).shape[1] == COUNT
    with pytest.raises(InputError, match="give one input"):
        find_jobs([tmp_path / "study", tmp_path / "study.zip"], tmp_path / "out", series=uids[1])


def test_directory_of_a_disc_is_no_image(tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    scattered(tmp_path / "files", ["."] * 2, StudyID="1")
    fileset = FileSet()
    for file in (tmp_path / "files").iterdir():
        dataset = __import__("pydicom").dcmread(file)
        dataset.SeriesNumber, dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = 1, "20200101", "1200", "1"
        fileset.add(dataset)
    fileset.write(tmp_path / "all" / "disc")
    (case,) = find_cases(tmp_path / "all")
    assert read_volume(case["image"]).shape[1] == 2


@pytest.mark.parametrize(
    ("path", "name"), [("a/one.zip", "one"), ("b/IM1.dcm", "IM1"), ("c/x.nii.gz", "x"), ("d/y.z", "y.z")]
)
def test_names_end_before_the_suffix(path: str, name: str) -> None:
    assert case_name(path) == name
