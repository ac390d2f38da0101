"""Loss and metric of networks that predict overlapping regions, one sigmoid each, instead of exclusive classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.handlers import IgniteMetricHandler
from monai.losses import DiceLoss
from monai.metrics import DiceMetric
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.training.losses import DeepSupervision
from monai_unet.transforms import regions_of


class RegionDiceBCE(nn.Module):
    """Soft Dice over the batch plus binary cross-entropy; logits and masks (N, regions, *spatial).

    Args:
        weights: of the regions in the cross-entropy and the Dice, mean 1; all equal by default.
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.dice = DiceLoss(sigmoid=True, batch=True, weight=weights)
        self.weights: Tensor | None
        self.register_buffer("weights", None if weights is None else torch.tensor([float(w) for w in weights]))

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Mean over regions and voxels."""
        target = masks.to(logits.dtype)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        per_region = entropy.mean(dim=(0, *range(2, logits.ndim)))
        if self.weights is not None:
            per_region = per_region * self.weights
        return self.dice(logits, target) + per_region.mean()


def region_loss(weights: Sequence[float] | None = None) -> nn.Module:
    """`RegionDiceBCE`, ready for deep supervision."""
    return DeepSupervision(RegionDiceBCE(weights))


def mean_region_dice() -> IgniteMetricHandler:
    """Mean Dice over cases and the three regions of a brain tumour, from label maps (1, *spatial) of BraTS 2023.

    A region that only one of the two has counts as 0, one that neither has as 1: no case is dropped from the mean.
    """
    return IgniteMetricHandler(
        metric_fn=DiceMetric(include_background=True, ignore_empty=False),
        output_transform=lambda output: (
            [regions_of(item["pred"]) for item in output],
            [regions_of(item["label"]) for item in output],
        ),
    )
