"""Overlapping windows, blended in a slab that moves along the volume."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from itertools import groupby, product
from typing import Literal

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.utils import BlendMode, ensure_tuple_rep, fall_back_tuple
from torch import Tensor
from torch.nn import functional as F

from monai_unet.inferers.averaging import Activation, Averaged
from monai_unet.inferers.out_of_memory import is_out_of_memory, release_memory
from monai_unet.inferers.streaming import (
    InferenceStep,
    Network,
    Slab,
    StreamingInferer,
    UnsuitableOutputError,
    single_output,
)

Window = tuple[slice, ...]


class StreamingSlidingWindowInferer(StreamingInferer):
    """MONAI's `SlidingWindowInferer` with the same windows and weights, but only the open planes held in memory.

    Args:
        roi_size: window (S, A, R) in voxels; an axis of -1 takes the whole image.
        overlap: share of a window that it has in common with the next one, per axis or for all.
        sw_batch_size: windows computed at once; on the CPU never one alone where there are two (PyTorch computes
            batches of one by a path that is half as fast for small networks).
        mode: "gaussian" or "constant" weights; `sigma_scale`, `padding_mode` and `cval` as in MONAI.
        flips, activation, mirrored_pairs: as for `WholeVolumeInferer`, per window. Along these axes the windows lie
            mirror-symmetrically, and therefore not as MONAI's: a mirrored image gets the mirrored answer.
        skip_below: windows in which no voxel of any channel is above this intensity (after preprocessing) are not
            computed, and voxels in no other window are background. Only for networks trained on images cut that way.
        accumulate_on: device of the slab, by default that of the image.
    """

    def __init__(
        self,
        roi_size: Sequence[int] | int,
        *,
        overlap: Sequence[float] | float = 0.5,
        sw_batch_size: int = 2,
        mode: Literal["gaussian", "constant"] | str = "gaussian",
        sigma_scale: Sequence[float] | float = 0.125,
        padding_mode: str = "constant",
        cval: float = 0.0,
        flips: Sequence[int] = (),
        activation: Activation = "softmax",
        mirrored_pairs: Sequence[Sequence[int]] = (),
        skip_below: float | None = None,
        accumulate_on: str | torch.device | None = None,
    ) -> None:
        super().__init__()
        self.roi_size, self.overlap, self.sw_batch_size = roi_size, overlap, sw_batch_size
        self.mode, self.sigma_scale = BlendMode(mode), sigma_scale
        self.padding_mode, self.cval = padding_mode, cval
        self.flips, self.activation, self.mirrored_pairs = tuple(flips), activation, mirrored_pairs
        self.skip_below, self.accumulate_on = skip_below, accumulate_on
        self.smallest_on_cpu = 2
        self.memory_fallback = ""
        if any(not 0 <= o < 1 for o in ensure_tuple_rep(overlap, 3)):
            raise ValueError(f"overlap must be at least 0 and below 1, got {overlap}")

    def with_batch(self, size: int) -> StreamingSlidingWindowInferer:
        """The same with `size` windows at once, even if that is one."""
        other = copy.copy(self)
        other.sw_batch_size, other.smallest_on_cpu = size, min(2, size)
        return other

    def window_voxels(self, size: Sequence[int]) -> int:
        """Voxels of one window for an image of that size."""
        return math.prod(fall_back_tuple(self.roi_size, tuple(size)))

    def open_voxels(self, size: Sequence[int]) -> int:
        """Voxels of the planes held open for an image of that size: a window's planes, in full."""
        window = fall_back_tuple(self.roi_size, tuple(size))
        return window[0] * math.prod(max(w, n) for w, n in zip(window[1:], size[1:], strict=True))

    def stream(self, image: Tensor, network: Network, *args: object, **kwargs: object) -> Iterator[InferenceStep]:
        """Infer one image (channels, S, A, R)."""
        self.memory_fallback = ""
        size = tuple(image.shape[1:])
        roi = fall_back_tuple(self.roi_size, size)
        image, before = self._padded(image, roi)
        windows = self._windows(tuple(image.shape[1:]), roi)
        if self.skip_below is not None:
            windows = [w for w in windows if bool((image[(slice(None), *w)] > self.skip_below).any())] or windows[:1]
        device = torch.device(self.accumulate_on) if self.accumulate_on else image.device
        weights = self._weights(roi, device)
        at_once = max(self.smallest_on_cpu, self.sw_batch_size) if image.device.type == "cpu" else self.sw_batch_size
        batches = batches_by_plane(windows, at_once)
        height = max(batch[-1][0].stop - batch[0][0].start for batch in batches)
        slab = _OpenSlab(height, tuple(image.shape[2:]), weights.float(), device, before, size)
        slab.gaps = self.skip_below is not None
        averaged = self._averaged(network)
        for done, batch in enumerate(batches):
            finished = slab.advance(batch[0][0].start)
            yield InferenceStep(done, len(batches), finished)
            slab.add(batch, self._infer(image, batch, averaged, *args, **kwargs))
            self.memory_fallback = self.memory_fallback or slab.memory_fallback
        yield InferenceStep(len(batches), len(batches), slab.advance(image.shape[1]))

    def _windows(self, size: Sequence[int], roi: Sequence[int]) -> list[Window]:
        """Where the windows lie, ordered by their first plane."""
        return plan_windows(size, roi, self.overlap, mirrored=self.flips)

    def _weights(self, roi: Sequence[int], device: torch.device) -> Tensor:
        """Weight of each voxel of a window."""
        return compute_importance_map(tuple(roi), mode=self.mode, sigma_scale=self.sigma_scale, device=device)

    def _averaged(self, network: Network) -> Network:
        """The network with its mirrored copies."""
        return Averaged([network], flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs)

    def _infer(
        self, image: Tensor, batch: Sequence[Window], network: Network, *args: object, **kwargs: object
    ) -> Tensor:
        """Logits of a batch of windows; in halves where the memory does not suffice."""
        tiles = torch.stack([image[(slice(None), *window)] for window in batch])
        try:
            return single_output(network(tiles, *args, **kwargs))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
        half = len(batch) // 2
        self.memory_fallback = f"Memory ran out: windows were computed {half} at a time."
        release_memory(image.device)
        parts = [self._infer(image, part, network, *args, **kwargs).clone() for part in (batch[:half], batch[half:])]
        return torch.cat(parts)

    def _padded(self, image: Tensor, roi: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """The image grown to at least one window, and how many voxels were put before it on each axis."""
        missing = [max(0, window - have) for window, have in zip(roi, image.shape[1:], strict=True)]
        missing = [m + m % 2 if axis in self.flips else m for axis, m in enumerate(missing)]  # as much on either side
        pad = [part for m in reversed(missing) for part in (m // 2, m - m // 2)]
        if any(pad):
            value = self.cval if self.padding_mode == "constant" else None
            image = F.pad(image[None], pad, mode=self.padding_mode, value=value)[0]
        return image, tuple(m // 2 for m in missing)


class _OpenSlab:
    """The planes that further windows can still add to."""

    def __init__(
        self,
        height: int,
        plane: tuple[int, ...],
        weights: Tensor,
        device: torch.device,
        before: tuple[int, ...],
        size: tuple[int, ...],
    ) -> None:
        self.height, self.plane, self.weights, self.device = height, plane, weights, device
        self.before, self.size, self.start, self.emitted = before, size, 0, 0
        self.finished, self.gaps = 0, False
        self.total = torch.zeros((height, *plane), device=device)
        self.sums: Tensor | None = None
        self.memory_fallback = ""

    def add(self, batch: Sequence[Window], logits: Tensor) -> None:
        """Add the weighted logits (N, C, *window) of windows that lie within the open planes."""
        if logits.shape[2:] != self.weights.shape:
            raise UnsuitableOutputError(
                f"the network turns {tuple(self.weights.shape)} voxels into {tuple(logits.shape[2:])}"
            )
        if self.sums is None:
            self.sums = self._opened(logits.shape[1])
        self._shift()
        for (planes, *rest), tile in zip(batch, logits.to(self.device).float(), strict=True):
            place = (slice(planes.start - self.start, planes.stop - self.start), *rest)
            self.sums[(slice(None), *place)].addcmul_(tile, self.weights)
            self.total[place] += self.weights

    def _opened(self, classes: int) -> Tensor:
        """Room for the sums of all classes: on the CPU where the device has none."""
        shape = (classes, self.height, *self.plane)
        try:
            return torch.zeros(shape, device=self.device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
        self.memory_fallback = "Memory ran out: windows were added up on the CPU."
        self.device, self.total, self.weights = torch.device("cpu"), self.total.cpu(), self.weights.cpu()
        return torch.zeros(shape)

    def advance(self, start: int) -> Slab | None:
        """Close the planes before `start` and return them as mean logits, without the padding.

        They are divided where they lie, and stay there until the next windows are added.
        """
        self._shift()
        opened, self.start = self.start, start
        if self.sums is None or start <= self.emitted:
            return None
        count = self.finished = min(max(0, start - opened), self.height)
        scores = self.sums[:, :count].div_(self.total[:count])
        if self.gaps:
            scores = self._with_gaps(scores, opened, count)
        low, self.emitted = self.emitted, start
        first, last = max(low, self.before[0]), min(start, self.before[0] + self.size[0])
        if last <= first:
            return None
        inside = tuple(slice(b, b + s) for b, s in zip(self.before[1:], self.size[1:], strict=True))
        planes = scores[(slice(None), slice(first - low, last - low), *inside)]
        return Slab(first - self.before[0], planes, shared=True)

    def _with_gaps(self, scores: Tensor, opened: int, count: int) -> Tensor:
        """The same with background where no window was computed, also in planes before and after."""
        scores = self._background(scores, self.total[:count] == 0)
        gaps = [torch.empty((scores.shape[0], n, *self.plane), device=self.device) for n in self._gaps(opened, count)]
        lead, tail = (self._background(gap, torch.ones_like(gap[0], dtype=torch.bool)) for gap in gaps)
        return torch.cat([lead, scores, tail], dim=1) if lead.numel() or tail.numel() else scores

    def _gaps(self, opened: int, count: int) -> tuple[int, int]:
        """Planes before and after the finished ones that no computed window reaches."""
        return opened - self.emitted, self.start - opened - count

    def _background(self, scores: Tensor, where: Tensor) -> Tensor:
        """Where only skipped windows lie: the first class, or none of the regions."""
        if bool(where.any()):
            scores[:, where] = -1.0
            if scores.shape[0] > 1:
                scores[0][where] = 1.0
        return scores

    def _shift(self) -> None:
        """Move the planes that are still open to the beginning, once those before them have been handed out."""
        count, self.finished = self.finished, 0
        if not count:
            return
        kept = self.height - count
        for buffer in (self.sums, self.total):
            assert buffer is not None
            axis = buffer.dim() - 3
            for low in range(0, kept, count):
                planes = min(count, kept - low)
                buffer.narrow(axis, low, planes).copy_(buffer.narrow(axis, low + count, planes))
            buffer.narrow(axis, kept, count).zero_()


def plan_windows(
    size: Sequence[int], roi: Sequence[int], overlap: Sequence[float] | float, *, mirrored: Sequence[int] = ()
) -> list[Window]:
    """The windows of MONAI's `sliding_window_inference`, ordered by their start along the first axis.

    Along the axes `mirrored` they are spread evenly, at most one more, so that their mirror images are windows too.
    """
    overlaps = ensure_tuple_rep(overlap, len(roi))
    interval = [
        window if window == have else max(1, int(window * (1 - share)))
        for window, have, share in zip(roi, size, overlaps, strict=True)
    ]
    windows = dense_patch_slices(size, roi, interval)
    if mirrored:
        starts = [sorted({window[axis].start for window in windows}) for axis in range(len(roi))]
        for axis in mirrored:
            starts[axis] = mirrored_starts(len(starts[axis]), size[axis] - roi[axis])
        windows = [tuple(slice(i, i + n) for i, n in zip(first, roi, strict=True)) for first in product(*starts)]
    return sorted(windows, key=lambda window: window[0].start)


def mirrored_starts(count: int, last: int) -> list[int]:
    """Where `count` windows begin along an axis, in voxels: evenly from 0 to `last`, and the same seen from `last`.

    One more where an odd number has no whole voxel for its middle one, so that gaps never grow.
    """
    if last == 0:
        return [0]
    count += count % 2 and last % 2
    half = [-(-i * last // (count - 1)) for i in range((count + 1) // 2)]
    return sorted({start for i in half for start in (i, last - i)})


def even_batches(windows: Sequence[Window], size: int) -> list[list[Window]]:
    """Batches of at most `size` windows; a last batch of one takes a window from the one before, or joins it."""
    batches = [list(windows[i : i + size]) for i in range(0, len(windows), size)]
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        if size == 2:
            batches[-1] += last
        else:
            batches.append([batches[-1].pop(), *last])
    return batches


def batches_by_plane(windows: Sequence[Window], size: int) -> list[list[Window]]:
    """Even batches whose windows begin on one plane, so that no more planes are open than a window has.

    Where a plane has a single window, batches go on over planes: two at once are worth more than the memory.
    """
    levels = [list(level) for _, level in groupby(windows, key=lambda window: window[0].start)]
    if size > 1 and min(map(len, levels)) == 1:
        return even_batches(windows, size)
    return [batch for level in levels for batch in even_batches(level, size)]
