"""What the trainer hands to the network besides the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monai.engines import default_prepare_batch
from torch import nn

from monai_unet.networks import DiffusionUNet


def training_batch(network: nn.Module) -> Callable[..., Any]:
    """The `prepare_batch` of MONAI's `SupervisedTrainer` for a network of the family.

    A diffusion network learns to clean the noised label, so it is given the label too; any other sees the image alone.
    """
    return _with_label if isinstance(network, DiffusionUNet) else default_prepare_batch


def _with_label(*arguments: Any, **keywords: Any) -> tuple[Any, ...]:
    image, label = default_prepare_batch(*arguments, **keywords)
    return image, label, (label,), {}
