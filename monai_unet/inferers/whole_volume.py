"""The whole volume in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor


class WholeVolumeInferer(Inferer):
    """One forward pass over the whole volume, and one per mirrored copy when `flips` are asked for.

    Args:
        flips: spatial axes (of S, A, R: 0, 1, 2); for each, a mirrored copy is computed too, mirrored back, and the
            class probabilities are averaged.

    The result is logits (N, C, S, A, R); with flips, log probabilities. It carries the metadata of the input, so that
    `Invertd` can put it back on the grid of the file.
    """

    def __init__(self, flips: Sequence[int] = ()) -> None:
        super().__init__()
        self.flips = tuple(flips)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """(N, channels, S, A, R) → (N, C, S, A, R)."""
        image = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        if not self.flips:
            logits = network(image, *args, **kwargs)
        else:
            axes = [axis + 2 for axis in self.flips]
            copies = torch.cat([image, *(image.flip(axis) for axis in axes)])
            own, *mirrored = network(copies, *args, **kwargs).softmax(1).split(image.shape[0])
            logits = (own + sum(p.flip(axis) for p, axis in zip(mirrored, axes, strict=True))).div(1 + len(axes)).log()
        if isinstance(inputs, MetaTensor):
            return MetaTensor(logits, meta=inputs.meta, applied_operations=inputs.applied_operations)
        return logits
