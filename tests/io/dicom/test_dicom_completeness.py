"""A series that lacks its last slices is a regular stack: what the headers say of the rest is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_dicom import write_series

from monai_unet.cli import main
from monai_unet.io import notes_of, read_volume

COUNT = 8
VOXELS = np.random.default_rng(0).integers(0, 1000, (COUNT, 8, 9)).astype(np.int16)
POSITIONS = [(0, 0, 2.0 * k) for k in range(COUNT)]


def series(folder: Path, kept: range | list[int], **elements: Any) -> Path:
    write_series(folder, VOXELS, POSITIONS, **elements)
    for k in range(COUNT):
        if k not in kept:
            (folder / f"IM{k:04}.dcm").unlink()
    return folder


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"ImagesInAcquisition": COUNT, "AcquisitionNumber": 1}, "8 images of the acquisition, 5 are here"),
        ({"NumberOfSlices": COUNT}, "8 slices of the volume, 5 are here"),
        ({"NumberOfSeriesRelatedInstances": COUNT}, "8 images of the series, 5 are here"),
        ({"NumberOfTemporalPositions": 3}, "3 time points, one is here"),
    ],
)
def test_the_last_slices_are_missing(
    tmp_path: Path, elements: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = series(tmp_path / "ct", range(5), **elements)
    (note,) = notes_of(read_volume(folder).meta)
    assert words in note
    assert main(["convert", str(folder), str(tmp_path / "out.nii.gz")]) == 0
    assert words in capsys.readouterr().err
    if "NumberOfTemporalPositions" not in elements:
        assert not notes_of(read_volume(series(tmp_path / "whole", range(COUNT), **elements)).meta)


def test_the_first_slices_are_missing(tmp_path: Path) -> None:
    (note,) = notes_of(read_volume(series(tmp_path, range(3, COUNT))).meta)
    assert note == "images may be missing: instance numbers run from 4 to 8, without images 1 to 3"


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"ImagesInAcquisition": 3, "AcquisitionNumber": 1},
        {"NumberOfSlices": COUNT},
        {"per_slice": [{"InstanceNumber": 1001 + k} for k in range(COUNT)]},
        {"per_slice": [{"AcquisitionNumber": k // 4, "ImagesInAcquisition": 20} for k in range(COUNT)]},
    ],
    ids=["nothing stated", "fewer stated", "as many", "other counting", "two acquisitions"],
)
def test_a_whole_series_says_nothing(tmp_path: Path, elements: dict[str, Any]) -> None:
    assert not notes_of(read_volume(series(tmp_path, range(COUNT), **elements)).meta)
