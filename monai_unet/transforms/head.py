"""A head around a skull-stripped brain: fluid, bone, scalp and the soft tissue below, for networks to have seen one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import BorderPad, MapTransform, Randomizable
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, distance_transform_edt, gaussian_filter

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict
from monai_unet.transforms.random_fields import FloatArray, between, smooth_noise

BRIGHTNESS: dict[str, dict[str, tuple[float, float]]] = {
    "flair": {
        "fluid": (0.05, 0.3),
        "bone": (0.02, 0.15),
        "marrow": (0.2, 0.7),
        "fat": (0.5, 1.3),
        "muscle": (0.3, 0.6),
    },
    "t1": {"fluid": (0.15, 0.35), "bone": (0.03, 0.2), "marrow": (0.5, 1.0), "fat": (0.9, 1.9), "muscle": (0.35, 0.6)},
    "t1c": {"fluid": (0.15, 0.35), "bone": (0.03, 0.2), "marrow": (0.4, 1.0), "fat": (0.8, 1.8), "muscle": (0.4, 0.75)},
    "t2": {"fluid": (0.8, 1.5), "bone": (0.02, 0.15), "marrow": (0.3, 0.7), "fat": (0.5, 1.2), "muscle": (0.15, 0.35)},
}
"""Range of the intensity of each tissue, relative to the 99th percentile of the brain in that sequence."""


class RandHeadd(Randomizable, MapTransform):
    """Paint a head around the brain of an image (C, S, A, R) with background 0; air stays 0.

    From the brain outwards: fluid, bone with marrow in its middle, scalp; below the brain the outermost layer is
    several centimetres of fat and muscle. It is meant to teach a network that what lies around a brain is no tumour,
    not to look like anybody. Brain voxels and labels are left as they are; `keys` and `also` are padded alike.

    Args:
        keys: images, intensities 0 and above.
        sequences: name of each channel: a key of `BRIGHTNESS`.
        also: other entries on the same grid (labels, tissue maps), padded with 0; may be missing.
        prob: of a head.
        pad_mm: range of what is added on each side, in mm (a tensor without a grid has voxels of 1 mm).

    Raises:
        InputError: a sequence that `BRIGHTNESS` does not have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        sequences: Sequence[str],
        also: Sequence[str] = ("label",),
        prob: float = 0.3,
        pad_mm: Sequence[float] = (4.0, 30.0),
    ) -> None:
        super().__init__(keys)
        for sequence in sequences:
            if sequence not in BRIGHTNESS:
                raise InputError(f"there is no sequence '{sequence}'; choose one of {', '.join(BRIGHTNESS)}.")
        self.sequences, self.also, self.prob, self.pad_mm = tuple(sequences), tuple(also), prob, tuple(pad_mm)

    def __call__(self, data: CaseData) -> CaseDict:
        """Paint around one case, or leave it."""
        result = dict(data)
        if self.R.uniform() >= self.prob:
            return result
        keys = list(self.key_iterator(result))
        one = result[keys[0]]
        spacing = grid_of(one).spacing if isinstance(one, MetaTensor) else (1.0, 1.0, 1.0)
        pad = BorderPad([int(between(self.R, self.pad_mm) / mm) for mm in spacing for _ in range(2)], value=0)
        for name in [*keys, *(other for other in self.also if other in result)]:
            result[name] = pad(result[name])
        for key in keys:
            image = result[key]
            painted = self._painted(np.asarray(image, dtype=np.float32), spacing)
            if isinstance(image, MetaTensor):
                result[key] = MetaTensor(
                    torch.from_numpy(painted), meta=dict(image.meta), applied_operations=list(image.applied_operations)
                )
            else:
                result[key] = torch.from_numpy(painted)
        return result

    def _painted(self, image: FloatArray, spacing: Sequence[float]) -> FloatArray:
        random = self.R
        brain = binary_fill_holes(binary_closing(np.pad((image != 0).any(0), 3), iterations=2))[3:-3, 3:-3, 3:-3]
        if not brain.any():
            return image
        outside = distance_transform_edt(~brain, sampling=spacing).astype(np.float32)
        layers = _layers(outside, brain, spacing, random)
        painted = image.copy()
        for channel, sequence in zip(painted, self.sequences, strict=True):
            if not channel.any():
                continue
            values = np.zeros_like(channel)
            for tissue, (low, high) in BRIGHTNESS[sequence].items():
                values += layers[tissue] * between(random, (low, high))
            texture = 1 + between(random, (0.03, 0.15)) * smooth_noise(
                values.shape, spacing, between(random, (3, 12)), random
            )
            top = float(np.percentile(channel[channel > 0], 99))
            around = channel == 0
            channel[around] = (np.maximum(values * texture, 0) * top)[around]
        return painted


def _layers(
    outside: FloatArray, brain: NDArray[np.bool_], spacing: Sequence[float], random: RandomState
) -> dict[str, FloatArray]:
    """How much of each tissue is in each voxel (S, A, R), 0 to 1, by the distance in mm from the brain."""
    shape = outside.shape

    def thickness(low: float, high: float) -> FloatArray:
        wobble = 1 + 0.25 * smooth_noise(shape, spacing, 40.0, random)
        return np.asarray(between(random, (low, high)) * np.clip(wobble, 0.3, 2.0), dtype=np.float32)

    rows = np.flatnonzero(brain.any((1, 2)))
    # in axis 0 the head goes upwards: 1 at the lowest brain, 0 from a third of its height on
    below = np.clip(1 - (np.arange(shape[0]) - rows[0]) / max(1, (rows[-1] - rows[0]) / 3), 0, 1)[:, None, None]
    fluid_end = thickness(0.5, 5.0)
    bone_end = fluid_end + thickness(3.0, 9.0)
    scalp_end = bone_end + thickness(3.0, 12.0) + below * between(random, (10.0, 50.0))
    depth = (outside - fluid_end) / np.maximum(bone_end - fluid_end, 1e-3)
    fleshy = smooth_noise(shape, spacing, between(random, (8.0, 25.0)), random) > between(random, (-0.8, 0.8))
    bone = (outside > fluid_end) & (outside <= bone_end)
    marrow = bone & (np.abs(depth - 0.5) < between(random, (0.0, 0.3)))
    flesh = (outside > bone_end) & (outside <= scalp_end)
    muscle = flesh & fleshy & (outside > bone_end + 2)
    parts = {
        "fluid": (outside > 0) & (outside <= fluid_end),
        "bone": bone & ~marrow,
        "marrow": marrow,
        "fat": flesh & ~muscle,
        "muscle": muscle,
    }
    inside = outside <= scalp_end
    return {
        name: gaussian_filter(part.astype(np.float32), [0.6 / mm for mm in spacing]) * inside
        for name, part in parts.items()
    }
