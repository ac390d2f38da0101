"""One regular stack is one volume whatever its headers say beside it, and nothing of a chosen series is lost unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, SEGMENTS, labels_on
from dicom_phantom import write_phantom
from pydicom.uid import generate_uid
from synthetic_dicom import write_series

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io import find_series, read_series
from monai_unet.io.dicom import read_rtstruct, read_seg, write_rtstruct, write_seg

COUNT = 12
POSITIONS = [(0.0, 0.0, 2.0 * k) for k in range(COUNT)]
VOXELS = np.random.default_rng(0).integers(0, 1000, (COUNT, 32, 24)).astype(np.int16)
UIDS = [generate_uid() for _ in range(COUNT)]
TURN = (float(np.cos(0.003)), float(np.sin(0.003)), 0.0, -float(np.sin(0.003)), float(np.cos(0.003)), 0.0)


def only(place: int, **elements: Any) -> list[dict[str, Any]]:
    return [elements if k == place else {} for k in range(COUNT)]


EVERY_SECOND_EMPTY = [{"FrameOfReferenceUID": ""} if k % 2 else {} for k in range(COUNT)]
EVERY_SECOND_WIDER = [{"PixelSpacing": (0.8001, 0.8001) if k % 2 else (0.8, 0.8)} for k in range(COUNT)]


@pytest.mark.parametrize(
    ("per_slice", "note"),
    [
        ([{"FrameOfReferenceUID": uid} for uid in UIDS], "12 frames of reference"),
        (EVERY_SECOND_EMPTY, "1 frames of reference and none in some"),
        (EVERY_SECOND_WIDER, "pixel spacing differs by up to 0.0001 mm"),
        (only(11, FrameOfReferenceUID=UIDS[0]), "2 frames of reference"),
        (only(0, FrameOfReferenceUID=UIDS[0]), "2 frames of reference"),
        (only(11, PixelSpacing=(1.0002, 1.0002)), "pixel spacing differs by up to 0.0002 mm"),
        (only(0, PixelSpacing=(1.0002, 1.0002)), "pixel spacing differs by up to 0.0002 mm"),
        (only(11, ImageOrientationPatient=TURN), "direction of slices differs by up to 0.003"),
        (only(0, ImageOrientationPatient=TURN), "direction of slices differs by up to 0.003"),
    ],
)
def test_regular_stack_is_one_volume_with_a_note(tmp_path: Path, per_slice: list[dict[str, Any]], note: str) -> None:
    write_series(tmp_path / "odd", VOXELS, POSITIONS, per_slice=per_slice)
    spacing = {"PixelSpacing": (0.8, 0.8)} if per_slice is EVERY_SECOND_WIDER else {}
    write_series(tmp_path / "plain", VOXELS, POSITIONS, **spacing)
    found, plain = read_series(tmp_path / "odd"), read_series(tmp_path / "plain")
    np.testing.assert_array_equal(found.numpy(), plain.numpy())
    np.testing.assert_allclose(found.affine, plain.affine, atol=1e-4)
    assert note in str(found.meta["notes"])


def test_acquisition_numbers_divide_nothing(tmp_path: Path) -> None:
    write_series(tmp_path, VOXELS, POSITIONS, per_slice=[{"AcquisitionNumber": k // 5} for k in range(COUNT)])
    assert read_series(tmp_path).shape[1] == COUNT


def test_frame_of_reference_of_most_slices_is_that_of_the_volume(tmp_path: Path) -> None:
    write_series(tmp_path, VOXELS, POSITIONS, per_slice=only(0, FrameOfReferenceUID=UIDS[0]))
    (series,) = find_series(tmp_path)
    assert series.frame_of_reference_uid == series.uid[:60] + ".2"


def test_missing_slice_is_refused_whatever_the_frames_of_reference(tmp_path: Path) -> None:
    kept = [k for k in range(COUNT) if k != 5]
    for name, uids in (("each", UIDS), ("second", [UIDS[k % 2] for k in range(COUNT)])):
        per_slice = [{"FrameOfReferenceUID": uids[k]} for k in kept]
        write_series(tmp_path / name, VOXELS[kept], [POSITIONS[k] for k in kept], per_slice=per_slice)
        with pytest.raises(InputError, match="1 slice is missing"):
            read_series(tmp_path / name)


def test_two_scans_of_two_frames_of_reference_stay_two(tmp_path: Path) -> None:
    uid = generate_uid()
    for n in range(2):
        positions = [(0.0, 0.0, 2.0 * k + 0.7 * n) for k in range(COUNT)]
        names = [f"{n}_{k}.dcm" for k in range(COUNT)]
        write_series(tmp_path, VOXELS, positions, series_uid=uid, names=names, FrameOfReferenceUID=UIDS[n])
    found = find_series(tmp_path)
    assert [series.frames for series in found] == [COUNT, COUNT]
    assert all("divided by frame of reference" in series.notes[0] for series in found)
    with pytest.raises(InputError, match="several volumes; name one with --series"):
        read_series(tmp_path)


def test_image_of_the_series_that_is_left_out_is_named(tmp_path: Path) -> None:
    uid = generate_uid()
    write_series(tmp_path, VOXELS, POSITIONS, series_uid=uid)
    scout = np.zeros((1, 50, 60), np.int16)
    write_series(tmp_path, scout, [(0, 0, 0)], series_uid=uid, names=["scout.dcm"])
    volume = read_series(tmp_path)
    assert volume.shape[1] == COUNT
    assert "1 images of the series were left out, they are another volume" in str(volume.meta["notes"])


@pytest.mark.parametrize("elements", [{"PatientID": "OTHER"}, {"PatientName": "Roe^Richard"}])
def test_two_patients_under_one_uid_are_two(tmp_path: Path, elements: dict[str, str]) -> None:
    uid = generate_uid()
    write_series(tmp_path, VOXELS, POSITIONS, series_uid=uid)
    further = [(0.0, 0.0, 2.0 * (k + COUNT)) for k in range(COUNT)]
    names = [f"second{k}.dcm" for k in range(COUNT)]
    write_series(tmp_path, VOXELS, further, series_uid=uid, names=names, **elements)
    found = find_series(tmp_path)
    assert [series.frames for series in found] == [COUNT, COUNT]
    assert len({series.id for series in found}) == 2
    assert all("images of 2 patients" in series.notes[-1] for series in found)
    listed = repr(found)
    assert not any(secret in listed for secret in ("OTHER", "Roe", "Richard", "SECRET", "Doe"))
    with pytest.raises(InputError, match="several volumes"):
        read_series(tmp_path)
    assert read_series(tmp_path, series=found[1].id).shape[1] == COUNT


def test_patient_who_is_not_named_in_some_slices_is_one(tmp_path: Path) -> None:
    per_slice = [{"PatientID": "" if k % 2 else "SECRET-4711", "PatientName": "Doe^Jane^" if k % 3 else "DOE^JANE"}
                 for k in range(COUNT)]  # fmt: skip
    write_series(tmp_path, VOXELS, POSITIONS, per_slice=per_slice)
    assert read_series(tmp_path).shape[1] == COUNT


def test_every_second_slice_gone_is_said(tmp_path: Path) -> None:
    whole = [{"InstanceNumber": k + 1} for k in range(COUNT)]
    write_series(tmp_path / "whole", VOXELS, POSITIONS, per_slice=whole)
    assert read_series(tmp_path / "whole").meta["notes"] == ()
    write_series(tmp_path / "half", VOXELS[::2], POSITIONS[::2], per_slice=whole[::2])
    (note,) = read_series(tmp_path / "half").meta["notes"]
    assert note == "images may be missing: instance numbers run in steps of 2, slices lie 4.00 mm apart"
    write_series(tmp_path / "stated", VOXELS[::2], POSITIONS[::2], per_slice=whole[::2], SpacingBetweenSlices=4)
    assert read_series(tmp_path / "stated").meta["notes"] == ()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_results_on_a_series_of_many_frames_of_reference_come_back(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    for file in phantom.folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.FrameOfReferenceUID = generate_uid()
        dataset.save_as(file)
    (series,) = find_series(tmp_path / "ct")
    labels = labels_on(phantom)
    working, _ = to_working_frame(labels, phantom.grid)
    for write, read, name in ((write_seg, read_seg, "seg.dcm"), (write_rtstruct, read_rtstruct, "rt.dcm")):
        path = write(working, tmp_path / name, source=series, segments=SEGMENTS, algorithm=ALGORITHM)
        np.testing.assert_array_equal(read(path, source=series).label_map()[0], working)
