"""What the trainer hands to the network besides the image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.engines import default_prepare_batch
from torch import Tensor, nn

from monai_unet.networks import DiffusionUNet


def training_batch(network: nn.Module) -> Callable[..., tuple[object, ...] | Tensor]:
    """The `prepare_batch` of MONAI's `SupervisedTrainer` for a network of the family.

    A diffusion network learns to clean the noised label, so it is given the label too; any other sees the image alone.
    Tensors are (N, C, S, A, R).
    """
    return _with_label if isinstance(network, DiffusionUNet) else default_prepare_batch


def _with_label(
    batch: dict[str, Tensor], device: str | torch.device | None = None, non_blocking: bool = False, **keywords: object
) -> tuple[object, ...]:
    image, label = default_prepare_batch(batch, device, non_blocking, **keywords)
    return image, label, (label,), {}
