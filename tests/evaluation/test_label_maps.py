"""What counts as a label map, and what is refused, by name."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_unet.errors import InputError
from monai_unet.evaluation import read_label_map, require_same_grid
from monai_unet.geometry import Grid

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.float32, np.float64, np.int32])
def test_whole_numbers_of_any_type_are_labels(tmp_path: Path, dtype: str) -> None:
    array = np.zeros((4, 5, 6), dtype)
    array[1, 2, 3] = 200
    labels, grid, _ = read_label_map(save(tmp_path / "a.nii.gz", array))
    assert labels.dtype == np.uint8
    assert labels.shape == grid.shape == (6, 5, 4)  # (S, A, R)
    assert labels[3, 2, 1] == 200
    assert labels.sum() == 200
    assert grid.spacing == (3.0, 2.0, 1.0)


def test_labels_above_255_keep_their_value(tmp_path: Path) -> None:
    array = np.zeros((3, 3, 3), np.int32)
    array[0, 0, 0] = 1024
    assert read_label_map(save(tmp_path / "a.nii", array))[0].max() == 1024


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "fractions"),
        (-3, "negative label -3"),
        (np.nan, "NaN or infinite"),
        (np.inf, "NaN"),
        (70000, "up to 65535"),
    ],
)
def test_what_is_no_label_is_refused_with_the_files_name(tmp_path: Path, value: float, message: str) -> None:
    array = np.zeros((3, 4, 5), np.float32)
    array[1, 1, 1] = value
    with pytest.raises(InputError, match=message) as error:
        read_label_map(save(tmp_path / "bad.nii.gz", array))
    assert "bad.nii.gz" in str(error.value)


def test_missing_damaged_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_label_map(tmp_path / "no.nii.gz")
    whole = save(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 9, (20, 20, 20)).astype(np.uint8))
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut\.nii\.gz"):
        read_label_map(tmp_path / "cut.nii.gz")
    with pytest.raises(InputError, match="is a folder"):
        read_label_map(tmp_path)


def test_grids_must_match_voxel_on_voxel() -> None:
    shifted, rounded = AFFINE.copy(), AFFINE.copy()
    shifted[0, 3] = 0.5
    rounded[0, 3] = 1e-5
    require_same_grid(Grid((4, 5, 6), AFFINE), Grid((4, 5, 6), rounded))
    with pytest.raises(InputError, match=r"0\.5 mm apart"):
        require_same_grid(Grid((4, 5, 6), shifted), Grid((4, 5, 6), AFFINE))
    with pytest.raises(InputError, match="4×5×7 voxels"):
        require_same_grid(Grid((4, 5, 7), AFFINE), Grid((4, 5, 6), AFFINE))
