"""What scanners do to an image, drawn for each channel by itself: bias, contrast, thick slices, blur, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from numpy.random import RandomState
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict
from monai_unet.transforms.random_fields import FloatArray, between, smooth_noise


class RandScanEffectsd(Randomizable, MapTransform):
    """Degrade each channel of an image (C, S, A, R) as scanners and protocols do; background 0 stays 0.

    Args:
        keys: images, intensities 0 and above.
        bias: largest strength of the bias field, the standard deviation of its logarithm.
        gamma: range of the exponent of intensity, around the image's own range.
        slice_mm: range of the thickness of thick slices.
        thick: probability of thick slices.
        blur_mm: largest standard deviation of a blur.
        noise: largest standard deviation of Rician noise, relative to the 99th percentile.
        prob: of each of the others.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        bias: float = 0.25,
        gamma: Sequence[float] = (0.7, 1.5),
        slice_mm: Sequence[float] = (3.0, 7.0),
        thick: float = 0.4,
        blur_mm: float = 1.2,
        noise: float = 0.05,
        prob: float = 0.7,
    ) -> None:
        super().__init__(keys)
        self.bias, self.gamma, self.slice_mm, self.thick = bias, gamma, slice_mm, thick
        self.blur_mm, self.noise, self.prob = blur_mm, noise, prob

    def __call__(self, data: CaseData) -> CaseDict:
        """Degrade one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            array = np.asarray(image, dtype=np.float32).copy()
            spacing = grid_of(image).spacing if isinstance(image, MetaTensor) else (1.0, 1.0, 1.0)
            for channel in array:
                if channel.any():
                    self._degrade(channel, spacing)
            tensor = torch.from_numpy(array)
            if isinstance(image, MetaTensor):
                tensor = MetaTensor(tensor, meta=dict(image.meta), applied_operations=list(image.applied_operations))
            result[key] = tensor
        return result

    def _degrade(self, channel: FloatArray, spacing: Sequence[float]) -> None:
        """In place."""
        random, inside = self.R, channel != 0
        top = max(float(np.percentile(channel[inside], 99)), 1e-6)
        values = np.maximum(channel / top, 0)
        if random.uniform() < self.prob:
            strength = between(random, (0.0, self.bias))
            values = values * np.exp(strength * smooth_noise(values.shape, spacing, 90.0, random))
        if random.uniform() < self.prob:
            values = values ** between(random, self.gamma)
        if random.uniform() < self.thick:
            values = thick_slices(values, spacing, int(random.randint(3)), between(random, self.slice_mm))
        elif random.uniform() < self.prob:
            values = gaussian_filter(values, [between(random, (0.0, self.blur_mm)) / s for s in spacing])
        if random.uniform() < self.prob:
            values = _rician(values, between(random, (0.0, self.noise)), random)
        channel[:] = np.where(inside, np.maximum(values, 1e-3) * top, 0)


def thick_slices(image: FloatArray, spacing: Sequence[float], axis: int, thickness_mm: float) -> FloatArray:
    """An image (S, A, R) as if acquired in thick slices along an axis and interpolated back to its grid.

    Intensities keep their unit; `spacing` and thickness in mm.
    """
    step = thickness_mm / spacing[axis]
    if step <= 1:
        return image
    # a slice profile of the slice's width
    averaged = gaussian_filter1d(image, step / 2.355, axis=axis)
    count = image.shape[axis]
    places = np.minimum(np.arange(0, count - 1 + step, step), count - 1)
    coarse = np.take(averaged, np.rint(places).astype(int), axis=axis)
    position = np.minimum(np.arange(count) / step, len(places) - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(places) - 1)
    shape = [1, 1, 1]
    shape[axis] = count
    share = (position - low).reshape(shape).astype(np.float32)
    return np.take(coarse, low, axis=axis) * (1 - share) + np.take(coarse, high, axis=axis) * share


def _rician(image: FloatArray, deviation: float, random: RandomState) -> FloatArray:
    """Magnitude of a signal with Gaussian noise in both of its parts (Gudbjartsson and Patz 1995)."""
    real = image + deviation * random.standard_normal(image.shape).astype(np.float32)
    imaginary = deviation * random.standard_normal(image.shape).astype(np.float32)
    return np.sqrt(real * real + imaginary * imaginary)
