"""What brain_tumor_t1c shows its network, and what its shipped weights do on validation cases and on a 1 mm head."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigParser

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.errors import InputError
from monai_unet.io import dataset_cases, read_volume
from monai_unet.segmentation.segmenter import Segmenter

REAL = pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA is not set")
PLANES = {"axial": np.diag([-1.0, -1.0, 7.0, 1.0]), "coronal": np.eye(4), "sagittal": np.eye(4)}
PLANES["coronal"][:3, :3] = [[-1, 0, 0], [0, 0, -7], [0, -1, 0]]
PLANES["sagittal"][:3, :3] = [[0, 0, -7], [-1, 0, 0], [0, -1, 0]]


def _folder():
    return Path(os.environ["MONAI_UNET_DATA"])


@pytest.mark.parametrize("plane", PLANES)
def test_the_network_sees_slices_of_every_plane_as_they_were_acquired(tmp_path, plane):
    parser = ConfigParser()
    parser.read_config(str(find_bundle("brain_tumor_t1c").root / "configs" / "inference.json"))
    file = tmp_path / "stack.nii.gz"
    image = np.random.default_rng(0).normal(500, 80, size=(60, 48, 5)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, PLANES[plane]), file)
    seen = parser.get_parsed_content("preprocessing")({"image": str(file)})["image"]
    assert seen.shape[0] == parser.get_parsed_content("network_def").in_channels == 3
    # five slices of 7 mm stay five; 60 × 48 pixels of 1 mm become pixels of 1.5 mm
    assert seen.shape[1] == 5
    assert sorted(seen.shape[2:]) == [32, 40]
    np.testing.assert_allclose(np.linalg.norm(np.asarray(seen.affine)[:3, :3], axis=0), (7, 1.5, 1.5))


def test_a_head_of_1_mm_is_seen_in_thick_axial_slices(tmp_path):
    parser = ConfigParser()
    parser.read_config(str(find_bundle("brain_tumor_t1c").root / "configs" / "inference.json"))
    file = tmp_path / "head.nii.gz"
    image = np.random.default_rng(0).normal(500, 80, size=(40, 44, 39)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), file)
    seen = parser.get_parsed_content("preprocessing")({"image": str(file)})["image"]
    np.testing.assert_allclose(np.diag(np.asarray(seen.affine)[[2, 1, 0]][:, :3]), (6.5, 1.5, 1.5))


@pytest.mark.data
@REAL
def test_validation_stacks_of_each_plane():
    """Every fifth validation stack; their mean was higher than this when the weights were chosen, see the card."""
    segmenter = Segmenter.load("brain_tumor_t1c", device="cpu")
    dice = []
    for case in dataset_cases(_folder() / "BrainTumourT1c_Cheng", "validation")[::5]:
        found = segmenter.segment(case["image"]).labels.numpy()[0] > 0
        reference = read_volume(case["label"]).numpy()[0] > 0
        dice.append(2 * (found & reference).sum() / (found.sum() + reference.sum()))
    assert np.mean(dice) > 0.65


@pytest.mark.data
@REAL
def test_a_head_without_a_tumour_is_left_alone_and_the_missing_contrast_agent_is_stated():
    result = Segmenter.load("brain_tumor_t1c", device="cpu").segment(
        _folder() / "HeadsWithSkull_MS" / "oms12_1_T1.nii.gz"
    )
    assert (result.labels.numpy() > 0).sum() * 0.91 * 0.91 * 3 / 1000 < 3
    assert any("contrast" in note for note in result.provenance["notes"])


@pytest.mark.data
@REAL
def test_one_head_gives_nearly_the_same_from_dicom_and_from_its_1_mm_copy(tmp_path):
    segmenter = Segmenter.load("brain_tumor_t1c", device="cpu")
    folder = _folder() / "dicom" / "brain_tumour_mr" / "12-T1post-05670"
    found = segmenter.segment(folder).labels
    assert found.shape == read_volume(folder).shape
    # each slice repeated: thin slices that hold the thick ones
    image = read_volume(folder)
    array = np.repeat(image.numpy()[0], 6, axis=0).transpose(2, 1, 0)
    affine = np.asarray(image.affine)[:, [2, 1, 0, 3]].copy()
    affine[:3, 2] /= 6
    affine[:3, 3] -= 2.5 * affine[:3, 2]
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "thin.nii.gz")
    thin = segmenter.segment(tmp_path / "thin.nii.gz").labels.numpy()[0] > 0
    thick = np.repeat(found.numpy()[0] > 0, 6, axis=0)
    assert 2 * (thin & thick).sum() / (thin.sum() + thick.sum()) > 0.8


def test_a_ct_is_refused_in_the_models_own_sentence(tmp_path):
    """Air of −1024 HU in a file that states no modality; no words about preprocessing or exceptions around it."""
    ct = np.full((40, 40, 12), -1024, np.int16)
    ct[10:30, 10:30] = 40
    nib.save(nib.Nifti1Image(ct, np.diag([4.0, 4.0, 6.5, 1.0])), tmp_path / "ct.nii.gz")
    with pytest.raises(InputError) as refusal:
        Segmenter.load("brain_tumor_t1c", device="cpu").segment(tmp_path / "ct.nii.gz")
    assert str(refusal.value).endswith(
        "ct.nii.gz: the lowest value is -1024, as in CT; this model is for MR, choose an MR series."
    )
