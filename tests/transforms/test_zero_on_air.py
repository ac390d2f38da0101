"""Nothing is drawn on air."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.transforms import ZeroOnAird


def phantom() -> torch.Tensor:
    """A round head of 100 with a black cavity, in air of 0 to 3 with a bright spot; (1, 4, 60, 60)."""
    rows, columns = np.mgrid[:60, :60]
    distance = np.hypot(rows - 30, columns - 30)
    plane = np.where(distance < 20, 100.0, 0) + np.random.default_rng(0).uniform(0, 3, (60, 60))
    plane[distance < 6] = 1
    plane[2:4, 2:4] = 90
    return torch.from_numpy(np.repeat(plane[None, None], 4, 1).astype(np.float32))


def test_air_is_cleared_and_a_cavity_in_the_head_stays() -> None:
    found = ZeroOnAird("pred")({"image": phantom(), "pred": torch.ones(2, 4, 60, 60)})["pred"]
    assert found.shape == (2, 4, 60, 60)
    assert found[:, :, 30, 30].all()
    assert found[:, :, 30, 14].all()
    assert not found[:, :, 5, 30].any()
    assert not found[:, :, 2:4, 2:4].any(), "a bright spot in the air is no head"


def test_the_channel_is_the_one_that_is_named_and_what_was_done_stays_known() -> None:
    image = torch.cat([torch.zeros(1, 4, 60, 60), phantom()])
    given = MetaTensor(torch.ones(1, 4, 60, 60), affine=torch.eye(4) * 2)
    found = ZeroOnAird("pred", channel=1)({"image": image, "pred": given})["pred"]
    assert torch.equal(found.affine, given.affine)
    assert not found[0, 0, 0, 0]
    assert found[0, 0, 30, 30]


def test_an_image_without_contrast_is_left_alone() -> None:
    found = ZeroOnAird("pred")({"image": torch.zeros(1, 4, 9, 9), "pred": torch.ones(1, 4, 9, 9)})["pred"]
    assert found.all()
