"""Thick slices first, in all 48 array orders and with the thick axis anywhere; the way back is exact."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd, Spacingd

from monai_unet.transforms import SlicesFirstd
from monai_unet.transforms.slices_first import AXCODES, slice_axis

PAIRS = ("LR", "PA", "IS")
ORIENTATIONS = [
    "".join(PAIRS[axis][end] for axis, end in zip(order, ends, strict=True))
    for order in permutations(range(3))
    for ends in product((0, 1), repeat=3)
]
FIRST = {"S": ("S", "A", "R"), "A": ("A", "S", "R"), "R": ("R", "S", "A")}


def _image(codes, thick, *, shape=(6, 5, 4), millimetres=7.0):
    """MetaTensor (1, *shape) whose array axes run towards `codes`; the axis along `thick` has thick slices."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, code in enumerate(codes):
        row = next(i for i, pair in enumerate(PAIRS) if code in pair)
        size = millimetres if thick in PAIRS[row] else 1.0
        affine[row, axis] = size if code == PAIRS[row][1] else -size
    affine[:3, 3] = (-3.0, 11.0, 5.0)
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return MetaTensor(torch.from_numpy(array), affine=torch.as_tensor(affine))


@pytest.mark.parametrize("thick", "SAR")
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_thick_axis_comes_first_and_the_way_back_is_exact(codes, thick):
    assert len(set(ORIENTATIONS)) == 48
    image = _image(codes, thick)
    steps = Compose([Orientationd("image", axcodes="SAR", labels=None), SlicesFirstd("image")])
    data = steps({"image": image.clone()})
    turned = data["image"]
    assert nib.orientations.aff2axcodes(np.asarray(turned.affine)) == FIRST[thick]
    assert np.linalg.norm(np.asarray(turned.affine)[:3, 0]) == 7.0
    data["pred"] = turned.clone()
    back = Invertd("pred", steps, orig_keys="image", nearest_interp=False)(data)["pred"]
    np.testing.assert_array_equal(back.numpy(), image.numpy())
    np.testing.assert_array_equal(np.asarray(back.affine), np.asarray(image.affine))


def test_every_voxel_keeps_its_place_in_the_patient():
    image = _image("PIL", "R")
    turned = SlicesFirstd("image")({"image": image.clone()})["image"]

    def places(volume):
        voxels = np.indices(volume.shape[1:]).reshape(3, -1)
        world = np.asarray(volume.affine)[:3, :3] @ voxels + np.asarray(volume.affine)[:3, 3:]
        return dict(zip(volume.numpy()[0].ravel().tolist(), map(tuple, world.T), strict=True))

    assert places(turned) == places(image)


@pytest.mark.parametrize("millimetres", [1.0, 1.4])
def test_an_image_without_thick_slices_is_read_in_axial_ones(millimetres):
    turned = SlicesFirstd("image")({"image": _image("PIL", "R", millimetres=millimetres)})["image"]
    assert "".join(nib.orientations.aff2axcodes(np.asarray(turned.affine))) == AXCODES["S"] == "SAR"


def test_an_oblique_scan_goes_to_the_nearest_plane():
    angle = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.0, 6.0, 1.0])
    assert slice_axis(affine) == "A"


def test_it_leads_back_through_a_resampling_too():
    image = _image("LPS", "A", shape=(30, 8, 24))
    steps = Compose([SlicesFirstd("image"), Spacingd("image", pixdim=(7.0, 2.0, 2.0), mode="bilinear")])
    data = steps({"image": image})
    data["pred"] = data["image"].clone()
    back = Invertd("pred", steps, orig_keys="image", nearest_interp=False)(data)["pred"]
    assert back.shape == image.shape
    np.testing.assert_allclose(np.asarray(back.affine), np.asarray(image.affine))


def test_a_ratio_below_one_is_refused():
    with pytest.raises(ValueError, match=r"ratio must be at least 1, got 0\.5"):
        SlicesFirstd("image", ratio=0.5)
