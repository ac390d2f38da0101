"""The nearness to the centre against its formula, in millimetres and whatever the box."""

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Spacingd

from monai_unet.transforms import AddCentreNearnessd


def _image(shape, spacing):
    affine = np.zeros((4, 4))
    for axis, (row, mm) in enumerate(zip((2, 1, 0), spacing, strict=True)):
        affine[row, axis] = mm
    affine[3, 3] = 1
    return MetaTensor(torch.rand(1, *shape), affine=torch.as_tensor(affine))


def test_it_follows_its_formula_in_millimetres():
    image = _image((11, 21, 31), (4.0, 2.0, 1.0))
    both = AddCentreNearnessd("image", sigma_mm=10.0)({"image": image})["image"]
    torch.testing.assert_close(both[:1].as_tensor(), image.as_tensor())
    near = both[1].numpy()
    assert near[5, 10, 15] == 1
    for voxel, mm in (((7, 10, 15), 8.0), ((5, 13, 15), 6.0), ((5, 10, 25), 10.0), ((6, 11, 13), math.sqrt(24))):
        assert near[voxel] == pytest.approx(math.exp(-(mm**2) / 200))


def test_an_even_number_of_voxels_has_its_centre_between_two():
    near = AddCentreNearnessd("image")({"image": _image((4, 4, 4), (3.0, 3.0, 3.0))})["image"][1].numpy()
    np.testing.assert_allclose(near, near[::-1, ::-1, ::-1])
    assert near.max() == pytest.approx(math.exp(-3 * 1.5**2 / (2 * 40.0**2)))


def test_the_way_back_to_the_grid_of_the_file_is_kept():
    image = _image((20, 30, 31), (3.0, 1.0, 1.0))
    steps = Compose([Spacingd("image", pixdim=(4, 4, 4), mode="bilinear"), AddCentreNearnessd("image")])
    data = steps({"image": image})
    data["pred"] = MetaTensor(data["image"][:1].clone())
    back = Invertd("pred", steps, orig_keys="image", nearest_interp=False)(data)["pred"]
    assert back.shape == image.shape


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match="sigma_mm must be positive, got 0"):
        AddCentreNearnessd("image", sigma_mm=0)
