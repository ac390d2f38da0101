"""Channels of unlike scale normalised each in its own way: CT beside PET, say."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


class NormalizeChannelsd(MapTransform):
    """Each channel (S, A, R) of an image by a window that is known, or by its own mean and deviation.

    Args:
        keys: images (C, S, A, R).
        windows: for each channel lowest and highest value that are kept apart, mean and standard deviation, all in the
            image's unit; None cuts at the channel's own 0.5 and 99.5 per cent and takes its own mean and deviation.
    """

    def __init__(self, keys: KeysCollection, *, windows: Sequence[Sequence[float] | None]) -> None:
        super().__init__(keys)
        self.windows = [None if window is None else tuple(float(value) for value in window) for window in windows]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            array = np.asarray(image, dtype=np.float32).copy()
            for channel, window in zip(array, self.windows, strict=True):
                if window is None:
                    low, high = np.percentile(channel, (0.5, 99.5))
                    np.clip(channel, low, high, out=channel)
                    mean, deviation = float(channel.mean()), float(channel.std())
                else:
                    low, high, mean, deviation = window
                    np.clip(channel, low, high, out=channel)
                channel -= mean
                channel /= max(deviation, 1e-6)
            tensor = torch.from_numpy(array)
            if isinstance(image, MetaTensor):
                tensor = MetaTensor(tensor, meta=dict(image.meta), applied_operations=list(image.applied_operations))
            result[key] = tensor
        return result
