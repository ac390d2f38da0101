"""Warnings about what is no contrast-enhanced T1 of a head, on painted heads and on real ones."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.io import read_volume
from monai_unet.io.datasets.head_check import head_warnings


def _head(*, skull=True, vessels=True, millimetres=3.0, size=70, noise=6.0):
    """A painted head (1, S, A, R): grey brain, dark fluid, a bright scalp, bright vessels."""
    random = np.random.default_rng(0)
    centre = (size - 1) / 2
    away = np.sqrt(sum(np.square(np.ix_(*[(np.arange(size) - centre) * millimetres] * 3)[i]) for i in range(3)))
    image = np.abs(random.normal(0, 2, away.shape))
    brain = away < 80
    image[brain] = random.normal(100, noise, int(brain.sum()))
    image[away < 14] = 40
    if skull:
        image[(away >= 80) & (away < 92)] = 200
    if vessels:
        bright = (away < 68) & (random.random(away.shape) < 0.08)
        image[bright] = 170
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = millimetres
    affine[3, 3] = 1
    return MetaTensor(torch.from_numpy(image.astype(np.float32))[None], affine=torch.as_tensor(affine))


def test_a_head_with_contrast_agent_is_taken_without_a_word():
    assert head_warnings(_head()) == []


def test_a_head_without_contrast_agent_is_noticed():
    (said,) = head_warnings(_head(vessels=False))
    assert "contrast-enhanced T1" in said


def test_a_brain_without_its_skull_is_noticed():
    (said,) = head_warnings(_head(skull=False))
    assert "no skull" in said


def test_a_crop_is_not_the_size_of_a_head():
    (said,) = head_warnings(_head()[:, 20:34, 20:36, 20:38])
    assert "not the size of a head" in said


def test_air_alone_says_nothing_here():
    assert head_warnings(_head() * 0) == []


@pytest.mark.data
@pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA is not set")
def test_real_heads_with_and_without_contrast_agent():
    folder = Path(os.environ["MONAI_UNET_DATA"])
    for name in ("PGBM-006_1", "PGBM-020_2"):
        assert head_warnings(read_volume(folder / "BrainTumourProgression" / "imagesTr" / f"{name}.nii.gz")) == []
    assert "contrast" in head_warnings(read_volume(folder / "HeadsWithSkull_MS" / "oms12_1_T1.nii.gz"))[0]
    assert "no skull" in head_warnings(read_volume(folder / "MultipleSclerosis" / "patient07" / "t1c.nii.gz"))[0]
    assert len(head_warnings(read_volume(folder / "MultipleSclerosis" / "patient07" / "t1.nii.gz"))) == 2
    crop = folder / "Task04_Hippocampus" / "imagesTr"
    assert "size" in head_warnings(read_volume(sorted(crop.glob("*.nii.gz"))[0]))[0]
