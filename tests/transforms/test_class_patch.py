"""Patches around classes drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_unet.transforms import ClassVoxelsd, RandClassPatchd


def case(shape: tuple[int, int, int] = (20, 100, 120)) -> dict[str, torch.Tensor]:
    label = torch.zeros(1, *shape, dtype=torch.uint8)
    label[0, 8:11, 40:60, 30:50] = 1
    label[0, 9, 80:90, 100:110] = 2
    return ClassVoxelsd()({"image": label.float(), "label": label})


def test_untouched_and_as_large_as_the_volume_it_is_the_volume() -> None:
    volume = case()
    patch = RandClassPatchd(patch_size=[20, 100, 120], prob=0, background=0)(volume)
    assert torch.equal(patch["label"], volume["label"])
    assert torch.allclose(patch["image"], volume["image"], atol=1e-4)


def test_every_class_is_met_equally_often_however_small() -> None:
    """Class 2 has 100 voxels, class 1 has 1,200."""
    draw = RandClassPatchd(patch_size=[8, 32, 32], spacing=[10, 1.5, 1.5], rotate=[0.3, 0, 0], background=0)
    draw.set_random_state(0)
    volume = case()
    seen = np.zeros(3)
    for _ in range(60):
        seen += np.bincount(draw(volume)["label"].flatten().numpy(), minlength=3) > 0
    assert 20 <= seen[1] <= 40
    assert 20 <= seen[2] <= 40


def test_image_and_label_stay_together_and_turns_are_in_millimetres() -> None:
    draw = RandClassPatchd(patch_size=[8, 64, 64], spacing=[10, 1.5, 1.5], rotate=[0.4, 0, 0], mirror=[1, 2], prob=1.0)
    draw.set_random_state(1)
    volume = case()
    for _ in range(20):
        patch = draw(volume)
        differ = (patch["image"].round() != patch["label"].float().clamp(max=2)).float().mean()
        assert differ < 0.01


def test_paired_classes_change_places_in_a_mirror_along_r_alone() -> None:
    volume = case()
    arguments = {"patch_size": [20, 100, 120], "prob": 0, "background": 0, "mirrored_pairs": [[1, 2]]}
    for axis, swapped in ((1, False), (2, True)):
        draw = RandClassPatchd(mirror=[axis], **arguments)
        draw.set_random_state(3)
        found = [draw(volume) for _ in range(12)]
        mirrored = [p for p in found if not torch.equal(p["image"].round(), volume["image"])]
        assert mirrored
        for patch in mirrored:
            # the image still shows class 1 as 1
            same = bool((patch["label"] == patch["image"].round().to(torch.uint8)).all())
            assert same is not swapped


def test_a_case_without_any_class_gives_background() -> None:
    empty = ClassVoxelsd()({"image": torch.zeros(1, 9, 9, 9), "label": torch.zeros(1, 9, 9, 9, dtype=torch.uint8)})
    patch = RandClassPatchd(patch_size=[12, 8, 8])(empty)
    assert patch["label"].shape == (1, 12, 8, 8)
    assert not patch["label"].any()


@pytest.mark.parametrize("most", [1, 50])
def test_places_are_spread_over_the_class(most: int) -> None:
    places = ClassVoxelsd(most=most)(case())["class_voxels"]
    assert len(places[1]) == most
    assert places[1].shape[1] == 3
