"""Find the region at low resolution first, then compute full resolution only there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.geometry import Box
from monai_unet.inferers.streaming import InferenceStep, Network, Slab, StreamingInferer, single_output

BACKGROUND_PLANES = 8
"""Planes of background handed out at once."""


class LocalisedInferer(StreamingInferer):
    """Another inferer inside the box that a small network finds in the image shrunk by `factor`; background outside.

    Args:
        inferer: computes the box at full resolution.
        localiser: from the shrunk image (N, channels, s, a, r) to logits; any class but 0 (with one channel: above 0)
            is the region. Named and loaded in the bundle's config.
        factor: voxels that are averaged to one along each axis.
        margin: voxels of the full resolution added to the box on every side.
        smallest: the box has at least this size (S, A, R) where the image has, for example the inferer's window.

    Where the localiser finds nothing the whole image is computed: a structure is missed by the model, not by the box.
    """

    def __init__(
        self,
        inferer: StreamingInferer,
        localiser: nn.Module,
        *,
        factor: Sequence[int] | int = 4,
        margin: Sequence[int] | int = 16,
        smallest: Sequence[int] | int = 1,
    ) -> None:
        super().__init__()
        self.inferer, self.localiser = inferer, localiser
        self.factor, self.margin, self.smallest = _three(factor), _three(margin), _three(smallest)
        self.memory_fallback = ""

    def with_inferer(self, inferer: StreamingInferer) -> LocalisedInferer:
        """The same with another inferer inside the box."""
        other = copy.copy(self)
        other.inferer = inferer
        return other

    def stream(self, image: Tensor, network: Network, *args: object, **kwargs: object) -> Iterator[InferenceStep]:
        """Infer one image (channels, S, A, R)."""
        box = self.box(image)
        steps = self.inferer.stream(image[(slice(None), *box)].contiguous(), network, *args, **kwargs)
        for step in steps:
            self.memory_fallback = getattr(self.inferer, "memory_fallback", "")
            slab = step.slab
            if slab is None:
                yield step
                continue
            start, stop = box[0].start + slab.start, box[0].start + slab.start + slab.scores.shape[1]
            if slab.start == 0:
                yield from _air(slab.scores, 0, start, image, step)
            framed = _background(slab.scores, stop - start, image)
            framed[(slice(None), slice(None), *box[1:])] = slab.scores
            yield InferenceStep(step.done, step.total, Slab(start, framed))
            if stop == box[0].stop:
                yield from _air(slab.scores, stop, image.shape[1], image, step)

    def box(self, image: Tensor) -> Box:
        """The part of an image (channels, S, A, R) that is computed."""
        factor = [min(f, n) for f, n in zip(self.factor, image.shape[1:], strict=True)]
        with torch.no_grad():
            coarse = F.avg_pool3d(image[None], factor, ceil_mode=True, count_include_pad=False)
            logits = single_output(self.localiser.to(image.device).eval()(coarse))[0]
        region = logits.argmax(0) > 0 if logits.shape[0] > 1 else logits[0] > 0
        if not bool(region.any()):
            a, b, c = (slice(0, n) for n in image.shape[1:])
            return a, b, c
        places = region.nonzero()
        low, high = places.amin(0).tolist(), places.amax(0).tolist()
        a, b, c = (self._side(axis, low[axis], high[axis], factor[axis], image.shape[axis + 1]) for axis in range(3))
        return a, b, c

    def _side(self, axis: int, low: int, high: int, factor: int, size: int) -> slice:
        start, stop = low * factor - self.margin[axis], (high + 1) * factor + self.margin[axis]
        missing = max(0, self.smallest[axis] - (stop - start))
        start, stop = start - missing // 2, stop + missing - missing // 2
        start, stop = start - max(0, stop - size), stop - min(0, start)
        return slice(max(0, start), min(size, stop))


def _air(scores: Tensor, start: int, stop: int, image: Tensor, step: InferenceStep) -> Iterator[InferenceStep]:
    """Planes that the box does not reach, a few at a time."""
    for low in range(start, stop, BACKGROUND_PLANES):
        planes = min(BACKGROUND_PLANES, stop - low)
        yield InferenceStep(step.done, step.total, Slab(low, _background(scores, planes, image)))


def _background(scores: Tensor, planes: int, image: Tensor) -> Tensor:
    """Logits (C, planes, A, R) of background, far from a tie also after interpolation and softmax."""
    logits = scores.new_full((scores.shape[0], planes, *image.shape[2:]), -30.0 if scores.shape[0] > 1 else -1.0)
    if scores.shape[0] > 1:
        logits[0] = 30.0
    return logits


def _three(value: Sequence[int] | int) -> tuple[int, int, int]:
    a, b, c = (value,) * 3 if isinstance(value, int) else value
    return a, b, c
