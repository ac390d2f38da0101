"""From an enhancing rim to the solid tumour: what a rim encloses in its slice belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes


def fill_rims(mask: NDArray[np.bool_], *, spacing: Sequence[float], gap_mm: float = 4.0) -> NDArray[np.bool_]:
    """A mask (S, A, R) with what its rims enclose in each plane along the first axis.

    A rim that is open by no more than `gap_mm` counts as closed; the gap itself is not filled. Nothing is taken away.

    Args:
        mask: with the slices along the first axis.
        spacing: mm per axis.
        gap_mm: largest opening of a rim.
    """
    radius = [max(1, round(gap_mm / 2 / mm)) for mm in spacing[1:]]
    offsets = np.meshgrid(*(np.arange(-r, r + 1) / r for r in radius), indexing="ij")
    disk = sum(offset**2 for offset in offsets) <= 1
    filled = mask.copy()
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        padded = np.pad(mask[index], [(r, r) for r in radius])
        closed = binary_closing(padded, disk)
        inner = tuple(slice(r, -r) for r in radius)
        filled[index] |= (binary_fill_holes(closed) & ~closed)[inner] | binary_fill_holes(mask[index])
    return filled
