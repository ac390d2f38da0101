"""What a click stands in: its tissue, and how far that reaches along rays in all directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LIMIT_MM, CONTRAST = 80.0, 0.75
"""How far a ray looks, and the share of the typical contrast around a click at which tissue counts as unlike."""

_RAY_STEP = 1.0
_CORE_MM, _NOISE_MM = 4.0, 10.0


def _sphere(count: int) -> NDArray[np.float64]:
    """Directions spread evenly over a sphere (Fibonacci lattice), (count, 3)."""
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    return np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], axis=1)


_DIRECTIONS = _sphere(256)


@dataclass(frozen=True)
class Tissue:
    """Median intensity around a click, and the difference at which tissue is unlike."""

    level: float
    unlike: float


def look_around(
    image: NDArray[np.number],
    spacing: Sequence[float],
    centre: NDArray[np.int_],
    *,
    limit_mm: float = LIMIT_MM,
    contrast: float = CONTRAST,
) -> tuple[Tissue, float]:
    """Tissue under a click, and the median distance in mm at which rays from it meet other tissue.

    Args:
        image: (S, A, R).
        spacing: mm per axis.
        centre: voxel index (3,) of the click.
        limit_mm: where a ray ends that meets nothing.
        contrast: share of the typical contrast around the click at which tissue counts as unlike.
    """
    lengths = np.asarray(spacing)
    radii = np.arange(0.5, limit_mm / _RAY_STEP + 0.5) * _RAY_STEP
    places = centre[:, None, None] + _DIRECTIONS.T[:, :, None] * radii / lengths[:, None, None]
    values = ndimage.map_coordinates(image, places.reshape(3, -1), order=1, mode="constant", cval=np.nan)
    values = ndimage.uniform_filter1d(values.reshape(len(_DIRECTIONS), -1), 3, axis=1, mode="nearest")
    near, around = values[:, : int(_CORE_MM / _RAY_STEP)], values[:, : int(_NOISE_MM / _RAY_STEP)]
    level = float(np.nanmedian(near)) if np.isfinite(near).any() else float(image[tuple(centre)])
    difference = np.abs(values - level)
    unlike = contrast * _typical_contrast(difference, np.abs(around - level))
    unlike = max(unlike, 1e-6 * (abs(level) + 1e-6))
    met = ~(difference <= unlike)
    met[:, :-1] &= met[:, 1:]
    hits = np.where(met.any(axis=1), radii[met.argmax(axis=1)], limit_mm)
    return Tissue(level, unlike), float(max(np.median(hits), min(lengths)))


def _typical_contrast(difference: NDArray[np.floating], around: NDArray[np.floating]) -> float:
    """How much other tissue differs from that under a click, so that neither air nor noise sets the scale.

    Args:
        difference: along all rays, NaN outside the image.
        around: its part near the click.
    """
    known = difference[np.isfinite(difference)]
    if not known.size:
        return 0.0
    noise = 3 * 1.4826 * float(np.nanmedian(around)) if np.isfinite(around).any() else 0.0
    middle, high = np.quantile(known, [0.5, 0.85])
    beyond = known[known > noise]
    typical = float(min(high, 4 * max(middle, noise), np.median(beyond))) if beyond.size else 0.0
    return max(typical, min(noise, float(middle)))
