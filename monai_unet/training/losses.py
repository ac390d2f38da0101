"""Losses by name, on logits (N, C, *spatial) and labels (N, 1, *spatial) of class indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.losses import DiceLoss, TverskyLoss
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.errors import InputError
from monai_unet.mappings import Json

_NOTHING = -100
"""Class index of ignored voxels inside this module; PyTorch's cross-entropy skips it."""


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (N, C, *spatial) against labels (N, 1, *spatial).

    Args:
        weights: of the classes, the background first.
    """

    def __init__(self, weights: Tensor | None = None) -> None:
        super().__init__()
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over all voxels, weighted by class."""
        return F.cross_entropy(logits, labels[:, 0].long(), weight=self.weights, ignore_index=_NOTHING)


class Focal(nn.Module):
    """Focal loss (Lin et al. 2017, arXiv:1708.02002): cross-entropy times (1 - p)^gamma, p of the right class."""

    def __init__(self, weights: Tensor | None = None, *, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over all voxels.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        target = labels[:, 0].long()
        kept = target != _NOTHING
        entropy = F.cross_entropy(logits, target, reduction="none", ignore_index=_NOTHING)
        focal = (1 - torch.exp(-entropy)) ** self.gamma * entropy
        if self.weights is not None:
            focal = focal * self.weights[target.clamp_min(0)]
        return focal.sum() / kept.sum().clamp_min(1)


class OverlapLoss(nn.Module):
    """A loss of MONAI's on the overlap of whole structures; ignored voxels belong to no structure on either side."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the foreground classes.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        ignored = labels == _NOTHING
        if ignored.any():
            background = torch.full_like(logits, -1e4)
            background[:, 0] = 0
            logits, labels = torch.where(ignored, background, logits), labels.masked_fill(ignored, 0)
        return self.loss(logits, labels)


class Boundary(nn.Module):
    """Boundary loss (Kervadec et al. 2019, arXiv:1812.07032): probabilities weighted by the distance to the boundary.

    The signed distance in voxels is negative inside the structure, so the loss is too; it is smallest for the reference
    itself. A crop without the structure has no boundary and counts 0. Use it beside a loss on overlap.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over voxels, foreground classes and batch.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        ignored = labels == _NOTHING
        probabilities = logits.softmax(1)[:, 1:].masked_fill(ignored, 0)
        return (probabilities * signed_distances(labels, logits.shape[1]).to(probabilities)).mean()


@torch.no_grad()
def signed_distances(labels: Tensor, classes: int) -> Tensor:
    """Distance of each voxel to each foreground class's boundary, in voxels: labels (N, 1, …) → (N, classes - 1, …).

    As the paper's code: outside, the distance to the nearest voxel of the class; inside, 1 minus that to the nearest
    voxel outside it.
    """
    maps = torch.zeros(len(labels), classes - 1, *labels.shape[2:])
    for case, label in enumerate(labels[:, 0].cpu()):
        for index in range(1, classes):
            inside = (label == index).numpy()
            if inside.any() and not inside.all():
                outward, inward = distance_transform_edt(~inside), distance_transform_edt(inside)
                maps[case, index - 1] = torch.from_numpy(outward - (inward - 1) * inside)
    return maps


class Denoising(nn.Module):
    """Mean squared error of the predicted clean mask in -1…1: the simple objective of DDPM (Ho et al. 2020)."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over voxels and classes.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        target = F.one_hot(labels[:, 0].long(), logits.shape[1]).movedim(-1, 1)
        return 4 * F.mse_loss(logits.softmax(1), target.to(logits.dtype))


class Sum(nn.Module):
    """Weighted sum of losses."""

    def __init__(self, *parts: tuple[float, nn.Module]) -> None:
        super().__init__()
        self.factors = [factor for factor, _ in parts]
        self.losses = nn.ModuleList([loss for _, loss in parts])

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Sum of factor × loss.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        first, *others = (f * loss(logits, labels) for f, loss in zip(self.factors, self.losses, strict=True))
        return sum(others, first)


class IgnoreLabel(nn.Module):
    """A loss that takes no notice of voxels with one label."""

    def __init__(self, loss: nn.Module, label: int) -> None:
        super().__init__()
        self.loss, self.label = loss, label

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss over all other voxels.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        return self.loss(logits, labels.long().masked_fill(labels == self.label, _NOTHING))


class DeepSupervision(nn.Module):
    """Weighted sum of one loss over outputs from full resolution to coarse, weights 1, 1/2, 1/4, … normalised.

    Labels are sampled to each output's size (nearest). A single tensor is passed through.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Tensor | Sequence[Tensor], labels: Tensor) -> Tensor:
        """Loss of one output, or of a list of outputs.

        Logits (N, C, *spatial), labels (N, 1, *spatial).
        """
        if isinstance(outputs, Tensor):
            return self.loss(outputs, labels)
        weights = [0.5**level for level in range(len(outputs))]
        losses = [
            weight * self.loss(output, F.interpolate(labels.float(), size=output.shape[2:], mode="nearest-exact"))
            for weight, output in zip(weights, outputs, strict=True)
        ]
        return sum(losses[1:], losses[0]) / sum(weights)


# soft Dice over the whole batch: a crop without a structure then does not count as a miss of everything
_OVERLAP: Json = {"to_onehot_y": True, "softmax": True, "batch": True, "include_background": False}


def _dice(weights: Tensor | None) -> nn.Module:
    if weights is None:
        return OverlapLoss(DiceLoss(**_OVERLAP))
    foreground = weights[1:]
    return OverlapLoss(DiceLoss(**_OVERLAP, weight=foreground / foreground.mean()))


def _tversky(weights: Tensor | None, *, alpha: float = 0.3, beta: float = 0.7) -> nn.Module:
    return OverlapLoss(TverskyLoss(**_OVERLAP, alpha=alpha, beta=beta))


@dataclass(frozen=True)
class Loss:
    """One row of the table: how a loss is made from class weights and its own options."""

    build: Callable[..., nn.Module]
    class_weights: bool = True
    ignore_label: bool = True
    options: tuple[str, ...] = ()


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(CrossEntropy),
    "dice": Loss(_dice),
    "dice_ce": Loss(lambda weights: Sum((1.0, _dice(weights)), (1.0, CrossEntropy(weights)))),
    # false negatives cost more than false positives (Salehi et al. 2017, arXiv:1706.05721): for small structures
    "tversky": Loss(_tversky, class_weights=False, options=("alpha", "beta")),
    "focal": Loss(Focal, options=("gamma",)),
    "dice_focal": Loss(
        lambda weights, **options: Sum((1.0, _dice(weights)), (1.0, Focal(weights, **options))), options=("gamma",)
    ),
    "boundary": Loss(lambda weights: Boundary(), class_weights=False),
    "dice_ce_boundary": Loss(
        lambda weights, *, factor=0.01: Sum((1.0, _dice(weights)), (1.0, CrossEntropy(weights)), (factor, Boundary())),
        options=("factor",),
    ),
    "denoising": Loss(lambda weights: Denoising(), class_weights=False, ignore_label=False),
}


