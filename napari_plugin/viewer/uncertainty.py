"""Where a model is unsure: the places to look at, most uncertain first (no Qt)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_CELL_MM = 12.0
_LEAST = 0.3


def uncertain_places(
    uncertainty: NDArray[np.floating], spacing: Sequence[float], *, most: int = 30
) -> list[tuple[tuple[int, int, int], float]]:
    """(voxel (S, A, R), uncertainty 0 to 1) of the places where a model is least sure, falling.

    Doubt is averaged over 4 mm; of places nearer than 12 mm along every axis only the most doubtful is given, so that
    one long border does not fill the list.
    """
    smooth = ndimage.uniform_filter(uncertainty.astype(np.float32), size=[max(1, round(4.0 / mm)) for mm in spacing])
    cell = [max(1, round(_CELL_MM / mm)) for mm in spacing]
    highest = ndimage.maximum_filter(smooth, size=[2 * c + 1 for c in cell])
    peaks = np.argwhere((smooth == highest) & (smooth >= _LEAST))
    peaks = peaks[np.argsort(-smooth[tuple(peaks.T)], kind="stable")]
    places: list[tuple[tuple[int, int, int], float]] = []
    while len(peaks) and len(places) < most:
        s, a, r = (int(i) for i in peaks[0])
        places.append(((s, a, r), float(smooth[s, a, r])))
        peaks = peaks[~np.all(np.abs(peaks - peaks[0]) <= cell, axis=1)]
    return places
