"""The numbers of one class in one case, from voxel counts and surface distances.

Where exactly one of the two masks is empty, no surface distance exists and the caller states the policy
(`monai_unet.evaluation.scores`); the functions here are for two masks that both hold something.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.overlap import Overlap
from monai_unet.evaluation.surface import Surface, SurfaceDistances

DEFINITIONS: dict[str, str] = {
    "dice": "2 |P∩R| / (|P| + |R|), voxels",
    "iou": "|P∩R| / |P∪R|, voxels",
    "precision": "|P∩R| / |P|, voxels",
    "recall": "|P∩R| / |R|, voxels",
    "hd95_mm": "larger of the two directed 95th percentiles of surface distance",
    "assd_mm": "mean surface distance over both surfaces together",
    "nsd": "share of both surfaces within the tolerance of the other",
    "volume_ml": "volume of the prediction",
    "volume_difference_ml": "prediction minus reference",
}
"""Name of each column and its definition; P is the prediction, R the reference."""

_EQUAL_MM = 1e-5
"""Slack when a distance is compared with a tolerance: an affine stored in single precision is no better than this."""


def dice(overlap: Overlap) -> float:
    """Dice similarity coefficient (Dice 1945); the masks must not both be empty."""
    return 2 * overlap.shared / (overlap.prediction + overlap.reference)


def iou(overlap: Overlap) -> float:
    """Intersection over union (Jaccard 1912); the masks must not both be empty."""
    return overlap.shared / (overlap.prediction + overlap.reference - overlap.shared)


def precision(overlap: Overlap) -> float:
    """Share of the prediction that is right; 0 where nothing was predicted."""
    return overlap.shared / overlap.prediction if overlap.prediction else 0.0


def recall(overlap: Overlap) -> float:
    """Share of the reference that was found; 0 where the reference is empty."""
    return overlap.shared / overlap.reference if overlap.reference else 0.0


def hausdorff_mm(distances: SurfaceDistances, *, percentile: float = 95.0) -> float:
    """Percentile Hausdorff distance in mm: the larger of the two directed percentiles.

    For `Surface.VOXEL` the percentile interpolates linearly, as MONAI's; for `Surface.AREA` it is the first distance at
    which the accumulated area reaches the percentile, as DeepMind's `compute_robust_hausdorff`.
    """
    if distances.surface is Surface.VOXEL:
        directed = [float(np.percentile(d, percentile)) for d in (distances.to_reference, distances.to_prediction)]
    else:
        directed = [
            _area_percentile(distances.to_reference, distances.prediction_areas, percentile),
            _area_percentile(distances.to_prediction, distances.reference_areas, percentile),
        ]
    return float(max(directed))


def assd_mm(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance in mm, over all elements of both surfaces (weighted by area if so defined)."""
    total = distances.to_reference @ distances.prediction_areas + distances.to_prediction @ distances.reference_areas
    return float(total / (distances.prediction_areas.sum() + distances.reference_areas.sum()))


def nsd(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Normalized surface Dice (Nikolov et al., arXiv:1809.04430): share of both surfaces within the tolerance."""
    limit = tolerance_mm + _EQUAL_MM
    within = (
        distances.prediction_areas[distances.to_reference <= limit].sum()
        + distances.reference_areas[distances.to_prediction <= limit].sum()
    )
    return float(within / (distances.prediction_areas.sum() + distances.reference_areas.sum()))


def _area_percentile(distances: NDArray[np.float64], areas: NDArray[np.float64], percentile: float) -> float:
    order = np.argsort(distances)
    reached = np.cumsum(areas[order]) / areas.sum()
    index = min(int(np.searchsorted(reached, percentile / 100)), distances.size - 1)
    return float(distances[order[index]])
