"""A painted head: nothing of the brain or the label changes, tissue lies around it, air stays 0."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.transforms import NormalizeSequencesd, RandHeadd

SEQUENCES = ("flair", "t1", "t1c", "t2")


def brain_case(spacing: float = 2.0) -> dict[str, MetaTensor]:
    """A ball of a brain of 60 mm in four sequences, the second of them not acquired, and a label."""
    grid = np.indices((40, 44, 42)).astype(float)
    ball = sum((axis - n / 2) ** 2 for axis, n in zip(grid, (40, 44, 42), strict=True)) < 15**2
    image = np.stack([ball * level for level in (100.0, 0.0, 300.0, 50.0)]).astype(np.float32)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    label = np.zeros((1, 40, 44, 42), dtype=np.float32)
    label[0, 18:22, 20:25, 20:23] = 2
    return {
        "image": MetaTensor(torch.from_numpy(image), affine=affine),
        "label": MetaTensor(torch.from_numpy(label), affine=affine),
    }


@pytest.fixture
def painted() -> dict[str, MetaTensor]:
    transform = RandHeadd("image", sequences=SEQUENCES, prob=1.0)
    transform.set_random_state(seed=3)
    return transform(brain_case())


def world_of(volume: MetaTensor, mask: np.ndarray) -> set[tuple[float, ...]]:
    voxels = np.argwhere(mask)
    affine = np.asarray(volume.affine)
    return {tuple(np.round(affine[:3, :3] @ v + affine[:3, 3], 3)) for v in voxels}


def test_brain_and_label_stay_where_they_are_in_the_world(painted: dict[str, MetaTensor]) -> None:
    before = brain_case()
    assert painted["image"].shape[1:] == painted["label"].shape[1:] != before["label"].shape[1:]
    assert world_of(painted["label"], np.asarray(painted["label"][0]) > 0) == world_of(
        before["label"], np.asarray(before["label"][0]) > 0
    )
    for channel, level in ((0, 100.0), (2, 300.0), (3, 50.0)):
        brain = np.asarray(painted["image"][channel]) == level
        assert world_of(before["image"], np.asarray(before["image"][channel]) > 0) <= world_of(painted["image"], brain)


def test_tissue_around_the_brain_and_nothing_in_what_was_not_acquired(painted: dict[str, MetaTensor]) -> None:
    image = np.asarray(painted["image"])
    assert not image[1].any()
    for channel, level in ((0, 100.0), (2, 300.0), (3, 50.0)):
        outside = image[channel][(image[channel] != level)]
        assert (outside > 0.01 * level).sum() > 5000
        assert (outside == 0).mean() > 0.05  # air
        assert outside.min() >= 0


def test_same_seed_same_head_and_probability_zero_none() -> None:
    one, other, none = (RandHeadd("image", sequences=SEQUENCES, prob=prob) for prob in (1.0, 1.0, 0.0))
    one.set_random_state(seed=5)
    other.set_random_state(seed=5)
    assert torch.equal(one(brain_case())["image"], other(brain_case())["image"])
    assert torch.equal(none(brain_case())["image"], brain_case()["image"])


def test_normalisation_takes_the_whole_head_as_foreground(painted: dict[str, MetaTensor]) -> None:
    image = np.asarray(painted["image"])
    normalised = np.asarray(NormalizeSequencesd("image")({"image": painted["image"]})["image"])
    assert (normalised[0][image[0] == 0] == 0).all()
    assert (normalised[0][image[0] > 0] != 0).mean() > 0.95


def test_arrays_without_a_grid_and_missing_labels() -> None:
    transform = RandHeadd("image", sequences=SEQUENCES, also=("label", "tissue"), prob=1.0, pad_mm=(4.0, 5.0))
    transform.set_random_state(seed=1)
    result = transform({"image": brain_case()["image"].as_tensor()})
    assert result["image"].shape == (4, 48, 52, 50)
    empty = {"image": torch.zeros(4, 20, 20, 20)}
    assert not transform(empty)["image"].any()


def test_several_images_of_a_case_stay_on_one_grid() -> None:
    transform = RandHeadd(("image", "second"), sequences=SEQUENCES, prob=1.0)
    transform.set_random_state(seed=2)
    case = brain_case()
    result = transform({**case, "second": case["image"].clone()})
    assert result["image"].shape[1:] == result["second"].shape[1:] == result["label"].shape[1:]
    for name in ("second", "label"):
        assert torch.equal(result["image"].affine, result[name].affine)


def test_an_unknown_sequence_is_refused() -> None:
    with pytest.raises(InputError, match="no sequence 'ct'; choose one of flair"):
        RandHeadd("image", sequences=("ct",))
