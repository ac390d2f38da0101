"""The components that a bundle's config names."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from synthetic_dicom import write_series

from monai_unet.errors import InputError, input_error_behind
from monai_unet.io import LabelEntry, LoadVolumed, SaveLabelMapd, label_color, read_label_table


def test_a_mask_of_a_dicom_folder_is_the_mask_of_its_nifti(tmp_path: Path) -> None:
    voxels = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    positions = [(3.0, -4.0 + 0.2 * k, 2.5 * k) for k in range(5)]
    write_series(tmp_path / "case", voxels, positions, PixelSpacing=(0.5, 0.75))
    affine = np.array([[-0.75, 0, 0, -3], [0, -0.5, -0.2, 4], [0, 0, 2.5, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(voxels.T, affine), tmp_path / "case.nii.gz")
    masks = []
    for source in (tmp_path / "case", tmp_path / "case.nii.gz"):
        item = LoadVolumed("image")({"image": str(source)})
        item["pred"] = (item["image"] > 100).to(torch.uint8)
        folder = tmp_path / f"from_{source.name}"
        SaveLabelMapd("pred", output_dir=str(folder), names={"1": "tumour"})(item)
        masks.append(nib.load(folder / "case.nii.gz"))
        assert read_label_table(folder / "case.nii.gz") == {1: LabelEntry("tumour", label_color(1))}
    np.testing.assert_array_equal(*(np.asanyarray(mask.dataobj) for mask in masks))
    np.testing.assert_array_equal(np.asanyarray(masks[0].dataobj), voxels.T > 100)
    np.testing.assert_allclose(masks[0].affine, masks[1].affine, atol=1e-5)


def test_a_refused_series_is_an_error_and_never_another_readers_guess(tmp_path: Path) -> None:
    write_series(tmp_path, np.zeros((4, 5, 6), np.int16), [(0, 0, z) for z in (0, 1, 3, 4)])
    with pytest.raises(Exception, match="missing") as caught:
        LoadVolumed("image")({"image": str(tmp_path)})
    assert input_error_behind(caught.value) is not None
    filled = LoadVolumed("image", reader_options={"uneven": "resample"})({"image": str(tmp_path)})["image"]
    assert filled.shape == (1, 5, 5, 6)


def test_a_mask_replaces_neither_its_image_nor_a_file_of_another_run(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)), tmp_path / "case.nii.gz")
    item = LoadVolumed("image")({"image": str(tmp_path / "case.nii.gz")})
    before = (tmp_path / "case.nii.gz").read_bytes()
    with pytest.raises(InputError, match="is an input"):
        SaveLabelMapd("image", output_dir=str(tmp_path))(item)
    assert (tmp_path / "case.nii.gz").read_bytes() == before
    save = SaveLabelMapd("image", output_dir=str(tmp_path / "out"))
    for _ in range(2):  # a sampler of a distributed run may give a case twice
        save(item)
    with pytest.raises(InputError, match="there already"):
        SaveLabelMapd("image", output_dir=str(tmp_path / "out"))(item)
