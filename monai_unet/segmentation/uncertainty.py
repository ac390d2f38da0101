"""How unsure a model is, voxel by voxel: the entropy of its class probabilities."""

from __future__ import annotations

import math
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import SpatialResample
from torch import Tensor

from monai_unet.geometry import grid_of
from monai_unet.inferers import SMALLEST, Activation
from monai_unet.segmentation.source_grid import Source


def entropy(logits: Tensor, activation: Activation) -> Tensor:
    """Logits (C, S, A, R) → entropy (S, A, R) between 0 (sure) and 1 (all classes alike).

    Shannon's entropy of the softmax, divided by log C; for regions the largest binary entropy of any of them.
    """
    if activation == "softmax":
        logs = logits.log_softmax(0)
        return -(logs.exp() * logs).sum(0) / math.log(logits.shape[0])
    inside = logits.sigmoid()
    parts = [p * p.clamp_min(SMALLEST).log() for p in (inside, 1 - inside)]
    return (-(parts[0] + parts[1]) / math.log(2)).amax(0)


def on_source(values: Tensor, image: MetaTensor, source: Source) -> MetaTensor:
    """Values (S, A, R) on the network's grid, interpolated onto the grid of the source, (1, S, A, R) working frame.

    Values are shares from 0 to 1, interpolated linearly.
    """
    volume: Any = MetaTensor(values[None].cpu(), affine=image.affine)
    working = source.grid.to_working()
    if not grid_of(volume).matches(working):
        volume = SpatialResample(mode="bilinear", padding_mode="border")(
            volume, dst_affine=torch.as_tensor(working.affine), spatial_size=working.shape
        )
    return MetaTensor(volume.as_tensor().float(), meta=source.meta)
