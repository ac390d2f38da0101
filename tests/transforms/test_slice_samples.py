"""Neighbour slices as channels, filled rims, and samples of single slices."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.transforms import AddNeighbourSlicesd, NormalizeSequencesd, RandSlicePatchd, SmoothForSpacingd
from monai_unet.transforms.fill_rims import fill_rims


def test_neighbours_are_the_slices_before_and_behind_and_the_ends_go_on():
    image = MetaTensor(torch.arange(4.0)[None, :, None, None].expand(1, 4, 3, 3).clone())
    done = AddNeighbourSlicesd("image")({"image": image})["image"][:, :, 0, 0]
    assert done.tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 3]]
    two = AddNeighbourSlicesd("image", count=2)({"image": image})["image"][:, :, 0, 0]
    assert two.tolist()[0] == [0, 0, 0, 1]
    assert two.tolist()[4] == [2, 3, 3, 3]


def test_neighbours_of_several_channels_are_refused():
    with pytest.raises(ValueError, match="must have one channel, got 2"):
        AddNeighbourSlicesd("image")({"image": MetaTensor(torch.zeros(2, 3, 3, 3))})


def _ring(open_mm=0):
    across = np.hypot(*np.meshgrid(np.arange(-20, 21), np.arange(-20, 21), indexing="ij"))
    ring = (across > 8) & (across <= 11)
    if open_mm:
        ring[20 - open_mm // 2 : 20 + open_mm // 2, 20:] = False
    return np.stack([np.zeros_like(ring), ring]), np.stack([np.zeros_like(ring), across <= 8])


def test_a_rim_becomes_a_disk_and_other_slices_stay_empty():
    ring, inside = _ring()
    filled = fill_rims(ring, spacing=(6.5, 1.0, 1.0))
    np.testing.assert_array_equal(filled, ring | inside)


def test_a_rim_with_a_small_gap_is_filled_and_one_with_a_wide_gap_is_not():
    ring, inside = _ring(open_mm=2)
    filled = fill_rims(ring, spacing=(6.5, 1.0, 1.0))
    assert (filled & inside).sum() > 0.9 * inside.sum()
    ring, inside = _ring(open_mm=10)
    assert (fill_rims(ring, spacing=(6.5, 1.0, 1.0)) & inside).sum() < 0.1 * inside.sum()


def test_nothing_is_taken_from_a_mask():
    mask = np.random.default_rng(0).random((3, 20, 20)) > 0.7
    assert (fill_rims(mask, spacing=(6.5, 0.9, 0.9)) & mask).sum() == mask.sum()


def _case():
    """A stack of 20 whose slices hold their own number; slices 8 and 9 have a structure."""
    image = torch.arange(20.0)[None, :, None, None].expand(1, 20, 40, 40).clone()
    label = torch.zeros(1, 20, 40, 40, dtype=torch.uint8)
    label[0, 8:10, 10:25, 12:28] = 1
    stacked = AddNeighbourSlicesd("image")({"image": MetaTensor(image)})["image"].as_tensor()
    return {"image": stacked, "label": label}


def _drawn(count, **options):
    transform = RandSlicePatchd(patch_size=(32, 24), **options)
    transform.set_random_state(seed=0)
    for _ in range(count):
        yield transform(_case())


def test_a_sample_is_one_slice_between_its_neighbours():
    for sample in _drawn(20, alone=0.0):
        assert sample["image"].shape == (3, 1, 32, 24)
        assert sample["label"].shape == (1, 1, 32, 24)
        before, middle, behind = (float(channel.mean()) for channel in sample["image"])
        if 0 < middle < 19:
            assert sorted((before, behind)) == pytest.approx([middle - 1, middle + 1], abs=1e-3)


def test_the_structure_is_drawn_as_often_as_asked_and_the_ends_more_often():
    slices = [round(float(s["image"][1].mean())) for s in _drawn(600, foreground=0.5, ends=3.0)]
    with_structure = np.isin(slices, (8, 9)).mean()
    assert with_structure == pytest.approx(0.5, abs=0.06)
    others = [s for s in slices if s not in (8, 9)]
    # eight end slices of weight 3 and ten of weight 1
    assert np.mean([s < 4 or s >= 16 for s in others]) == pytest.approx(24 / 34, abs=0.08)


def test_samples_are_reproducible_and_the_case_is_left_alone():
    case, transform = _case(), RandSlicePatchd(patch_size=(32, 24))
    before = case["image"].clone()
    first, second = (transform.set_random_state(seed=3)(case)["image"] for _ in range(2))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(case["image"], before)


def test_image_and_label_are_bent_together():
    case = _case()
    case["image"] = case["label"].float().expand(3, -1, -1, -1)
    transform = RandSlicePatchd(patch_size=(40, 40), foreground=1.0, bend=3.0)
    for seed in range(10):
        transform.set_random_state(seed=seed)
        sample = transform(case)
        differs = ((sample["image"][1] > 0.5) != (sample["label"][0] > 0)).float().mean()
        assert float(differs) < 0.02


def test_air_stays_dark_where_the_background_is_kept():
    volume = np.zeros((1, 20, 20, 20), np.float32)
    volume[0, 5:15, 5:15, 5:15] = np.random.default_rng(0).normal(500, 40, (10, 10, 10))
    kept = NormalizeSequencesd("image", keep_background=True)({"image": torch.from_numpy(volume)})["image"]
    assert float(kept[0, 0, 0, 0]) == -5
    assert float(kept[0, 5:15, 5:15, 5:15].median()) == pytest.approx(0, abs=0.02)


def test_an_axis_that_spacing_keeps_is_not_blurred():
    array = np.random.default_rng(0).normal(size=(8, 20, 20)).astype(np.float32)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5.0, 1.3, 1.3, 1
    image = MetaTensor(torch.from_numpy(array[None]), affine=torch.as_tensor(affine))
    kept = SmoothForSpacingd("image", (6.5, 1.3, 1.3), min_pixdim=(4.5, 1.3, 1.3))({"image": image})["image"]
    np.testing.assert_array_equal(kept.numpy()[0], array)
    blurred = SmoothForSpacingd("image", (6.5, 1.3, 1.3))({"image": image})["image"]
    assert not np.array_equal(blurred.numpy()[0], array)
