"""nnU-Net's preprocessing step by step, against what its own functions are made of."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from nnunet_phantom import write_image
from scipy import ndimage
from skimage.transform import resize

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of, source_grid
from monai_unet.io import read_volume
from monai_unet.transforms import KeepLargestPartsd, NNUNetLabelsd, NNUNetPreprocessd
from monai_unet.transforms.nnunet_grid import PlanFrame, nonzero_box
from monai_unet.transforms.nnunet_intensities import normalised
from monai_unet.transforms.nnunet_preprocess import nonzero_mask
from monai_unet.transforms.spline_resampling import nearest_planes, new_shape, resample, separate_axis

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "new"), [((9, 14, 11), (9, 20, 7)), ((12, 5, 16), (20, 11, 30)), ((1, 8, 8), (3, 5, 9))]
)
@pytest.mark.parametrize("order", [1, 3])
def test_resampling_is_that_of_scikit_image(shape, new, order):
    volume = RNG.normal(size=shape).astype(np.float32)
    expected = resize(volume.astype(float), new, order, mode="edge", anti_aliasing=False)
    assert np.abs(resample(volume, new, order=order) - expected).max() < 5e-6


def test_thick_slices_are_resampled_one_by_one():
    volume = RNG.normal(size=(6, 14, 11)).astype(np.float32)
    inside = np.stack([resize(s.astype(float), (9, 20), 3, mode="edge", anti_aliasing=False) for s in volume])
    expected = inside[[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]]
    assert np.abs(resample(volume, (12, 9, 20), axis=0) - expected).max() < 5e-6


def test_the_nearest_plane_is_the_one_that_scipy_takes_also_where_two_are_as_near():
    for size in range(2, 30):
        for outputs in range(2, 40):
            places = size / outputs * (np.arange(outputs) + 0.5) - 0.5
            expected = ndimage.map_coordinates(np.arange(size, dtype=float), [places], order=0, mode="nearest")
            assert np.array_equal(nearest_planes(size, outputs), expected.astype(int))


@pytest.mark.parametrize(
    ("current", "new", "force", "axis"),
    [
        ((5, 1, 1), (1, 1, 1), None, 0),
        ((1, 1, 1), (1, 4, 1), None, 1),
        ((3, 1, 1), (1, 1, 1), None, None),
        ((0.3, 1.2, 1.2), (1, 1, 1), None, None),
        ((5, 1, 1), (1, 1, 1), False, None),
        ((1.5, 1, 1), (1, 1, 1), True, 0),
    ],
)
def test_when_slices_count_as_thick(current, new, force, axis):
    assert separate_axis(current, new, force=force) == axis


def test_new_shapes_are_rounded_and_never_empty():
    assert new_shape((10, 5, 1), (1.0, 1.5, 0.1), (2.0, 1.0, 5.0)) == (5, 8, 1)


def test_normalisations():
    volume = RNG.normal(50, 20, size=(4, 5, 6)).astype(np.float32)
    mask = volume > 40
    stated = {"mean": 10.0, "std": 5.0, "percentile_00_5": 30.0, "percentile_99_5": 60.0}
    whole = normalised(volume.copy(), "ZScoreNormalization", None, {})
    assert np.allclose([whole.mean(), whole.std()], [0, 1], atol=1e-5)
    inside = normalised(volume.copy(), "ZScoreNormalization", mask, {})
    assert np.allclose([inside[mask].mean(), inside[mask].std()], [0, 1], atol=1e-5)
    assert np.array_equal(inside[~mask], volume[~mask])
    ct = normalised(volume.copy(), "CTNormalization", None, stated)
    assert np.allclose(ct, (volume.clip(30, 60) - 10) / 5, atol=1e-5)
    unit = normalised(volume.copy(), "RescaleTo01Normalization", None, {})
    assert (unit.min(), unit.max()) == (0, 1)
    assert np.array_equal(normalised(volume.copy(), "NoNormalization", None, {}), volume)
    assert np.allclose(normalised(np.full((1, 1, 1), 51, np.float32), "RGBTo01Normalization", None, {}), 0.2)
    with pytest.raises(InputError, match="0 to 255"):
        normalised(volume * 100, "RGBTo01Normalization", None, {})


def test_the_mask_has_its_holes_filled_and_the_box_is_what_is_not_zero():
    image = np.zeros((7, 8, 9), np.float32)
    image[1:6, 2:7, 3:8] = 1
    image[3, 4, 5] = 0
    other = np.zeros_like(image)
    other[1, 1, 4] = 2
    expected = ndimage.binary_fill_holes((image != 0) | (other != 0))
    assert np.array_equal(nonzero_mask([image, other]), expected)
    assert nonzero_box([image, other]) == (slice(1, 6), slice(1, 7), slice(3, 8))
    assert nonzero_box([np.zeros((2, 3, 4))]) == (slice(0, 2), slice(0, 3), slice(0, 4))


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ASL", "SLA"])
@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_the_array_is_the_one_that_nnunet_reads_and_comes_back(tmp_path, axes, transpose):
    path = write_image(tmp_path / "image.nii.gz", axes=axes)
    volume = read_volume(path)
    frame = PlanFrame.of(grid_of(volume), source_grid(volume.meta).orientation, transpose)
    array = volume.numpy()[0]
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(transpose)
    assert np.array_equal(frame.to_plan(array), read)
    assert np.array_equal(frame.from_plan(read), array)
    index = np.array(read.shape) // 3
    place = grid_of(volume).to_index(frame.plan_grid.to_world(index))
    assert array[tuple(np.rint(place).astype(int))] == read[tuple(index)]


def test_logits_of_an_image_itself_come_back_on_its_voxels(tmp_path):
    path = write_image(tmp_path / "image.nii.gz", axes="LAS")
    volume = read_volume(path)
    options = {"transpose": (1, 0, 2)}
    prepare = NNUNetPreprocessd(
        "image", spacing=[1.2, 4.0, 1.3], schemes=["NoNormalization"], masked=[False], **options
    )
    data = prepare({"image": volume})
    image = data["image"]
    data["pred"] = MetaTensor(torch.cat([50 - image.as_tensor(), image.as_tensor() - 50]), meta=image.meta)
    labels = NNUNetLabelsd("pred", **options)(data)["pred"]
    assert np.array_equal(labels.numpy()[0] > 0, volume.numpy()[0] > 50)
    assert np.allclose(labels.affine, volume.affine)


def test_only_the_largest_part_of_labels_taken_together_stays():
    labels = np.zeros((1, 4, 6, 6), np.float32)
    labels[0, 0, :3, :3], labels[0, 0, 3, 3] = 1, 2
    labels[0, 3, 5, 4:] = 2
    volume = MetaTensor(torch.from_numpy(labels), affine=torch.eye(4))
    together = KeepLargestPartsd("pred", rules=[[1, 2]])({"pred": volume})["pred"].numpy()
    assert together[0, 0, 3, 3] == 2
    assert together[0, 3].max() == 0
    alone = KeepLargestPartsd("pred", rules=[[2]])({"pred": volume})["pred"].numpy()
    assert alone[0, 0, 3, 3] == 0
    assert alone[0, 3, 5, 4] == 2
    assert (alone == 1).sum() == 9


def test_an_image_in_memory_is_taken_as_a_file_in_ras_holds_it(tmp_path):
    path = write_image(tmp_path / "image.nii.gz", axes="RAS")
    read = read_volume(path)
    bare = MetaTensor(read.as_tensor().clone(), affine=read.affine)
    prepare = NNUNetPreprocessd("image", spacing=[4.0, 1.2, 1.3], schemes=["NoNormalization"], masked=[False])
    assert torch.equal(prepare({"image": bare})["image"], prepare({"image": read})["image"])
    assert nib.aff2axcodes(prepare({"image": bare})["image"].affine.numpy()) == ("S", "A", "R")
