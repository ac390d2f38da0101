"""Strips with a halo: the result of the whole volume at the memory of a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_unet.inferers.averaging import Activation, Averaged
from monai_unet.inferers.equivariance import require_equivariance, tiling_of
from monai_unet.inferers.labels import argmax
from monai_unet.inferers.out_of_memory import is_out_of_memory, release_memory
from monai_unet.inferers.streaming import InferenceStep, Network, Slab, StreamingInferer, single_output


class HaloStripInferer(StreamingInferer):
    """Strips along the first axis (S), each computed with `halo` more planes on both sides that are thrown away.

    Strips start on multiples of the network's total stride, so that down- and upsampling fall on the same voxels as
    for the whole volume. No voxel is blended. At most `height` + 2 · halo planes are computed at once; the first and
    the last strip, which are cut on one side alone, keep `halo` more, and a volume of no more planes is not cut.

    Where memory runs out the strips become lower, down to the stride; `memory_fallback` says so.

    Args:
        height: planes of an inner strip that are kept; rounded up to a multiple of the total stride.
        halo: planes on both sides, as measured by `smallest_halo` on the bundle's validation cases; rounded up to a
            multiple of the total stride. None, or `exact`, uses half of the full receptive field: then each voxel
            sees exactly what it sees in the whole volume.
        exact: ignore `halo`.
        flips, activation, mirrored_pairs: as for `WholeVolumeInferer`, along A and R alone: a strip mirrored along S
            would lie between the multiples of the stride.
    """

    def __init__(
        self,
        height: int = 64,
        halo: int | None = None,
        *,
        exact: bool = False,
        flips: Sequence[int] = (),
        activation: Activation = "softmax",
        mirrored_pairs: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        if 0 in flips:
            raise ValueError("strips run along axis 0; flips can be 1 and 2")
        if height < 1 or (halo is not None and halo < 0):
            raise ValueError(f"height must be positive and halo not negative, got {height} and {halo}")
        self.height, self.halo, self.exact = height, halo, exact
        self.flips, self.activation, self.mirrored_pairs = tuple(flips), activation, mirrored_pairs
        self.memory_fallback = ""

    def stream(self, image: Tensor, network: Network, *args: object, **kwargs: object) -> Iterator[InferenceStep]:
        """Infer one image (channels, S, A, R).

        Raises:
            InputError: the network has instance statistics, or declares no stride and receptive field.
        """
        self.memory_fallback = ""
        require_equivariance(network, what="inference in strips")
        stride, field = (values[0] for values in tiling_of(network))
        halo = rounded_up(field // 2 if self.exact or self.halo is None else self.halo, stride)
        height = rounded_up(self.height, stride)
        averaged = Averaged([network], flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs)
        planes, start, done = image.shape[1], 0, 0
        while start < planes:
            low, stop, high = strip_from(start, planes, height, halo)
            try:
                strip = averaged(image[None, :, low:high], *args, **kwargs)[0]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or height == stride:
                    raise
                strip = None
            if strip is None:
                height = max(stride, height // 2 // stride * stride)
                self.memory_fallback = (
                    f"Memory ran out: strips of {height} planes were computed, which gives the same labels."
                )
                release_memory(image.device)
                continue
            done += 1
            left = -(-max(0, planes - stop - halo) // height)
            total = done + max(left, int(stop < planes))
            slab = Slab(start, strip[:, start - low : stop - low], shared=averaged.borrows)
            del strip
            yield InferenceStep(done, total, slab)
            start = stop


def strip_from(start: int, planes: int, height: int, halo: int) -> tuple[int, int, int]:
    """The strip that keeps planes from `start` on: first plane computed, end of those kept, end of those computed."""
    low = max(0, start - halo)
    high = min(planes, low + height + 2 * halo)
    return low, planes if high == planes else high - halo, high


def smallest_halo(
    images: Iterable[Tensor], network: Network, *, height: int = 32, agreement: float = 0.9999
) -> tuple[int, dict[int, float]]:
    """The smallest halo, a multiple of the total stride, for which labels equal those of the whole volume.

    Args:
        images: preprocessed validation images (channels, S, A, R), taken one at a time.
        height: planes kept of a strip, as they will be used: the lower the strips, the more cuts there are.
        agreement: share of voxels, in each image, whose label must be equal.

    Returns:
        The halo, and the smallest agreement over the images for each halo tried.
    """
    stride, field = (values[0] for values in tiling_of(network))
    largest = rounded_up(field // 2, stride)
    agreements: dict[int, float] = {}
    halo = 0
    for image in images:
        with torch.no_grad():
            whole = _labels(single_output(network(image[None]))[0])
            # what is too small for one image is too small for all, so that only the last halo and larger ones are tried
            for tried in range(halo, largest + stride, stride):
                strips = HaloStripInferer(height, tried)(image[None], network)[0]
                equal = float((_labels(strips) == whole).mean())
                agreements[tried] = min(equal, agreements.get(tried, 1.0))
                halo = tried
                if agreements[tried] >= agreement:
                    break
    return min(halo, largest), agreements


def _labels(logits: Tensor) -> NDArray[np.unsignedinteger] | NDArray[np.bool_]:
    return argmax(logits) if logits.shape[0] > 1 else (logits > 0).numpy()


def rounded_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below `value`."""
    return -(-value // multiple) * multiple
