"""PyTorch's fast 3D convolution on the CPU, also for one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

T = TypeVar("T")

SMALL = 20480
"""Batch × channels × planes × rows up to which PyTorch takes its own convolution for a single image."""


class OneDNNForSingleImages(TorchFunctionMode):
    """While it is entered, 3D convolutions of a batch of one go to oneDNN, as those of larger batches do.

    PyTorch sends a single image of few channels and small planes to an unfolding convolution of its own, which takes
    about twice the time for small networks. Computation without gradients in float32 on the CPU alone is touched.
    """

    def __torch_function__(
        self, func: Callable[..., T], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> T | Tensor:
        """Called by PyTorch for each of its functions."""
        if func is F.conv3d and not kwargs and _is_small(*args):
            return _convolved(*args)
        return func(*args, **(kwargs or {}))


def _is_small(image: Tensor, weight: Tensor, *rest: object) -> bool:
    plain = image.dim() == 5 and image.shape[0] == 1 and image.numel() > 0 and not torch.is_grad_enabled()
    kind = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (image, weight))
    named_padding = len(rest) > 2 and isinstance(rest[2], str)
    return plain and kind and not named_padding and image.shape[1] * image.shape[2] * image.shape[3] <= SMALL


def _convolved(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """The arguments of `conv3d`, by oneDNN."""
    sizes = [(value,) * 3 if isinstance(value, int) else tuple(value) for value in (padding, stride, dilation)]
    padding, stride, dilation = sizes
    return torch.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
