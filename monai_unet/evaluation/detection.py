"""Which reference lesions were found, which predicted lesions are right, and how well the pairs agree.

Detection is many-to-many (as Commowick et al. 2018 for MS lesions): a reference lesion is detected when predicted
lesions cover at least a share of it, a predicted lesion is right when reference lesions cover that share of it. So a
lesion found in two pieces is one detection and no false alarm; splits and merges are counted on their own.
Panoptic quality (Kirillov et al., arXiv:1801.00868) matches one to one at IoU above 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from monai_unet.measurement import Lesion

MIN_COVERAGE = 0.1
SIZE_EDGES_MM = (0.0, 5.0, 10.0, 20.0, inf)
"""Size classes by RECIST long axis; lesions below 10 mm are not measurable in RECIST 1.1."""

_PANOPTIC_IOU = 0.5


class Side(StrEnum):
    """Whose lesion it is."""

    REFERENCE = "reference"
    PREDICTION = "prediction"


@dataclass(frozen=True, slots=True)
class LesionRecord:
    """One lesion of either side, its measurements and its match, flat: a row of `lesions.csv`.

    Attributes:
        case, label, name, side, number: which lesion; numbers as in `Lesion`.
        hit: a reference lesion that was detected, or a predicted lesion that is right.
        partners: numbers of the hit lesions of the other side that share voxels with it, if it is a hit itself.
        best_iou: highest IoU with one lesion of the other side.
        volume_ml, long_axis_mm, short_axis_mm, longest_diameter_mm, slice_index: as in `Lesion`.
        centroid_mm: RAS mm.
        intensity_mean, intensity_sd: as in `Lesion`.
    """

    case: str
    label: int
    name: str
    side: Side
    number: int
    hit: bool
    partners: tuple[int, ...]
    best_iou: float
    volume_ml: float
    long_axis_mm: float
    short_axis_mm: float
    longest_diameter_mm: float
    slice_index: int
    centroid_mm: tuple[float, float, float]
    intensity_mean: float | None
    intensity_sd: float | None


@dataclass(frozen=True)
class Detection:
    """Counts over lesions; shares are NaN where nothing was there to count."""

    reference: int
    detected: int
    prediction: int
    right: int

    def __add__(self, other: Detection) -> Detection:
        return Detection(
            self.reference + other.reference,
            self.detected + other.detected,
            self.prediction + other.prediction,
            self.right + other.right,
        )

    @property
    def sensitivity(self) -> float:
        """Share of the reference lesions that were found."""
        return self.detected / self.reference if self.reference else nan

    @property
    def precision(self) -> float:
        """Share of the predicted lesions that are right."""
        return self.right / self.prediction if self.prediction else nan

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision; 0 where lesions exist on one side only."""
        if not self.reference and not self.prediction:
            return nan
        if not self.detected or not self.right:
            return 0.0
        return 2 * self.sensitivity * self.precision / (self.sensitivity + self.precision)


@dataclass(frozen=True)
class PanopticQuality:
    """One-to-one agreement of lesions at IoU > 0.5: pq = sq (mean IoU of the pairs) × rq (F1 of the pairs)."""

    pairs: int
    false_positives: int
    false_negatives: int
    sq: float
    rq: float

    def __add__(self, other: PanopticQuality) -> PanopticQuality:
        return _quality(
            pairs=self.pairs + other.pairs,
            iou_sum=sum(part.sq * part.pairs for part in (self, other) if part.pairs),
            false_positives=self.false_positives + other.false_positives,
            false_negatives=self.false_negatives + other.false_negatives,
        )

    @property
    def pq(self) -> float:
        """Panoptic quality; NaN where neither side has a lesion."""
        return self.sq * self.rq


