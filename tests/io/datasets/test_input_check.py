"""The sanity gate warns of what is wrong and is silent where nothing is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.io import read_volume
from monai_unet.io.datasets.channel import ExpectedInput
from monai_unet.io.datasets.input_check import check_input, expected_of


def phantom(seed: int = 0, *, spacing: float = 2.0, shape: tuple[int, int, int] = (24, 32, 32)) -> MetaTensor:
    """A CT-like body with a spine behind and a cavity on the right, in (S, A, R)."""
    rng = np.random.default_rng(seed)
    s, a, r = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    voxels = np.where(a**2 + r**2 < 0.8, 40.0, -1000.0)
    voxels[(a + 0.6) ** 2 + r**2 < 0.04] = 700
    voxels[((a - 0.2) ** 2 + (r - 0.45) ** 2 < 0.2) & (s < 0.2)] = -700
    voxels[((a - 0.2) ** 2 + r**2 < 0.3) & (s > 0.2)] = -800
    voxels += rng.normal(0, 10, shape)
    affine = torch.eye(4, dtype=torch.float64)[[2, 1, 0, 3]] * spacing
    affine[3, 3] = 1
    return MetaTensor(torch.from_numpy(voxels[None]).float(), affine=affine, meta={"modality": "CT"})


@pytest.fixture(scope="module")
def expected() -> ExpectedInput:
    return expected_of([phantom(seed) for seed in range(5)], modality="CT")


def altered(change: object, **meta: object) -> MetaTensor:
    volume = phantom(9)
    return MetaTensor(change(volume.as_tensor()), affine=volume.affine, meta={**volume.meta, **meta})


def test_a_volume_like_those_of_training_passes_without_a_word(expected: ExpectedInput) -> None:
    assert check_input(phantom(9), expected) == []


@pytest.mark.parametrize(
    ("dims", "words"), [((2,), "front-back reversed"), ((1,), "head-foot reversed"), ((3,), "left-right reversed")]
)
def test_a_mirrored_volume_is_noticed(expected: ExpectedInput, dims: tuple[int, ...], words: str) -> None:
    (warning,) = check_input(altered(lambda t: torch.flip(t, dims)), expected)
    assert words in warning


def test_exchanged_axes_are_noticed(expected: ExpectedInput) -> None:
    warnings = check_input(altered(lambda t: t.transpose(1, 2).contiguous()), expected)
    assert any("axes exchanged" in warning for warning in warnings)


def test_another_modality_is_noticed_by_tag_and_by_intensity(expected: ExpectedInput) -> None:
    assert check_input(altered(lambda t: t, modality="MR"), expected) == [
        "the volume is MR, the model was trained on CT."
    ]
    warnings = check_input(altered(lambda t: t + 1024, modality=""), expected)
    assert any("Hounsfield" in warning for warning in warnings)
    mr = ExpectedInput(modality="MR")
    assert any("as in CT" in warning for warning in check_input(altered(lambda t: t, modality=""), mr))


def test_rescaled_intensities_are_noticed(expected: ExpectedInput) -> None:
    (warning,) = check_input(altered(lambda t: t * 4), expected)
    assert "check the units" in warning


def test_size_outside_of_training_is_noticed_per_axis(expected: ExpectedInput) -> None:
    volume = phantom(9, spacing=6.0)
    warnings = check_input(volume, expected)
    assert any("head-foot voxel size is 6 mm, in training it was 2 to 2 mm" in warning for warning in warnings)
    assert any("left-right field of view is 192 mm, in training it was 64 to 64 mm" in warning for warning in warnings)


def test_an_empty_image_is_noticed(expected: ExpectedInput) -> None:
    (warning,) = check_input(altered(torch.zeros_like), expected)
    assert "not an image" in warning


def test_training_volumes_that_do_not_resemble_each_other_give_no_appearance() -> None:
    noise = [altered(lambda t, n=n: torch.randn(t.shape, generator=torch.manual_seed(n))) for n in range(6)]
    assert expected_of(noise).appearance is None


def test_expectations_survive_json(expected: ExpectedInput) -> None:
    stored = json.loads(json.dumps(expected.as_dict()))
    assert ExpectedInput.from_dict({**stored, "of a later version": 1}) == expected


@pytest.mark.data
@pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA names no folder of real data")
def test_mirrored_hippocampi_are_noticed_and_right_ones_pass() -> None:
    root = Path(os.environ["MONAI_UNET_DATA"]) / "Task04_Hippocampus"
    dataset = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    training = [read_volume(root / case["image"]) for case in dataset["training"][:20]]
    expected = expected_of(training, modality="MR")
    for case in dataset["validation"][:5]:
        volume = read_volume(root / case["image"])
        assert not any("orientation" in warning for warning in check_input(volume, expected))
        for axis in (1, 2, 3):
            mirrored = MetaTensor(torch.flip(volume.as_tensor(), (axis,)), meta=volume.meta)
            assert any("orientation" in warning for warning in check_input(mirrored, expected))
