"""The blur before resampling, against the formula and against what it is for: nothing aliases."""

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Spacingd

from monai_unet.transforms import SmoothForSpacingd


def _image(array, spacing):
    """MetaTensor (1, S, A, R) with that spacing (S, A, R) in mm, axes towards S, A, R."""
    affine = np.zeros((4, 4))
    for axis, (row, mm) in enumerate(zip((2, 1, 0), spacing, strict=True)):
        affine[row, axis] = mm
    affine[3, 3] = 1
    return MetaTensor(torch.as_tensor(array, dtype=torch.float32)[None], affine=torch.as_tensor(affine))


def _variance(profile, mm):
    places = mm * np.arange(len(profile))
    mean = (profile * places).sum() / profile.sum()
    return (profile * (places - mean) ** 2).sum() / profile.sum()


def test_a_point_spreads_as_wide_as_the_coarser_voxel():
    point = np.zeros((41, 41, 41))
    point[20, 20, 20] = 1
    spacing, pixdim = (2.0, 1.0, 0.5), (6.0, 5.0, 3.0)
    blurred = SmoothForSpacingd("image", pixdim)({"image": _image(point, spacing)})["image"].numpy()[0]
    for axis in range(3):
        profile = blurred.sum(tuple(a for a in range(3) if a != axis))
        wanted = (pixdim[axis] ** 2 - spacing[axis] ** 2) / (8 * math.log(2))
        assert _variance(profile, spacing[axis]) == pytest.approx(wanted, rel=0.02)


def test_an_axis_that_is_not_made_coarser_stays_as_it_is():
    array = np.random.default_rng(0).normal(size=(12, 14, 16))
    same = SmoothForSpacingd("image", (3.0, 1.0, 1.0))({"image": _image(array, (3.0, 1.0, 2.0))})["image"]
    np.testing.assert_array_equal(same.numpy()[0], array.astype(np.float32))


def test_fine_stripes_do_not_alias_into_the_coarse_image():
    stripes = np.tile(np.arange(60) % 2 * 2.0 - 1, (8, 8, 1))
    image, pixdim = _image(stripes, (1.0, 1.0, 1.0)), (1.0, 1.0, 4.0)
    spaced = Spacingd("image", pixdim=pixdim, mode="bilinear")
    smoothed = Compose([SmoothForSpacingd("image", pixdim), spaced])
    assert abs(smoothed({"image": image})["image"].numpy()[..., 2:-2]).max() < 0.02
    assert abs(spaced({"image": image})["image"].numpy()[..., 2:-2]).max() > 0.5


def test_the_way_back_to_the_grid_of_the_file_is_kept():
    image = _image(np.random.default_rng(1).normal(size=(20, 30, 31)), (3.0, 1.0, 1.0))
    steps = Compose([SmoothForSpacingd("image", (4, 4, 4)), Spacingd("image", pixdim=(4, 4, 4), mode="bilinear")])
    data = steps({"image": image})
    data["pred"] = data["image"].clone()
    back = Invertd("pred", steps, orig_keys="image", nearest_interp=False)(data)["pred"]
    assert back.shape == image.shape
    np.testing.assert_allclose(back.affine.numpy(), image.affine.numpy(), atol=1e-9)
