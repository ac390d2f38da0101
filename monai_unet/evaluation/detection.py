"""Which reference lesions were found, which predicted lesions are right, and how well the pairs agree.

Detection is many-to-many (as Commowick et al. 2018 for MS lesions): a reference lesion is detected when predicted
lesions cover at least a share of it, a predicted lesion is right when reference lesions cover that share of it. So a
lesion found in two pieces is one detection and no false alarm; splits and merges are counted on their own.
Panoptic quality (Kirillov et al., arXiv:1801.00868) matches one to one at IoU above 0.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from monai_unet.evaluation.lesions import Lesion

MIN_COVERAGE = 0.1
SIZE_EDGES_MM = (0.0, 5.0, 10.0, 20.0, inf)
"""Size classes by RECIST long axis; lesions below 10 mm are not measurable in RECIST 1.1."""

_PANOPTIC_IOU = 0.5


@dataclass(frozen=True)
class LesionPair:
    """A predicted and a reference lesion that share voxels (numbers of the lesions, shared voxels, IoU)."""

    prediction: int
    reference: int
    shared: int
    iou: float


@dataclass(frozen=True)
class LesionMatch:
    """Lesions of one class of one case and how they meet.

    Attributes:
        case: name of the case.
        prediction, reference: the lesions of either side.
        pairs: all pairs that share voxels.
        right: numbers of the predicted lesions that are right.
        detected: numbers of the reference lesions that were found.
    """

    case: str
    prediction: tuple[Lesion, ...]
    reference: tuple[Lesion, ...]
    pairs: tuple[LesionPair, ...]
    right: frozenset[int]
    detected: frozenset[int]

    @property
    def splits(self) -> int:
        """Reference lesions that meet more than one right predicted lesion."""
        return _met_by_several([(pair.reference, pair.prediction) for pair in self._counting()])

    @property
    def merges(self) -> int:
        """Predicted lesions that meet more than one detected reference lesion."""
        return _met_by_several([(pair.prediction, pair.reference) for pair in self._counting()])

    def _counting(self) -> list[LesionPair]:
        return [pair for pair in self.pairs if pair.prediction in self.right and pair.reference in self.detected]


@dataclass(frozen=True)
class Detection:
    """Counts over lesions; shares are NaN where nothing was there to count."""

    reference: int
    detected: int
    prediction: int
    right: int

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
) -> LesionMatch:
    """Match two `component_map`s of one shape and their measured lesions."""
    both = (prediction > 0) & (reference > 0)
    numbers, shared = np.unique(np.stack([prediction[both], reference[both]], axis=1), axis=0, return_counts=True)
    sizes = (
        {lesion.number: lesion.voxels for lesion in predicted},
        {lesion.number: lesion.voxels for lesion in referenced},
    )
    pairs = tuple(
        LesionPair(int(p), int(r), int(n), int(n) / (sizes[0][int(p)] + sizes[1][int(r)] - int(n)))
        for (p, r), n in zip(numbers, shared, strict=True)
    )
    return LesionMatch(
        case=case,
        prediction=tuple(predicted),
        reference=tuple(referenced),
        pairs=pairs,
        right=_covered(sizes[0], [(pair.prediction, pair.shared) for pair in pairs], min_coverage),
        detected=_covered(sizes[1], [(pair.reference, pair.shared) for pair in pairs], min_coverage),
    )


def detection(matches: Iterable[LesionMatch], *, low_mm: float = 0.0, high_mm: float = inf) -> Detection:
    """Counts over the lesions whose RECIST long axis lies in [low, high) mm."""
    counts = [0, 0, 0, 0]
    for match in matches:
        for offset, lesions, good in ((0, match.reference, match.detected), (2, match.prediction, match.right)):
            chosen = [lesion for lesion in lesions if low_mm <= lesion.long_axis.length_mm < high_mm]
            counts[offset] += len(chosen)
            counts[offset + 1] += sum(lesion.number in good for lesion in chosen)
    return Detection(*counts)


def detection_by_size(
    matches: Iterable[LesionMatch], *, edges_mm: Sequence[float] = SIZE_EDGES_MM
) -> dict[tuple[float, float], Detection]:
    """`detection` for each size class; a reference lesion stands in its own class, a predicted one in its own."""
    found = list(matches)
    return {(low, high): detection(found, low_mm=low, high_mm=high) for low, high in pairwise(edges_mm)}


def panoptic_quality(matches: Iterable[LesionMatch]) -> PanopticQuality:
    """Panoptic quality over all lesions of all cases together."""
    found = list(matches)
    ious = [pair.iou for match in found for pair in match.pairs if pair.iou > _PANOPTIC_IOU]
    predicted, referenced = (sum(len(side) for side in sides) for sides in zip(*_sides(found), strict=True))
    total = predicted + referenced
    return PanopticQuality(
        pairs=len(ious),
        false_positives=predicted - len(ious),
        false_negatives=referenced - len(ious),
        sq=float(np.mean(ious)) if ious else (0.0 if total else nan),
        rq=2 * len(ious) / total if total else nan,
    )


def _sides(matches: Sequence[LesionMatch]) -> list[tuple[tuple[Lesion, ...], tuple[Lesion, ...]]]:
    return [(match.prediction, match.reference) for match in matches] or [((), ())]


def _covered(sizes: dict[int, int], shared: Iterable[tuple[int, int]], min_coverage: float) -> frozenset[int]:
    covered = dict.fromkeys(sizes, 0)
    for number, voxels in shared:
        covered[number] += voxels
    return frozenset(n for n, voxels in covered.items() if voxels and voxels >= min_coverage * sizes[n])


def _met_by_several(pairs: Iterable[tuple[int, int]]) -> int:
    met: dict[int, set[int]] = {}
    for one, other in pairs:
        met.setdefault(one, set()).add(other)
    return sum(len(others) > 1 for others in met.values())
