"""nnU-Net's sliding window: evenly spread windows, its Gaussian weights, mirrored copies averaged as logits.

Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; the rules are those of `nnunetv2` 2.8.1 (`predict_from_raw_data`,
`sliding_window_prediction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations, product
from math import ceil, prod

import numpy as np
import torch
from monai.utils import fall_back_tuple
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from monai_unet.inferers.sliding_window import StreamingSlidingWindowInferer, Window
from monai_unet.inferers.streaming import Network, borrowing, single_output

HIGHEST = 10.0
"""Weight of a window's middle."""


class EvenWindowInferer(StreamingSlidingWindowInferer):
    """The windows of nnU-Net: as few as the step allows, spread evenly from the first to the last voxel.

    Args:
        roi_size: window in voxels along the image's three axes; the first is 1 for a network of slices.
        step: largest distance of two windows, as a share of the window.
        mirror_axes: spatial axes (0, 1, 2) along which the window is mirrored, in all combinations; the mean is taken
            of the logits.
        gaussian: weigh the middle of a window more.
        sw_batch_size: windows computed at once.

    >>> inferer = EvenWindowInferer([4, 8, 8], mirror_axes=[0])
    >>> inferer(torch.zeros(1, 1, 6, 10, 8), torch.nn.Conv3d(1, 2, 1)).shape
    torch.Size([1, 2, 6, 10, 8])
    """

    def __init__(
        self,
        roi_size: Sequence[int],
        *,
        step: float = 0.5,
        mirror_axes: Sequence[int] = (),
        gaussian: bool = True,
        sw_batch_size: int = 1,
    ) -> None:
        if not 0 < step <= 1:
            raise ValueError(f"step must be above 0 and at most 1, got {step}")
        super().__init__(roi_size, overlap=1 - step, sw_batch_size=sw_batch_size)
        self.step, self.mirror_axes, self.gaussian = step, tuple(mirror_axes), gaussian
        self.smallest_on_cpu = 1

    def computed_voxels(self, size: Sequence[int]) -> int:
        """Voxels that the network sees for an image of that spatial size: windows overlap and are mirrored."""
        roi = fall_back_tuple(self.roi_size, tuple(size))
        padded = [max(have, window) for have, window in zip(size, roi, strict=True)]
        return len(self._windows(padded, roi)) * prod(roi) * 2 ** len(self.mirror_axes)

    def _windows(self, size: Sequence[int], roi: Sequence[int]) -> list[Window]:
        starts = [even_starts(have, window, self.step) for have, window in zip(size, roi, strict=True)]
        return [tuple(slice(i, i + n) for i, n in zip(first, roi, strict=True)) for first in product(*starts)]

    def _weights(self, roi: Sequence[int], device: torch.device) -> Tensor:
        weights = gaussian_weights(roi) if self.gaussian else torch.ones(tuple(roi))
        return weights.to(device)

    def _averaged(self, network: Network) -> Network:
        return _MirroredMean(network, self.mirror_axes) if self.mirror_axes else borrowing(network)


class _MirroredMean:
    """Mean logits over all combinations of mirrored axes, one copy of the tile in memory at a time."""

    def __init__(self, network: Network, axes: Sequence[int]) -> None:
        dims = [axis + 2 for axis in axes]
        self.network = network
        self.mirrors = list(chain.from_iterable(combinations(dims, n) for n in range(1, len(dims) + 1)))

    def __call__(self, tiles: Tensor, *args: object, **kwargs: object) -> Tensor:
        """(N, channels, *spatial) → (N, C, *spatial)."""
        total = single_output(self.network(tiles, *args, **kwargs)).float()
        for mirror in self.mirrors:
            copied = tiles.flip(mirror)
            total += single_output(borrowing(self.network)(copied, *args, **kwargs)).float().flip(mirror)
        return total.div_(len(self.mirrors) + 1)


def even_starts(size: int, window: int, step: float) -> list[int]:
    """Where windows begin along an axis of `size` ≥ `window` voxels; each voxel once where the window is one.

    >>> even_starts(110, 64, 0.5)
    [0, 23, 46]
    """
    if window == 1:
        return list(range(size))
    count = ceil((size - window) / (window * step)) + 1
    apart = (size - window) / (count - 1) if count > 1 else 0.0
    return [int(np.round(apart * i)) for i in range(count)]


def gaussian_weights(roi: Sequence[int]) -> Tensor:
    """Weights of a window: a Gaussian of an eighth of each side, in half precision as nnU-Net rounds them, nowhere 0.

    Window in voxels → (*roi) float32.
    """
    weights = np.ones((1, 1, 1))
    for axis, length in enumerate(roi):
        peak = np.zeros(length)
        peak[length // 2] = 1
        line = gaussian_filter1d(peak, length / 8, mode="constant")
        weights = weights * line.reshape([-1 if a == axis else 1 for a in range(3)])
    rounded = (weights * (HIGHEST / weights.max())).astype(np.float16)
    rounded[rounded == 0] = rounded[rounded > 0].min()
    return torch.from_numpy(rounded.astype(np.float32))
