"""One slice with its neighbours out of a stack, cut, turned and bent: a training sample of a slice-wise network."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable
from numpy.typing import NDArray
from torch.nn import functional as F

_CONTROL = 6
"""Points per axis whose random shifts bend a slice."""


class RandSlicePatchd(Randomizable, MapTransform):
    """A slice at random of image (C, S, A, R) and label (1, S, A, R): (C, 1, *patch_size) and (1, 1, *patch_size).

    The channels of the image are the slice in the middle of its neighbours (`AddNeighbourSlicesd`). One resampling in
    the plane does all: turn, scale, shear, bend, mirror. Beyond the slice its border goes on.

    Args:
        patch_size: pixels (A, R).
        foreground: how often a slice with the structure is drawn, in a stack that has slices of both kinds.
        ends: weight of the slices in the first and last fifth of a stack among those without the structure.
        long: slices from which a stack has ends (whole heads, not a few slices).
        rotate: largest angle in radians.
        scale: largest relative change of size, as the logarithm.
        shear: largest shear factor.
        bend: standard deviation of the shifts that bend, in pixels.
        mirror: how often the last axis is mirrored.
        exchange: how often the slices before and behind change places.
        alone: how often the neighbours are copies of the slice, as at the end of a stack.
    """

    def __init__(
        self,
        *,
        patch_size: Sequence[int],
        image_key: Hashable = "image",
        label_key: Hashable = "label",
        foreground: float = 0.5,
        ends: float = 2.5,
        long: int = 12,
        rotate: float = 0.35,
        scale: float = 0.25,
        shear: float = 0.1,
        bend: float = 2.5,
        mirror: float = 0.5,
        exchange: float = 0.5,
        alone: float = 0.05,
    ) -> None:
        MapTransform.__init__(self, [image_key, label_key])
        self.image_key, self.label_key = image_key, label_key
        self.patch_size = tuple(int(n) for n in patch_size)
        self.foreground, self.ends, self.long = foreground, ends, long
        self.rotate, self.scale, self.shear, self.bend = rotate, scale, shear, bend
        self.mirror, self.exchange, self.alone = mirror, exchange, alone

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw one sample."""
        result = dict(data)
        image, label = torch.as_tensor(result[self.image_key]), torch.as_tensor(result[self.label_key])
        index = self._slice((label[0] > 0).flatten(1).any(1).numpy())
        channels, mask = image[:, index].float(), label[0, index].float()
        if self.R.uniform() < self.exchange:
            channels = channels.flip(0)
        if self.R.uniform() < self.alone:
            channels = channels[len(channels) // 2].expand_as(channels)
        grid = self._grid(mask.numpy())
        where: dict[str, Any] = {"padding_mode": "border", "align_corners": False}
        result[self.image_key] = F.grid_sample(channels[None], grid, mode="bilinear", **where)[0][:, None]
        sampled = F.grid_sample(mask[None, None], grid, mode="nearest", **where)[0][:, None]
        result[self.label_key] = sampled.to(label.dtype)
        return result

    def _slice(self, has: NDArray[np.bool_]) -> int:
        wanted = has if self.R.uniform() < self.foreground else ~has
        if not wanted.any():
            wanted = ~wanted
        weights = wanted.astype(float)
        count = len(has)
        if count >= self.long:
            place = np.arange(count)
            weights[((place < count / 5) | (place >= count - count / 5)) & ~has] *= self.ends
        return int(self.R.choice(count, p=weights / weights.sum()))

    def _grid(self, mask: NDArray[np.float32]) -> torch.Tensor:
        """(1, *patch_size, 2): where each pixel of the patch lies in the slice, in `grid_sample`'s units."""
        size, patch, random = np.array(mask.shape), np.array(self.patch_size), self.R
        room = np.maximum(size - patch, 0) / 2
        places = np.argwhere(mask > 0)
        centre = (size - 1) / 2 + random.uniform(-1, 1, 2) * room
        if len(places) and random.uniform() < 0.7:
            wanted = places[random.randint(len(places))] + random.uniform(-0.25, 0.25, 2) * patch
            centre = np.clip(wanted, (size - 1) / 2 - room, (size - 1) / 2 + room)
        angle = random.uniform(-self.rotate, self.rotate)
        cos, sin = np.cos(angle), np.sin(angle)
        zoom = np.exp(random.uniform(-self.scale, self.scale) + random.uniform(-0.2, 0.2, 2) * self.scale)
        if random.uniform() < self.mirror:
            zoom[1] = -zoom[1]
        shear = np.eye(2)
        shear[0, 1], shear[1, 0] = random.uniform(-self.shear, self.shear, 2)
        matrix = np.array([[cos, -sin], [sin, cos]]) @ shear @ np.diag(zoom)
        axes = [np.arange(n) - (n - 1) / 2 for n in patch]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ matrix.T + centre
        shifts = torch.from_numpy(random.normal(size=(1, 2, _CONTROL, _CONTROL)).astype(np.float32)) * self.bend
        bent = F.interpolate(shifts, size=tuple(patch), mode="bicubic", align_corners=True)[0]
        pixels = torch.from_numpy(points.astype(np.float32)) + bent.permute(1, 2, 0)
        scaled = (2 * pixels + 1) / torch.from_numpy(size.astype(np.float32)) - 1
        return scaled.flip(-1)[None]