def match_lesions(
    prediction: NDArray[np.int32],
    reference: NDArray[np.int32],
    predicted: Sequence[Lesion],
    referenced: Sequence[Lesion],
    *,
    case: str = "",
    min_coverage: float = MIN_COVERAGE,
) -> list[LesionRecord]:
    """Match two `component_map`s of one shape and their measured lesions; first the reference's records.

    Maps (S, A, R): the number of the part that each voxel is in, 0 outside.
    """
    both = (prediction > 0) & (reference > 0)
    pairs, shared = np.unique(np.stack([prediction[both], reference[both]], axis=1), axis=0, return_counts=True)
    table = np.zeros((len(predicted) + 1, len(referenced) + 1), np.int64)
    table[tuple(pairs.T)] = shared
    sizes = [np.array([0, *(lesion.voxels for lesion in side)]) for side in (predicted, referenced)]
    hits = [
        (table.sum(axis=1 - side) >= min_coverage * sizes[side]) & (table.sum(axis=1 - side) > 0) for side in range(2)
    ]
    iou = table / np.maximum(sizes[0][:, None] + sizes[1][None, :] - table, 1)
    counting = (table > 0) & hits[0][:, None] & hits[1][None, :]
    return [
        *(_record(case, Side.REFERENCE, lesion, hits[1], counting.T, iou.T) for lesion in referenced),
        *(_record(case, Side.PREDICTION, lesion, hits[0], counting, iou) for lesion in predicted),
    ]


def detection(records: Iterable[LesionRecord], *, low_mm: float = 0.0, high_mm: float = inf) -> Detection:
    """Counts over the lesions whose RECIST long axis lies in [low, high) mm."""
    chosen = [record for record in records if low_mm <= record.long_axis_mm < high_mm]
    sides = [[record for record in chosen if record.side is side] for side in (Side.REFERENCE, Side.PREDICTION)]
    reference, prediction = sides
    return Detection(
        reference=len(reference),
        detected=sum(record.hit for record in reference),
        prediction=len(prediction),
        right=sum(record.hit for record in prediction),
    )


def detection_by_size(
    records: Iterable[LesionRecord], *, edges_mm: Sequence[float] = SIZE_EDGES_MM
) -> dict[tuple[float, float], Detection]:
    """`detection` for each size class; a reference lesion stands in its own class, a predicted one in its own."""
    found = list(records)
    return {(low, high): detection(found, low_mm=low, high_mm=high) for low, high in pairwise(edges_mm)}


def splits(records: Iterable[LesionRecord]) -> int:
    """Reference lesions found in more than one piece."""
    return sum(record.side is Side.REFERENCE and len(record.partners) > 1 for record in records)


def merges(records: Iterable[LesionRecord]) -> int:
    """Predicted lesions that join more than one reference lesion."""
    return sum(record.side is Side.PREDICTION and len(record.partners) > 1 for record in records)


def panoptic_quality(records: Iterable[LesionRecord]) -> PanopticQuality:
    """Panoptic quality over all lesions of all cases together."""
    found = list(records)
    # above an IoU of 0.5 a lesion has at most one partner, so the reference's side counts each pair once
    ious = [r.best_iou for r in found if r.side is Side.REFERENCE and r.best_iou > _PANOPTIC_IOU]
    referenced = sum(record.side is Side.REFERENCE for record in found)
    return _quality(
        pairs=len(ious),
        iou_sum=sum(ious),
        false_positives=len(found) - referenced - len(ious),
        false_negatives=referenced - len(ious),
    )


def _quality(*, pairs: int, iou_sum: float, false_positives: int, false_negatives: int) -> PanopticQuality:
    lesions = 2 * pairs + false_positives + false_negatives
    return PanopticQuality(
        pairs=pairs,
        false_positives=false_positives,
        false_negatives=false_negatives,
        sq=iou_sum / pairs if pairs else (0.0 if lesions else nan),
        rq=2 * pairs / lesions if lesions else nan,
    )


def _record(
    case: str,
    side: Side,
    lesion: Lesion,
    hits: NDArray[np.bool_],
    counting: NDArray[np.bool_],
    iou: NDArray[np.float64],
) -> LesionRecord:
    right, anterior, superior = (float(x) for x in lesion.centroid_mm)
    return LesionRecord(
        case=case,
        label=lesion.label,
        name=lesion.name,
        side=side,
        number=lesion.number,
        hit=bool(hits[lesion.number]),
        partners=tuple(int(n) for n in np.flatnonzero(counting[lesion.number])),
        best_iou=float(iou[lesion.number].max()),
        volume_ml=lesion.volume_ml,
        long_axis_mm=lesion.long_axis.length_mm,
        short_axis_mm=lesion.short_axis.length_mm,
        longest_diameter_mm=lesion.longest_diameter.length_mm,
        slice_index=lesion.slice_index,
        centroid_mm=(right, anterior, superior),
        intensity_mean=lesion.intensity_mean,
        intensity_sd=lesion.intensity_sd,
    )
