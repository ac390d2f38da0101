"""A window of fixed voxel shape laid over an image at any scale, and the way back to the image's grid.

A coarse window averages (triangle filter as wide as its step, so that nothing aliases), a fine one interpolates; an
axis is never sampled coarser than the window asks or much finer than the image, and thick slices stay slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Box

FINEST = 0.5
"""Smallest step of a window in voxels of the image: half a voxel lets tiny objects be more than a few samples."""

THICK = 2.0
"""Voxels so many times as long as the shortest are slices: along them nothing is interpolated between."""


@dataclass(frozen=True)
class ImageWindow:
    """Where a window lies. Everything is in voxel indices of the image, axis order (S, A, R).

    Attributes:
        start: index of the centre of the window's first voxel (fractional, may lie outside the image).
        step: image voxels from one window voxel to the next.
        size: window voxels per axis.
    """

    start: tuple[float, float, float]
    step: tuple[float, float, float]
    size: tuple[int, int, int]

    @classmethod
    def around(
        cls,
        centre: Sequence[float],
        millimetres: float,
        spacing: Sequence[float],
        size: Sequence[int],
        *,
        on_slices: bool = False,
    ) -> ImageWindow:
        """Window of `size` voxels centred on a voxel index, at `millimetres` per voxel where the image has as fine.

        Args:
            on_slices: across thick slices the window lies on them and not between two, to be their mean.
        """
        thick = THICK * min(spacing)
        step = [max(millimetres / s, 1.0 if s > thick else FINEST) for s in spacing]
        start = [c - t * (n - 1) / 2 for c, t, n in zip(centre, step, size, strict=True)]
        if on_slices:
            start = [round(a) if s > thick and t == 1 else a for a, s, t in zip(start, spacing, step, strict=True)]
        return cls((start[0], start[1], start[2]), (step[0], step[1], step[2]), (size[0], size[1], size[2]))

    def to_window(self, voxels: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) voxel indices of the image as fractional indices of the window."""
        return (np.asarray(voxels, dtype=float).reshape(-1, 3) - self.start) / self.step

    def to_image(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) indices of the window as fractional voxel indices of the image."""
        return np.asarray(positions, dtype=float).reshape(-1, 3) * self.step + self.start

    def read(
        self, image: NDArray[np.number] | NDArray[np.bool_], *, outside: float | None = None
    ) -> NDArray[np.float32]:
        """The image inside the window; beyond the image its nearest voxel, or the value `outside`."""
        axes = [_Axis(n, s, t, m) for n, s, t, m in zip(image.shape, self.start, self.step, self.size, strict=True)]
        crop = np.asarray(image[tuple(axis.rows for axis in axes)], dtype=np.float32)
        if outside is not None:
            crop = crop - np.float32(outside)
        sampled = _along_axes(crop, [axis.weights(replicate=outside is None) for axis in axes])
        return sampled if outside is None else sampled + np.float32(outside)

    def within(self, shape: Sequence[int]) -> NDArray[np.bool_]:
        """(*size) which voxels of the window lie in an image of that shape, the outer half of its voxels included."""
        spans = []
        for n, start, step, size in zip(shape, self.start, self.step, self.size, strict=True):
            places = start + step * np.arange(size)
            spans.append((places >= -0.5) & (places <= n - 0.5))
        return spans[0][:, None, None] & spans[1][None, :, None] & spans[2][None, None, :]

    def box(self, shape: Sequence[int]) -> Box:
        """The voxels of an image of that shape whose centres lie in the window."""
        spans = []
        for n, start, step, size in zip(shape, self.start, self.step, self.size, strict=True):
            low = min(n, max(0, int(np.ceil(start - step / 2))))
            spans.append(slice(low, max(low, min(n, int(np.floor(start + step * (size - 0.5))) + 1))))
        return (spans[0], spans[1], spans[2])

    def write(self, values: NDArray[np.float32], shape: Sequence[int]) -> tuple[Box, NDArray[np.float32]]:
        """Window values (`size`) on the grid of an image of that shape: the box they cover, and the values there."""
        box = self.box(shape)
        weights = []
        for span, start, step, size in zip(box, self.start, self.step, self.size, strict=True):
            axis = _Axis(size, (span.start - start) / step, 1 / step, span.stop - span.start)
            full = np.zeros((span.stop - span.start, size), dtype=np.float32)
            full[:, axis.rows] = axis.weights(replicate=True)
            weights.append(full)
        return box, _along_axes(values, weights)


class _Axis:
    """How `count` positions `start`, `start + step`, … along an axis of `length` voxels read these voxels."""

    def __init__(self, length: int, start: float, step: float, count: int) -> None:
        self.positions = start + step * np.arange(count)
        self.half = max(1.0, step)
        self.length = length
        ends = np.array([start - self.half, start + step * max(0, count - 1) + self.half])
        low, high = ends.clip(0, length - 1)
        self.rows = slice(int(np.floor(low)), int(np.ceil(high)) + 1)

    def weights(self, *, replicate: bool) -> NDArray[np.float32]:
        """(count, rows) weights that sum to 1; without `replicate` what falls outside the axis weighs nothing."""
        first = int(np.floor(self.positions.min(initial=0) - self.half))
        last = int(np.ceil(self.positions.max(initial=0) + self.half))
        index = np.arange(first, last + 1)
        wide = np.maximum(0, 1 - np.abs(index[None] - self.positions[:, None]) / self.half)
        wide /= wide.sum(1, keepdims=True)
        result = np.zeros((len(self.positions), self.rows.stop - self.rows.start))
        inside = (index >= 0) & (index < self.length)
        kept = slice(None) if replicate else inside
        columns = index[kept].clip(self.rows.start, self.rows.stop - 1) - self.rows.start
        np.add.at(result.T, columns, wide[:, kept].T)
        return result.astype(np.float32)


def _along_axes(array: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """One matrix per axis, the axis that shrinks most first."""
    order = sorted(range(3), key=lambda axis: weights[axis].shape[0] / max(1, weights[axis].shape[1]))
    for axis in order:
        # the products are laid out so that each is one of contiguous matrices: several times as fast
        array, matrix = np.ascontiguousarray(array), weights[axis]
        depth, height, width = array.shape
        count = len(matrix)
        if axis == 0:
            array = (matrix @ array.reshape(depth, height * width)).reshape(count, height, width)
        elif axis == 1:
            array = np.matmul(matrix[None], array)
        else:
            array = (array.reshape(depth * height, width) @ matrix.T).reshape(depth, height, count)
    return array
