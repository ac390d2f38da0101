"""Strips with a halo: the result of the whole volume at the memory of a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_unet.inferers.averaging import Activation, Averaged
from monai_unet.inferers.equivariance import require_equivariance, tiling_of
from monai_unet.inferers.streaming import Network, Slab, Step, StreamingInferer


class HaloStripInferer(StreamingInferer):
    """Strips along the first axis (S), each computed with `halo` more planes on both sides that are thrown away.

    Strips start on multiples of the network's total stride, so that down- and upsampling fall on the same voxels as
    for the whole volume. No voxel is blended.

    Args:
        height: planes of a strip that are kept; rounded up to a multiple of the total stride.
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

    def stream(self, image: Tensor, network: Network, *args: Any, **kwargs: Any) -> Iterator[Step]:
        """Infer one image (channels, S, A, R).

        Raises:
            InputError: the network has instance statistics, or declares no stride and receptive field.
        """
        require_equivariance(network, what="inference in strips")
        stride, field = (values[0] for values in tiling_of(network))
        halo = rounded_up(field // 2 if self.exact or self.halo is None else self.halo, stride)
        height = rounded_up(self.height, stride)
        averaged = Averaged([network], flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs)
        planes = image.shape[1]
        starts = range(0, planes, height)
        for done, start in enumerate(starts, start=1):
            low, stop = max(0, start - halo), min(planes, start + height)
            high = min(planes, stop + halo)
            strip = averaged(image[None, :, low:high], *args, **kwargs)[0]
            yield Step(done, len(starts), Slab(start, strip[:, start - low : stop - low]))


def smallest_halo(
    images: Sequence[Tensor], network: Network, *, height: int = 64, agreement: float = 0.9999
) -> tuple[int, dict[int, float]]:
    """The smallest halo, a multiple of the total stride, for which labels equal those of the whole volume.

    Args:
        images: preprocessed validation images (channels, S, A, R).
        agreement: share of voxels, in each image, whose label must be equal.

    Returns:
        The halo, and the smallest agreement over the images for each halo tried.
    """
    stride, field = (values[0] for values in tiling_of(network))
    largest = rounded_up(field // 2, stride)
    agreements: dict[int, float] = {}
    whole = [_labels(single[0]) for single in _whole(images, network)]
    for halo in range(0, largest + stride, stride):
        strips = HaloStripInferer(height, halo)
        equal = [
            float((_labels(strips(image[None], network)[0]) == labels).float().mean())
            for image, labels in zip(images, whole, strict=True)
        ]
        agreements[halo] = min(equal)
        if agreements[halo] >= agreement:
            return halo, agreements
    return largest, agreements


def _whole(images: Sequence[Tensor], network: Network) -> Iterator[Tensor]:
    for image in images:
        with torch.no_grad():
            yield network(image[None])


def _labels(logits: Tensor) -> Tensor:
    return logits.argmax(0) if logits.shape[0] > 1 else logits[0] > 0


def rounded_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below `value`."""
    return -(-value // multiple) * multiple
