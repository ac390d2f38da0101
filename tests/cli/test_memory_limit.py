"""`--memory-limit`: every command that reads volumes refuses one that takes more, and reads one that does not."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from synthetic_dicom import write_series

from monai_unet.cli import main

SHAPE = (40, 36, 32)
TOO_LITTLE, ENOUGH = "0.0001", "2"
"""GiB: less than the 46,080 voxels take, and far more."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a volume, its label map, an answer and the same volume as a DICOM series."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 1000, SHAPE).astype(np.int16)
    label = np.zeros(SHAPE, np.uint8)
    label[8:20, 8:20, 8:20] = 1
    for name, array in (("images", voxels), ("references", label), ("predictions", np.roll(label, 1, 0))):
        (tmp_path / name).mkdir()
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / name / "a.nii.gz")
    write_series(tmp_path / "series", voxels.T, [(0, 0, float(k)) for k in range(SHAPE[2])])
    return tmp_path


ON_CPU = ("-o", "out", "--bundle", "hippocampus_mri", "--device", "cpu")
COMMANDS = {
    "segment": ["segment", "images/a.nii.gz", *ON_CPU],
    "segment DICOM": ["segment", "series", *ON_CPU],
    "convert": ["convert", "images/a.nii.gz", "out/a.nrrd"],
    "convert DICOM": ["convert", "series", "out/a.nii.gz"],
    "evaluate": [
        *("evaluate", "--predictions", "predictions", "--references", "references", "--labels", "1=box"),
        *("--output", "out", "--workers", "2"),
    ],
    "interact": [
        *("interact", "--image", "images/a.nii.gz", "--reference", "references/a.nii.gz", "--clicks", "1"),
        *("--method", "classical"),
    ],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_volume_beyond_the_limit_is_refused_and_one_within_is_read(
    data: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(data)
    monkeypatch.delenv("MONAI_UNET_MAX_GIB", raising=False)
    assert main([*COMMANDS[name], "--memory-limit", TOO_LITTLE]) != 0
    said = capsys.readouterr().err
    assert "GiB of memory to read" in said
    assert "--memory-limit" in said
    assert "Traceback" not in said
    assert not [path for path in (data / "out").glob("*") if path.name.startswith("a.")]
    again = ["--resume"] if name == "evaluate" else []
    assert main([*COMMANDS[name], *again, "--memory-limit", ENOUGH]) == 0
    assert "MONAI_UNET_MAX_GIB" not in os.environ


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_one_sentence(
    data: Path, limit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(data)
    assert main([*COMMANDS["convert"], f"--memory-limit={limit}"]) == 1
    assert "--memory-limit takes a number of GiB above 0" in capsys.readouterr().err
    assert not (data / "out").exists()


def test_the_option_counts_before_the_variable(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    monkeypatch.setenv("MONAI_UNET_MAX_GIB", ENOUGH)
    assert main([*COMMANDS["convert"], "--memory-limit", TOO_LITTLE]) == 1
    assert os.environ["MONAI_UNET_MAX_GIB"] == ENOUGH
    assert main(COMMANDS["convert"]) == 0