def build_loss(
    name: str = "dice_ce",
    *,
    class_weights: Sequence[float] | None = None,
    ignore_label: int | None = None,
    **options: Any,
) -> nn.Module:
    """The loss called `name`, ready for deep supervision.

    Args:
        name: one of `LOSSES`.
        class_weights: one per class, the background first; overlap losses use those of the foreground.
        ignore_label: voxels with this label do not count, for example those that nobody annotated.
        options: `alpha` and `beta` (Tversky: false positives, false negatives), `gamma` (focal), `factor` (boundary).

    Raises:
        InputError: unknown name or option, or one that this loss does not have; the message lists what exists.
    """
    if name not in LOSSES:
        raise InputError(f"unknown loss {name!r}; choose one of {', '.join(LOSSES)}")
    row = LOSSES[name]
    for option in options:
        if option not in row.options:
            raise InputError(f"{name} has no option {option!r}; it has {', '.join(row.options) or 'none'}")
    if class_weights is not None and not row.class_weights:
        raise InputError(f"{name} has no class_weights; {_having('class_weights')} have them")
    if ignore_label is not None and not row.ignore_label:
        raise InputError(f"{name} has no ignore_label; {_having('ignore_label')} have it")
    loss = row.build(_weights(class_weights), **options)
    return DeepSupervision(loss if ignore_label is None else IgnoreLabel(loss, ignore_label))


def _weights(values: Sequence[float] | None) -> Tensor | None:
    if values is None:
        return None
    weights = torch.tensor([float(value) for value in values])
    if len(weights) < 2 or not (weights >= 0).all() or weights[1:].sum() == 0 or not weights.isfinite().all():
        raise InputError(f"class_weights must be one number of 0 or more per class, got {list(values)}")
    return weights


def _having(column: str) -> str:
    return ", ".join(name for name, row in LOSSES.items() if getattr(row, column))
