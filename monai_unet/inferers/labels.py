"""From slabs of scores to labels: argmax or threshold, and linear interpolation onto a finer grid, in one pass.

`torch.argmax` over the first axis costs several hundred cycles per voxel on a CPU; interpolating all classes to the
size of the file costs more still, in time and in memory. Here each output row is interpolated and compared at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_unet.errors import InputError
from monai_unet.io import njit

NOT_A_NUMBER = (
    "the network gave no number for some voxels; its weights are damaged, or the image has values far outside what it "
    "was made for."
)


PIECE = 2**26
"""Bytes of scores that are decided on at once, so that no second copy of all classes of a slab is made."""


Taps = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Lower and upper input index of each output, and the weight of the upper one."""


@dataclass(frozen=True)
class Interpolation:
    """Linear interpolation along one axis: output index i lies at `scale` · i + `offset` of `size` input voxels.

    Beyond the outermost voxel centres the outermost value goes on (MONAI's `padding_mode="border"`). With `nearest`
    each output takes the one input voxel that it lies in, where both grids have one extent (`offset` follows then).
    """

    scale: float
    offset: float
    size: int
    outputs: int
    nearest: bool = False

    def taps(self) -> Taps:
        """Lower and upper input index of each output, and the weight of the upper one."""
        position = np.clip(np.arange(self.outputs) * self.scale + self.offset, 0, self.size - 1)
        if self.nearest:
            # the terms in scipy.ndimage's order: in another one a tie between two voxels may fall elsewhere
            middle = self.scale * (np.arange(self.outputs) + 0.5)
            place = np.floor(np.clip(middle, 0, self.size - 0.5)).astype(np.int64)
            return place, place, np.zeros(self.outputs, dtype=np.float32)
        low = np.minimum(np.floor(position).astype(np.int64), max(self.size - 2, 0))
        return low, np.minimum(low + 1, self.size - 1), (position - low).astype(np.float32)


class LabelSink:
    """Collects slabs (C, planes, A, R), in order, as labels (S, A, R); the lowest class wins a tie.

    Args:
        zooms: from the grid of the scores to that of the labels, one per axis; None where they are the same.
    """

    def __init__(self, zooms: Sequence[Interpolation] | None = None) -> None:
        self._taps = [zoom.taps() for zoom in zooms] if zooms is not None else None
        self._shape = tuple(zoom.outputs for zoom in zooms) if zooms is not None else ()
        self._parts: list[NDArray[np.unsignedinteger]] = []
        self._last: Tensor | None = None
        self._received, self._written = 0, 0

    def add(self, scores: Tensor) -> None:
        """Take the next planes.

        Raises:
            InputError: some scores are not numbers.
        """
        for piece in in_pieces(scores):
            require_numbers(piece)
            self._take(piece)

    def _take(self, scores: Tensor) -> None:
        if self._taps is None:
            self._parts.append(self._decided(scores))
            return
        first = self._received
        self._received += scores.shape[1]
        if self._last is not None:
            scores, first = torch.cat([self._last, scores], dim=1), first - 1
        (low, high, weight), *rest = self._taps
        ready = int(np.searchsorted(high, self._received, side="left"))
        if ready > self._written:
            out = slice(self._written, ready)
            taps = (low[out] - first, high[out] - first, weight[out])
            self._parts.append(self._interpolated(scores, (taps, *rest)))
            self._written = ready
        self._last = scores[:, -1:].clone()

    def finish(self) -> NDArray[np.unsignedinteger]:
        """The labels (S, A, R), uint8, or uint16 for more than 256 classes."""
        return self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts, axis=-3)

    def _decided(self, scores: Tensor) -> NDArray[np.unsignedinteger]:
        """Labels of planes that are not interpolated."""
        return argmax(scores)

    def _interpolated(self, scores: Tensor, taps: Sequence[Taps]) -> NDArray[np.unsignedinteger]:
        """Labels of the planes that `taps` makes from these."""
        array = scores.detach().float().cpu().contiguous().numpy()
        labels = np.empty((len(taps[0][0]), *self._shape[1:]), dtype=_label_type(array.shape[0]))
        _in_threads(_interpolated_rows, labels.shape[0], array, *(tap for axis in taps for tap in axis), labels)
        return labels


class RegionSink(LabelSink):
    """Collects slabs of regions that may overlap, as masks (C, S, A, R) of 0 and 1.

    Args:
        zooms: as for `LabelSink`.
        threshold: a voxel is in a region where its score, in the unit of what is added, is at least this.
    """

    def __init__(self, zooms: Sequence[Interpolation] | None = None, *, threshold: float) -> None:
        super().__init__(zooms)
        self.threshold = threshold

    def _decided(self, scores: Tensor) -> NDArray[np.unsignedinteger]:
        return (scores >= self.threshold).to(torch.uint8).cpu().numpy()

    def _interpolated(self, scores: Tensor, taps: Sequence[Taps]) -> NDArray[np.unsignedinteger]:
        array = scores.detach().float().cpu().contiguous().numpy()
        masks = np.empty((array.shape[0], len(taps[0][0]), *self._shape[1:]), dtype=np.uint8)
        flat = [tap for axis in taps for tap in axis]
        _in_threads(_thresholded_rows, masks.shape[1], array, *flat, np.float32(self.threshold), masks)
        return masks


