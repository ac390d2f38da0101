"""Lesion-wise scores of one class; those of a data set are the sum of those of its cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monai_unet.evaluation.detection import (
    Detection,
    LesionRecord,
    PanopticQuality,
    detection,
    detection_by_size,
    merges,
    panoptic_quality,
    splits,
)


@dataclass(frozen=True)
class LesionSummary:
    """Lesion-wise scores of one class; `by_size` goes by RECIST long axis in mm."""

    name: str
    total: Detection
    by_size: Mapping[tuple[float, float], Detection]
    panoptic: PanopticQuality
    splits: int
    merges: int

    def __add__(self, other: LesionSummary) -> LesionSummary:
        return LesionSummary(
            name=self.name,
            total=self.total + other.total,
            by_size={size: part + other.by_size[size] for size, part in self.by_size.items()},
            panoptic=self.panoptic + other.panoptic,
            splits=self.splits + other.splits,
            merges=self.merges + other.merges,
        )


def lesion_summary(records: Iterable[LesionRecord], *, name: str) -> LesionSummary:
    """Summary of the lesions of one class, of one case or of several."""
    found = list(records)
    return LesionSummary(
        name=name,
        total=detection(found),
        by_size=detection_by_size(found),
        panoptic=panoptic_quality(found),
        splits=splits(found),
        merges=merges(found),
    )
