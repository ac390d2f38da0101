"""Random fields with a correlation length in mm: what makes synthetic surfaces uneven and synthetic tissue textured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

FloatArray = NDArray[np.float32]


def smooth_noise(shape: Sequence[int], spacing: Sequence[float], length_mm: float, random: RandomState) -> FloatArray:
    """Gaussian noise of mean 0 and standard deviation 1, correlated over about `length_mm`.

    Drawn on a coarse grid and interpolated, so that the cost hardly depends on the length.

    Args:
        shape: of the result, (S, A, R).
        spacing: voxel size in mm along the same axes.
        length_mm: below about one voxel the noise is white.
        random: source of the numbers.
    """
    steps = [max(1.0, length_mm / (2 * size)) for size in spacing]
    coarse = [max(2, int(np.ceil(n / step)) + 1) for n, step in zip(shape, steps, strict=True)]
    drawn = random.standard_normal(coarse).astype(np.float32)
    widths = [min(1.0, length_mm / (2 * size)) for size in spacing]
    field = gaussian_filter(drawn, widths, mode="wrap")
    if list(field.shape) != list(shape):
        resized = torch.nn.functional.interpolate(
            torch.from_numpy(field)[None, None], size=tuple(shape), mode="trilinear", align_corners=True
        )
        field = resized[0, 0].numpy()
    return ((field - field.mean()) / max(float(field.std()), 1e-6)).astype(np.float32)


def between(random: RandomState, limits: Sequence[float]) -> float:
    """A number drawn uniformly between two limits."""
    return float(random.uniform(limits[0], limits[1]))


def between_log(random: RandomState, limits: Sequence[float]) -> float:
    """A number whose logarithm is uniform between those of two positive limits."""
    return float(np.exp(random.uniform(np.log(limits[0]), np.log(limits[1]))))
