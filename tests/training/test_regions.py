"""Loss and metric of overlapping regions against their formulas."""

import pytest
import torch

from monai_unet.training import mean_region_dice, region_loss


def test_loss_is_dice_plus_cross_entropy_by_hand():
    """One voxel row of two regions; sigmoid(0) = 1/2, so each term follows by hand."""
    logits = torch.zeros(1, 2, 1, 1, 4)
    masks = torch.zeros(1, 2, 1, 1, 4)
    masks[0, 0, 0, 0, :2] = 1
    masks[0, 1, 0, 0, 0] = 1
    # soft Dice: 2·(2·½)/(2 + 2) = 0.5 and 2·(1·½)/(1 + 2) = 1/3; cross-entropy: ln 2
    expected = 1 - (0.5 + 1 / 3) / 2 + torch.log(torch.tensor(2.0)).item()
    assert region_loss()(logits, masks).item() == pytest.approx(expected, abs=1e-4)


def test_loss_is_small_for_the_truth_and_takes_deep_supervision():
    masks = (torch.rand(2, 3, 8, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    right = (masks * 2 - 1) * 20
    loss = region_loss()
    assert loss(right, masks).item() < 1e-3
    assert loss(-right, masks).item() > 1
    assert loss([right, right[..., ::2, ::2, ::2]], masks).item() < loss(-right, masks).item()


def test_weights_decide_which_region_counts():
    masks = torch.zeros(1, 3, 4, 4, 4)
    masks[:, :, :2] = 1
    wrong_last = (masks * 2 - 1) * 5
    wrong_last[:, 2] *= -1
    little, much = (region_loss(weights)(wrong_last, masks) for weights in ([1.4, 1.4, 0.2], [0.5, 0.5, 2.0]))
    assert much > little


def test_metric_is_the_mean_over_regions_and_counts_empty_ones():
    """Whole tumour 2·2/(2+3), core 0 against one voxel, enhancing empty on both sides."""
    metric = mean_region_dice()
    pred = torch.tensor([2.0, 2.0, 0.0, 0.0]).reshape(1, 4, 1, 1)
    label = torch.tensor([2.0, 2.0, 1.0, 0.0]).reshape(1, 4, 1, 1)
    metric.metric_fn(*metric._output_transform([{"pred": pred, "label": label}]))
    assert metric.metric_fn.aggregate().item() == pytest.approx((0.8 + 0 + 1) / 3)
