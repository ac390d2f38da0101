"""Intensities of sequences made comparable, channels left out, scanner effects."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.transforms import (
    NormalizeSequencesd,
    RandDropChannelsd,
    RandScanEffectsd,
    RandSequenceIntensitiesd,
    RandTissueContrastd,
    TissueMapsd,
)
from monai_unet.transforms.scan_effects import thick_slices


def _stripped(background, *, seed=0):
    random = np.random.default_rng(seed)
    volume = np.full((30, 30, 30), background, dtype=np.float32)
    volume[6:24, 6:24, 6:24] = random.normal(500, 40, (18, 18, 18))
    return volume


@pytest.mark.parametrize("background", [0.0, -3.5, 700.0])
def test_any_constant_background_becomes_0_and_the_brain_a_standard_normal(background):
    image = torch.from_numpy(np.stack([_stripped(background), np.zeros((30, 30, 30), np.float32)]))
    done = NormalizeSequencesd("image")({"image": image})["image"]
    brain = done[0, 6:24, 6:24, 6:24]
    assert float(brain.median()) == pytest.approx(0, abs=0.01)
    # quartiles of a normal distribution lie 0.6745 standard deviations from the middle
    assert float(brain.quantile(0.75)) == pytest.approx(0.6745, abs=0.02)
    outside = done[0].clone()
    outside[6:24, 6:24, 6:24] = 0
    assert not outside.any()
    assert not done[1].any()


def test_units_do_not_matter():
    one = NormalizeSequencesd("image")({"image": torch.from_numpy(_stripped(0.0)[None])})["image"]
    other = NormalizeSequencesd("image")({"image": torch.from_numpy(_stripped(0.0)[None] * 17.5)})["image"]
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_head_with_noise_around_it_has_a_foreground_too():
    random = np.random.default_rng(0)
    volume = np.abs(random.normal(0, 5, (30, 30, 30))).astype(np.float32)
    volume[6:24, 6:24, 6:24] += 500
    done = NormalizeSequencesd("image")({"image": torch.from_numpy(volume[None])})["image"]
    assert bool((done[0, :5] == 0).all())
    assert float(done[0, 6:24, 6:24, 6:24].median()) == pytest.approx(0, abs=0.05)


def test_dropping_keeps_at_least_one_channel_and_finds_every_subset():
    transform = RandDropChannelsd("image", prob=1.0, keep=0.5)
    transform.set_random_state(seed=0)
    seen = set()
    for _ in range(300):
        image = transform({"image": torch.ones(4, 2, 2, 2)})["image"]
        seen.add(tuple(int(channel.any()) for channel in image))
    # all subsets of four channels but the empty one
    assert len(seen) == 15
    assert (0, 0, 0, 0) not in seen


def test_a_sequence_that_is_missing_already_is_not_brought_back():
    image = torch.ones(4, 2, 2, 2)
    image[[0, 3]] = 0
    transform = RandDropChannelsd("image", prob=1.0, keep=0.1)
    transform.set_random_state(seed=0)
    for _ in range(50):
        done = transform({"image": image})["image"]
        assert not done[[0, 3]].any()
        assert done.any()


def test_intensity_augmentation_leaves_background_and_missing_channels_at_0():
    image = torch.zeros(2, 8, 8, 8)
    image[0, 2:6, 2:6, 2:6] = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(0))
    transform = RandSequenceIntensitiesd("image", prob=1.0)
    transform.set_random_state(seed=0)
    done = transform({"image": image})["image"]
    assert torch.equal(done != 0, image != 0)
    assert not torch.equal(done, image)


def test_scanner_effects_are_seeded_and_keep_the_background():
    image = MetaTensor(torch.from_numpy(np.stack([_stripped(0.0), _stripped(0.0, seed=1)])), affine=torch.eye(4))
    results = []
    for seed in (0, 0, 1):
        transform = RandScanEffectsd("image")
        transform.set_random_state(seed=seed)
        results.append(transform({"image": image})["image"].as_tensor())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(results[0] == 0, image.as_tensor() == 0)


def test_thick_slices_keep_a_ramp_and_smear_a_plane_over_their_thickness():
    ramp = np.broadcast_to(np.arange(41, dtype=np.float32)[:, None, None], (41, 4, 4))
    inside = thick_slices(ramp, (1.0, 1.0, 1.0), 0, 4.0)[6:-6]
    np.testing.assert_allclose(inside, ramp[6:-6], atol=0.6)
    plane = np.zeros((41, 4, 4), dtype=np.float32)
    plane[20] = 1
    smeared = thick_slices(plane, (1.0, 1.0, 1.0), 0, 6.0)
    assert smeared.max() < 0.35
    assert (smeared[:, 0, 0] > 0.01).sum() >= 6


def _t1():
    """White matter in grey in CSF, levels 100, 70, 20."""
    shape = (40, 44, 38)
    centre = (np.array(shape) - 1) / 2
    radius = np.sqrt((((np.indices(shape).reshape(3, -1).T - centre) / (17, 19, 16)) ** 2).sum(1)).reshape(shape)
    truth = np.stack([(radius < 1) & (radius > 0.85), (radius <= 0.85) & (radius > 0.6), radius <= 0.6])
    t1 = np.tensordot(np.array([20, 70, 100], dtype=np.float32), truth.astype(np.float32), 1)
    noisy = t1 + np.random.default_rng(0).normal(0, 3, shape) * (radius < 1)
    return MetaTensor(torch.from_numpy(noisy[None].clip(0).astype(np.float32)), affine=torch.eye(4) * 2), truth


def test_tissue_maps_find_csf_grey_and_white_matter():
    image, truth = _t1()
    maps = TissueMapsd("t1")({"t1": image})["tissue"].numpy()
    for found, true in zip(maps > 0.5, truth, strict=True):
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9


def test_random_contrast_keeps_the_order_of_tissues_of_the_sequence():
    image, truth = _t1()
    maps = MetaTensor(torch.from_numpy(truth.astype(np.float32)), affine=image.affine)
    empty = MetaTensor(torch.cat([image.as_tensor(), torch.zeros(3, *image.shape[1:])]), affine=image.affine)
    transform = RandTissueContrastd("image", sequences=("t1", "t1c", "t2", "flair"), tissue_key="tissue", prob=0.0)
    for seed in range(5):
        transform.set_random_state(seed=seed)
        made = transform({"image": empty, "tissue": maps})["image"].numpy()
        means = np.array([[channel[t].mean() for t in truth] for channel in made])
        assert means[1, 0] < means[1, 1] < means[1, 2]
        assert means[2, 0] > means[2, 1] > means[2, 2]
        assert means[3, 0] < means[3, 2]
        # the T1 that was given is left alone
        np.testing.assert_array_equal(made[0], image[0].numpy())