def in_pieces(scores: Tensor) -> tuple[Tensor, ...]:
    """Scores (C, planes, A, R) cut along the planes into pieces of at most 64 MiB, or single planes.

    Scores are logits or probabilities of classes.
    """
    plane = scores.shape[0] * scores.shape[2] * scores.shape[3] * 4
    return scores.split(max(1, PIECE // max(1, plane)), dim=1)


def require_numbers(scores: Tensor) -> None:
    """Let only scores pass that are numbers.

    Scores (C, planes, A, R), logits or probabilities.

    Raises:
        InputError: some are NaN.
    """
    # the sum is NaN where any of them is, and takes no second array of this size
    if bool(torch.isnan(scores.sum())) and bool(torch.isnan(scores).any()):
        raise InputError(NOT_A_NUMBER)


def argmax(scores: Tensor) -> NDArray[np.unsignedinteger]:
    """Index of the highest score (C, S, A, R) → (S, A, R); NaN never wins."""
    kind = _label_type(scores.shape[0])
    if scores.device.type != "cpu":
        return scores.argmax(0).to(torch.int32).cpu().numpy().astype(kind)
    labels = np.empty(scores.shape[1:], dtype=kind)
    start = 0
    for piece in in_pieces(scores):
        array = piece.detach().float().contiguous().numpy()
        part = labels[start : start + array.shape[1]]
        _in_threads(_argmax_rows, len(part), array, part)
        start += len(part)
    return labels


def _label_type(classes: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if classes <= 256 else np.uint16


def _in_threads(kernel: Callable[..., None], planes: int, *arguments: object) -> None:
    """Run a kernel that releases the GIL on equal parts of the planes, on as many threads as PyTorch uses."""
    threads = max(1, min(torch.get_num_threads(), planes))
    bounds = np.linspace(0, planes, threads + 1).astype(int).tolist()
    if threads == 1:
        kernel(*arguments, 0, planes)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: kernel(*arguments, bounds[i], bounds[i + 1]), range(threads)))


@njit(nogil=True, cache=True)
def _argmax_rows(scores, labels, first, last):  # type: ignore[no-untyped-def]
    classes, _, rows, width = scores.shape
    best = np.empty(width, dtype=np.float32)
    for z in range(first, last):
        for y in range(rows):
            for x in range(width):
                best[x] = scores[0, z, y, x]
                labels[z, y, x] = 0
            for c in range(1, classes):
                for x in range(width):
                    value = scores[c, z, y, x]
                    better = value > best[x]
                    best[x] = value if better else best[x]
                    labels[z, y, x] = c if better else labels[z, y, x]


@njit(nogil=True, cache=True)
def _blend(top, bottom, y0, y1, a, b, line):  # type: ignore[no-untyped-def]
    """One row between four: rows y0 and y1 of two planes, weight a of the lower plane, weight b of the row y1."""
    one = np.float32(1)
    w00, w01, w10, w11 = (one - a) * (one - b), (one - a) * b, a * (one - b), a * b
    r00, r01, r10, r11 = top[y0], top[y1], bottom[y0], bottom[y1]
    for x in range(line.shape[0]):
        line[x] = w00 * r00[x] + w01 * r01[x] + w10 * r10[x] + w11 * r11[x]


@njit(nogil=True, cache=True)
def _interpolated_rows(scores, z0, z1, wz, y0, y1, wy, x0, x1, wx, labels, first, last):  # type: ignore[no-untyped-def]
    classes, width = scores.shape[0], scores.shape[3]
    rows, columns = labels.shape[1], labels.shape[2]
    line = np.empty(width, dtype=np.float32)
    best = np.empty(columns, dtype=np.float32)
    one = np.float32(1)
    for z in range(first, last):
        for y in range(rows):
            for c in range(classes):
                _blend(scores[c, z0[z]], scores[c, z1[z]], y0[y], y1[y], wz[z], wy[y], line)
                if c == 0:
                    for x in range(columns):
                        best[x] = (one - wx[x]) * line[x0[x]] + wx[x] * line[x1[x]]
                        labels[z, y, x] = 0
                else:
                    for x in range(columns):
                        value = (one - wx[x]) * line[x0[x]] + wx[x] * line[x1[x]]
                        better = value > best[x]
                        best[x] = value if better else best[x]
                        labels[z, y, x] = c if better else labels[z, y, x]


@njit(nogil=True, cache=True)
def _thresholded_rows(scores, z0, z1, wz, y0, y1, wy, x0, x1, wx, threshold, masks, first, last):  # type: ignore[no-untyped-def]
    classes, width = scores.shape[0], scores.shape[3]
    rows, columns = masks.shape[2], masks.shape[3]
    line = np.empty(width, dtype=np.float32)
    one = np.float32(1)
    for z in range(first, last):
        for y in range(rows):
            for c in range(classes):
                _blend(scores[c, z0[z]], scores[c, z1[z]], y0[y], y1[y], wz[z], wy[y], line)
                for x in range(columns):
                    value = (one - wx[x]) * line[x0[x]] + wx[x] * line[x1[x]]
                    masks[c, z, y, x] = 1 if value >= threshold else 0
