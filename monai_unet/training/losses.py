"""Losses by name, on logits (N, C, *spatial) and labels (N, 1, *spatial) of class indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monai.losses import DiceCELoss, DiceLoss
from torch import Tensor, nn
from torch.nn import functional as F


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (N, C, *spatial) against labels (N, 1, *spatial)."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over all voxels."""
        return F.cross_entropy(logits, labels[:, 0].long())


# soft Dice over the whole batch: a crop without a structure then does not count as a miss of everything
_DICE: dict[str, Any] = {"to_onehot_y": True, "softmax": True, "batch": True, "include_background": False}

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross_entropy": CrossEntropy,
    "dice": lambda: DiceLoss(**_DICE),
    "dice_ce": lambda: DiceCELoss(**_DICE),
}


class DeepSupervision(nn.Module):
    """Weighted sum of one loss over outputs from full resolution to coarse, weights 1, 1/2, 1/4, … normalised.

    Labels are sampled to each output's size (nearest). A single tensor is passed through.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Tensor | Sequence[Tensor], labels: Tensor) -> Tensor:
        """Loss of one output, or of a list of outputs."""
        if isinstance(outputs, Tensor):
            return self.loss(outputs, labels)
        weights = [0.5**level for level in range(len(outputs))]
        losses = [
            weight * self.loss(output, F.interpolate(labels.float(), size=output.shape[2:], mode="nearest-exact"))
            for weight, output in zip(weights, outputs, strict=True)
        ]
        return sum(losses[1:], losses[0]) / sum(weights)


def build_loss(name: str = "dice_ce") -> nn.Module:
    """The loss called `name`, ready for deep supervision.

    Raises:
        ValueError: unknown name; the message lists the names.
    """
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}; choose one of {', '.join(LOSSES)}")
    return DeepSupervision(LOSSES[name]())
