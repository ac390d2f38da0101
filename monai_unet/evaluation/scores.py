"""The scores of one case: one row per class, with a stated policy for empty masks.

Both masks empty: status `both_empty`, no numbers, counted apart. Prediction empty (`missed`) or reference empty
(`spurious`): Dice, IoU, precision, recall and NSD are 0, HD95 and ASSD are the image's diagonal. So a missed structure
always makes a mean worse, and no case is ever dropped from one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot, isfinite, nan, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation import metrics
from monai_unet.evaluation.overlap import Overlap, overlaps
from monai_unet.evaluation.surface import Spacing, Surface, SurfaceDistances, surface_distances
from monai_unet.mappings import Json


class Status(StrEnum):
    """Which of the two masks of a class hold anything."""

    SCORED = "scored"
    MISSED = "missed"
    SPURIOUS = "spurious"
    BOTH_EMPTY = "both_empty"


@dataclass(frozen=True)
class ClassScore:
    """One class of one case; lengths in mm, volumes in ml, NaN only where `status` is `both_empty`.

    Attributes:
        case: name of the case.
        label: value in the label maps.
        name: name of the class.
        status: which masks hold anything.
        dice, iou, precision, recall: see `monai_unet.evaluation.metrics.DEFINITIONS`.
        hd95_mm, assd_mm: surface distances.
        tolerances_mm: the tolerances of `nsd`.
        nsd: normalized surface Dice at each of `tolerances_mm`.
        volume_ml, reference_volume_ml: volumes of prediction and reference, also where `both_empty` (then 0).
    """

    case: str
    label: int
    name: str
    status: Status
    dice: float
    iou: float
    precision: float
    recall: float
    hd95_mm: float
    assd_mm: float
    tolerances_mm: tuple[float, ...]
    nsd: tuple[float, ...]
    volume_ml: float
    reference_volume_ml: float

    @property
    def volume_difference_ml(self) -> float:
        """Prediction minus reference."""
        return self.volume_ml - self.reference_volume_ml


def score_case(
    prediction: ArrayLike,
    reference: ArrayLike,
    *,
    spacing: Sequence[float],
    labels: Mapping[int, str],
    tolerance_mm: float | Sequence[float] = 1.0,
    surface: Surface | str = Surface.AREA,
    case: str = "",
) -> list[ClassScore]:
    """Score every class of two integer label maps on one grid, in the order of the label values.

    Args:
        prediction, reference: integer arrays of one shape, 3D or with one leading channel; any axis order.
        spacing: voxel size in mm along each array axis, in the axis order of the arrays.
        labels: name of each label value; 0 is background and not scored.
        tolerance_mm: tolerance or tolerances of the normalized surface Dice.
        surface: definition of the surface, see `monai_unet.evaluation.surface`.
        case: name of the case, passed on to the rows.

    Raises:
        InputError: shapes differ, values are not integers, are negative or have no name, or the spacing is not three
            positive lengths.

    >>> reference = np.zeros((8, 8, 8), np.uint8)
    >>> reference[2:6, 2:6, 2:6] = 1
    >>> prediction = np.roll(reference, 1, axis=0)
    >>> (row,) = score_case(prediction, reference, spacing=(3.0, 1.0, 1.0), labels={1: "tumour"})
    >>> row.dice, row.volume_ml
    (0.75, 0.192)
    """
    predicted, referenced = _volume(prediction), _volume(reference)
    millimetres = _spacing(spacing)
    tolerances = _tolerances(tolerance_mm)
    found = overlaps(predicted, referenced, labels)
    diagonal = hypot(*(n * s for n, s in zip(predicted.shape, millimetres, strict=True)))
    voxel_ml = prod(millimetres) / 1000
    scores = []
    for value, overlap in found.items():
        status = _status(overlap)
        if overlap.box is None:
            numbers = _constant(nan, nan, tolerances)
        elif status is not Status.SCORED:
            numbers = _constant(0.0, diagonal, tolerances)
        else:
            distances = surface_distances(
                predicted, referenced, value=value, box=overlap.box, spacing=millimetres, surface=Surface(surface)
            )
            numbers = _measured(overlap, distances, tolerances)
        scores.append(
            ClassScore(
                case=case,
                label=value,
                name=labels[value],
                status=status,
                tolerances_mm=tolerances,
                volume_ml=overlap.prediction * voxel_ml,
                reference_volume_ml=overlap.reference * voxel_ml,
                **numbers,
            )
        )
    return scores


def _measured(overlap: Overlap, distances: SurfaceDistances, tolerances: tuple[float, ...]) -> Json:
    return {
        "dice": metrics.dice(overlap),
        "iou": metrics.iou(overlap),
        "precision": metrics.precision(overlap),
        "recall": metrics.recall(overlap),
        "hd95_mm": metrics.hausdorff_mm(distances),
        "assd_mm": metrics.assd_mm(distances),
        "nsd": tuple(metrics.nsd(distances, tolerance_mm=tolerance) for tolerance in tolerances),
    }


def _constant(share: float, distance_mm: float, tolerances: tuple[float, ...]) -> Json:
    shares = dict.fromkeys(("dice", "iou", "precision", "recall"), share)
    return {**shares, "hd95_mm": distance_mm, "assd_mm": distance_mm, "nsd": (share,) * len(tolerances)}


def _status(overlap: Overlap) -> Status:
    if not overlap.prediction and not overlap.reference:
        return Status.BOTH_EMPTY
    if not overlap.prediction:
        return Status.MISSED
    return Status.SCORED if overlap.reference else Status.SPURIOUS


def _volume(labels: ArrayLike) -> NDArray[np.integer]:
    array = np.asarray(labels)
    return array[0] if array.ndim == 4 and array.shape[0] == 1 else array


def _spacing(spacing: Sequence[float]) -> Spacing:
    lengths = tuple(float(s) for s in spacing)
    if len(lengths) != 3 or not all(isfinite(s) and s > 0 for s in lengths):
        raise InputError(f"spacing must be three positive lengths in mm, got {lengths}.")
    return lengths[0], lengths[1], lengths[2]


def _tolerances(tolerance_mm: float | Sequence[float]) -> tuple[float, ...]:
    values = (tolerance_mm,) if isinstance(tolerance_mm, int | float) else tuple(tolerance_mm)
    if not values or not all(isfinite(t) and t >= 0 for t in values):
        raise InputError(f"the tolerance of the surface Dice must be 0 mm or more, got {values}.")
    return tuple(float(t) for t in values)
