"""Overlapping regions of a label map, each scored as one structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.scores import ClassScore, score_case
from monai_unet.evaluation.surface import Surface


def score_regions(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    *,
    spacing: Sequence[float],
    regions: Mapping[str, Sequence[int]],
    tolerance_mm: float | Sequence[float] = 1.0,
    surface: Surface | str = Surface.AREA,
    case: str = "",
) -> list[ClassScore]:
    """Score each region of two label maps (S, A, R) on one grid; a region is a name and the label values it holds.

    The rows' `label` is the region's place, from 1. The rest is as for `score_case`.

    Raises:
        InputError: as `score_case`.
    """
    rows = []
    for number, (name, values) in enumerate(regions.items(), start=1):
        masks = (
            np.where(np.isin(labels, list(values)), number, 0).astype(np.uint8) for labels in (prediction, reference)
        )
        rows += score_case(
            *masks,
            spacing=spacing,
            labels={number: name},
            tolerance_mm=tolerance_mm,
            surface=surface,
            case=case,
        )
    return rows
