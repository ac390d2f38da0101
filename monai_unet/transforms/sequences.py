"""MR sequences as channels: intensities made comparable, channels left out in training."""

from __future__ import annotations

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from numpy.typing import NDArray

from monai_unet.mappings import CaseData, CaseDict

_STRIPPED = 0.5
"""Share of the voxels on the volume's faces that have one exact value where the background was set to it."""


class NormalizeSequencesd(MapTransform):
    """Each channel (S, A, R) of an image minus the median of its foreground, by its interquartile range; background 0.

    The foreground is what differs from the background of a skull-stripped image (whatever value that has), else what is
    brighter than air. Median and quartiles move less than mean and deviation when a tumour is large. One standard
    deviation is 1 for normally distributed values. A channel without any signal stays 0.

    Args:
        keys: images (C, S, A, R).
        lowest, highest: where values are cut off.
        keep_background: the background is scaled like the rest, so that air stays dark, instead of becoming 0.
    """

    def __init__(
        self, keys: KeysCollection, *, lowest: float = -5.0, highest: float = 8.0, keep_background: bool = False
    ) -> None:
        super().__init__(keys)
        self.lowest, self.highest, self.keep_background = lowest, highest, keep_background

    def __call__(self, data: CaseData) -> CaseDict:
        """Normalise one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            array = np.asarray(image, dtype=np.float32).copy()
            for channel in array:
                inside = foreground(channel)
                if not inside.any():
                    channel[:] = 0
                    continue
                low, middle, high = np.percentile(channel[inside], (25, 50, 75))
                # a normal distribution has 1.349 standard deviations between its quartiles
                scaled = (channel - middle) * (1.349 / max(float(high - low), 1e-6))
                shown = inside | self.keep_background
                channel[:] = np.where(shown, np.clip(scaled, self.lowest, self.highest), 0)
            tensor = torch.from_numpy(array)
            if isinstance(image, MetaTensor):
                tensor = MetaTensor(tensor, meta=dict(image.meta), applied_operations=list(image.applied_operations))
            result[key] = tensor
        return result


def foreground(channel: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mask of what is not background in an image (S, A, R)."""
    lowest, highest = float(channel.min()), float(channel.max())
    if lowest == highest:
        return np.zeros(channel.shape, dtype=bool)
    value = background_value(channel)
    if value is not None:
        return channel != value
    # the head fills less than all of the volume: air is what lies below a tenth of the bright end
    return channel > lowest + 0.1 * (float(np.percentile(channel, 99)) - lowest)


def background_value(channel: NDArray[np.float32]) -> float | None:
    """The one value of the background of a skull-stripped image (S, A, R), or None where there is no such value.

    Intensities in any unit.
    """
    faces = np.concatenate([np.take(channel, index, axis=axis).ravel() for axis in range(3) for index in (0, -1)])
    values, counts = np.unique(faces, return_counts=True)
    return float(values[counts.argmax()]) if counts.max() >= _STRIPPED * faces.size else None


class RandDropChannelsd(Randomizable, MapTransform):
    """Set channels of an image (C, …) to 0, as if these sequences had not been acquired; at least one stays.

    Args:
        keys: images.
        prob: that any channel is dropped; each is then kept with probability `keep`.
        keep: see there.
    """

    def __init__(self, keys: KeysCollection, *, prob: float = 0.7, keep: float = 0.5) -> None:
        super().__init__(keys)
        self.prob, self.keep = prob, keep

    def __call__(self, data: CaseData) -> CaseDict:
        """Drop channels of one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            given = [number for number, channel in enumerate(image) if bool(channel.any())]
            if not given or self.R.uniform() >= self.prob:
                continue
            kept = [number for number in given if self.R.uniform() < self.keep]
            kept = kept or [given[int(self.R.randint(len(given)))]]
            factors = torch.zeros(len(image))
            factors[kept] = 1
            result[key] = image * factors.reshape(-1, *[1] * (image.ndim - 1))
        return result


class RandSequenceIntensitiesd(Randomizable, MapTransform):
    """Scale, shift and noise for each channel (S, A, R) of normalised sequences by itself; background 0 stays 0.

    The shift is as wide as what a large tumour or another field of view does to median and quartiles.

    Args:
        keys: images (C, S, A, R).
        scale: range of the factor.
        shift: largest shift.
        noise: largest standard deviation.
        prob: of each.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        scale: tuple[float, float] = (0.7, 1.4),
        shift: float = 0.5,
        noise: float = 0.2,
        prob: float = 0.7,
    ) -> None:
        super().__init__(keys)
        self.scale, self.shift, self.noise, self.prob = tuple(scale), shift, noise, prob

    def __call__(self, data: CaseData) -> CaseDict:
        """Change one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = torch.as_tensor(result[key]).clone()
            for channel in image:
                if self.R.uniform() < self.prob:
                    channel *= float(np.exp(self.R.uniform(*np.log(self.scale))))
                inside = channel != 0
                if self.R.uniform() < self.prob:
                    channel += float(self.R.uniform(-self.shift, self.shift)) * inside
                if self.R.uniform() < self.prob:
                    drawn = self.R.standard_normal(tuple(channel.shape)).astype(np.float32)
                    channel += float(self.R.uniform(0, self.noise)) * torch.from_numpy(drawn) * inside
            result[key] = image
        return result
