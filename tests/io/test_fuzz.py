"""Damaged files end in a clear error or a volume: never in a crash, a hang, or 2 GB of memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from synthetic_dicom import write_series

WORKER = Path(__file__).with_name("fuzz_worker.py")
REAL = (
    "dicom/brain_tumour_mr/13_HCropVolume/*",
    "dicom/dcm_qa_ts/In/*",
    "dicom/dcm_qa_enh/In/*/*",
    "dicom/dcm_qa_enh/In/*/*/*",
    "dicom/dicom2nifti/generic/compressed*/001/*",
    "dicom/dicom2nifti/siemens_multiframe/anatomical/001/*",
    "dicom/dcmqi_data/segmentations/*/multiframe/*",
    "dicom/rtstruct_sarcoma/STS_002/CT/image/*",
    "Task04_Hippocampus/imagesTr/hippocampus_00*",
    "CT/example_ct_sm.nii.gz",
    "dicom/dcmqi_data/segmentations/*.nrrd",
)


@pytest.fixture(scope="module")
def made_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One file of each format and, for DICOM, of each kind of compression that can be written here."""
    folder = tmp_path_factory.mktemp("whole")
    voxels = np.random.default_rng(0).integers(0, 1000, (1, 64, 64)).astype(np.uint16)
    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless):
        (dataset,) = write_series(folder / "plain", voxels, [(0, 0, 0)])
        if syntax != ExplicitVRLittleEndian:
            dataset.compress(syntax)
        dataset.save_as(folder / f"{syntax.split('.')[-1]}.dcm", enforce_file_format=True)
    volume = np.repeat(voxels, 4, axis=0).astype(np.int16)
    for name in ("a.nii", "a.nii.gz"):
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / name)
    for name in ("a.nrrd", "a.mha"):
        sitk.WriteImage(sitk.GetImageFromArray(volume), str(folder / name))
    return [file for file in folder.iterdir() if file.is_file()]


def run_worker(seed: int, count: int, folder: Path, files: list[Path]) -> str:
    command = [sys.executable, str(WORKER), str(seed), str(count), str(folder), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout


def real_files() -> list[Path]:
    root = Path(os.environ["MONAI_UNET_DATA"])
    return sorted(file for pattern in REAL for file in root.glob(pattern) if file.is_file())


def test_damaged_files_end_in_a_volume_or_a_clear_error(made_files: list[Path], tmp_path: Path) -> None:
    read, refused, _ = map(int, run_worker(1, 150, tmp_path, made_files).split())
    assert read + refused == 150
    assert read > 10, "some damage hits only pixels and must not be refused"
    assert refused > 10


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA names no folder of real data")
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_damaged_real_files_end_in_a_volume_or_a_clear_error(seed: int, tmp_path: Path) -> None:
    read, refused, _ = map(int, run_worker(100 + seed, 500, tmp_path, real_files()).split())
    assert read + refused == 500
