"""The slices beside each slice as channels: what a network that works slice by slice sees of the third dimension."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


class AddNeighbourSlicesd(MapTransform):
    """Channels from `count` slices before to `count` behind, of each image (1, S, *plane) → (2 count + 1, S, *plane).

    The middle channel is the image itself. Beyond the first and the last slice these go on.

    Args:
        keys: images whose first spatial axis runs across the slices, see `SlicesFirstd`.
        count: neighbours on either side.
    """

    def __init__(self, keys: KeysCollection, *, count: int = 1) -> None:
        super().__init__(keys)
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.count = count

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add them to one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            if len(image) != 1:
                raise ValueError(f"the image must have one channel, got {len(image)}")
            slices = image.as_tensor()[0]
            places = torch.arange(len(slices))
            shifts = range(-self.count, self.count + 1)
            stacked = torch.stack([slices[(places + shift).clamp(0, len(slices) - 1)] for shift in shifts])
            result[key] = MetaTensor(stacked, meta=dict(image.meta), applied_operations=list(image.applied_operations))
        return result
