"""What an evaluation leaves behind: `cases.csv`, `lesions.csv`, `summary.json`, `report.html`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from monai_unet.evaluation.calibration import Reliability
from monai_unet.evaluation.case_work import CaseResult, Settings
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
from monai_unet.evaluation.pairs import Refusal
from monai_unet.evaluation.scores import ClassScore, Status
from monai_unet.evaluation.statistics import Agreement, agreement
from monai_unet.evaluation.summary import Summary, summarise
from monai_unet.evaluation.tables import write_cases_csv, write_lesions_csv, write_summary_json


@dataclass(frozen=True)
class LesionSummary:
    """Lesion-wise scores of one class over all cases; `by_size` goes by RECIST long axis in mm."""

    name: str
    total: Detection
    by_size: Mapping[tuple[float, float], Detection]
    panoptic: PanopticQuality
    splits: int
    merges: int


@dataclass(frozen=True)
class Evaluation:
    """All results of an evaluation, cases in order."""

    settings: Settings
    results: tuple[CaseResult, ...]
    refusals: tuple[Refusal, ...]
    provenance: Mapping[str, Any]

    @property
    def scores(self) -> list[ClassScore]:
        """Rows of all scored cases."""
        return [score for result in self.results for score in result.scores]

    @property
    def lesions(self) -> list[LesionRecord]:
        """Lesions of all scored cases."""
        return [record for result in self.results for record in result.lesions]

    def lesion_summaries(self) -> list[LesionSummary]:
        """One per class that is scored by lesion."""
        found = []
        for value in self.settings.lesion_labels:
            records = [record for record in self.lesions if record.label == value]
            found.append(
                LesionSummary(
                    name=self.settings.labels[value],
                    total=detection(records),
                    by_size=detection_by_size(records),
                    panoptic=panoptic_quality(records),
                    splits=splits(records),
                    merges=merges(records),
                )
            )
        return found

    def volume_agreement(self) -> dict[str, Agreement]:
        """Bland–Altman of the volumes in ml per class, cases where both are empty left out."""
        found = {}
        for label, name in self.settings.labels.items():
            rows = [s for s in self.scores if s.label == label and s.status is not Status.BOTH_EMPTY]
            if rows:
                found[name] = agreement([s.volume_ml for s in rows], [s.reference_volume_ml for s in rows])
        return found

    def calibration(self) -> Reliability | None:
        """Reliability over the voxels of all cases, if probabilities were given."""
        parts = [result.calibration for result in self.results if result.calibration is not None]
        return reduce(add, parts) if parts else None


def write_outputs(evaluation: Evaluation, folder: str | Path) -> Summary | None:
    """Write all files of an evaluation, each of them atomically; gives the summary, None where no case was scored."""
    from monai_unet.evaluation.report import write_report

    folder = Path(folder)
    scores = evaluation.scores
    summary = summarise(scores) if scores else None
    write_cases_csv(scores, folder / "cases.csv")
    write_lesions_csv(evaluation.lesions, folder / "lesions.csv")
    write_summary_json(
        summary,
        folder / "summary.json",
        surface=evaluation.settings.surface,
        failures=[asdict(refusal) for refusal in evaluation.refusals],
        provenance=evaluation.provenance,
        more=_sections(evaluation),
    )
    write_report(evaluation, summary, folder / "report.html")
    return summary


def collect(results: Sequence[CaseResult], refusals: Sequence[Refusal]) -> tuple[list[CaseResult], list[Refusal]]:
    """Scored cases, and all refusals: those known before and those of cases that failed."""
    failed = [Refusal(result.pair.case, result.failure) for result in results if result.failure]
    return [result for result in results if not result.failure], [*refusals, *failed]


def _sections(evaluation: Evaluation) -> dict[str, Any]:
    calibration = evaluation.calibration()
    return {
        "volume_agreement_ml": {name: asdict(found) for name, found in evaluation.volume_agreement().items()},
        "lesions": {found.name: _lesion_section(found) for found in evaluation.lesion_summaries()},
        "calibration": None
        if calibration is None
        else {
            "ece": calibration.ece,
            "voxels": calibration.voxels.tolist(),
            "confidence": calibration.confidence.tolist(),
            "frequency": calibration.frequency.tolist(),
        },
    }


def _lesion_section(found: LesionSummary) -> dict[str, Any]:
    return {
        **_detection_section(found.total),
        "by_long_axis_mm": {size_name(*size): _detection_section(part) for size, part in found.by_size.items()},
        "panoptic_quality": {**asdict(found.panoptic), "pq": found.panoptic.pq},
        "splits": found.splits,
        "merges": found.merges,
    }


def _detection_section(found: Detection) -> dict[str, Any]:
    return {**asdict(found), "sensitivity": found.sensitivity, "precision": found.precision, "f1": found.f1}


def size_name(low: float, high: float) -> str:
    """A size class in words: `5–10 mm`, `≥ 20 mm`, `< 5 mm`."""
    if np.isinf(high):
        return f"≥ {low:g} mm"
    return f"< {high:g} mm" if low == 0 else f"{low:g}–{high:g} mm"
