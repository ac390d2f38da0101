"""What an evaluation leaves behind: `cases.csv`, `lesions.csv`, `summary.json`, `report.html`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from monai_unet.evaluation.case_work import CaseResult, ScoreSettings
from monai_unet.evaluation.detection import Detection, LesionRecord
from monai_unet.evaluation.digest import Digest, digest
from monai_unet.evaluation.lesion_summary import LesionSummary
from monai_unet.evaluation.pairs import Refusal
from monai_unet.evaluation.scores import ClassScore
from monai_unet.evaluation.summary import Summary, summarise
from monai_unet.evaluation.tables import write_cases_csv, write_lesions_csv, write_summary_json
from monai_unet.io import together
from monai_unet.mappings import Json

OUTPUT_NAMES = ("cases.csv", "lesions.csv", "summary.json", "report.html")
"""Files of an evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """All results of an evaluation, cases in order; `results` may lie on the disk and is gone through case by case."""

    settings: ScoreSettings
    results: Sequence[CaseResult]
    refusals: Sequence[Refusal]
    provenance: Mapping[str, object]

    def scores(self) -> Iterator[ClassScore]:
        """Rows of all scored cases."""
        return (score for result in self.results for score in result.scores)

    def lesions(self) -> Iterator[LesionRecord]:
        """Lesions of all scored cases."""
        return (record for result in self.results for record in result.lesions)

    def notes(self) -> dict[str, list[str]]:
        """What was unusual about files: each note with the cases of which it is true."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            for note in result.notes:
                found.setdefault(note, []).append(result.pair.case)
        return found

    @cached_property
    def digest(self) -> Digest:
        """Numbers over all cases."""
        return digest(self.results, self.settings)


def write_outputs(evaluation: Evaluation, folder: str | Path) -> Summary | None:
    """Write all files of an evaluation, all or none; gives the summary, None where no case was scored."""
    from monai_unet.evaluation.report import write_report

    folder = Path(folder)
    table = evaluation.digest.table
    summary = summarise(table) if table is not None else None
    with together():
        write_cases_csv(evaluation.scores(), folder / "cases.csv")
        write_lesions_csv(evaluation.lesions(), folder / "lesions.csv")
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


def _sections(evaluation: Evaluation) -> Json:
    calibration = evaluation.digest.calibration
    return {
        "notes": {result.pair.case: list(result.notes) for result in evaluation.results if result.notes},
        "volume_agreement_ml": {name: asdict(found) for name, found in evaluation.digest.volume_agreement().items()},
        "lesions": {found.name: _lesion_section(found) for found in evaluation.digest.lesions},
        "calibration": None
        if calibration is None
        else {
            "ece": calibration.ece,
            "ece_above_lowest_bin": calibration.ece_above_lowest,
            "voxels": calibration.voxels.tolist(),
            "confidence": calibration.confidence.tolist(),
            "frequency": calibration.frequency.tolist(),
        },
    }


def _lesion_section(found: LesionSummary) -> Json:
    return {
        **_detection_section(found.total),
        "by_long_axis_mm": {size_name(*size): _detection_section(part) for size, part in found.by_size.items()},
        "panoptic_quality": {**asdict(found.panoptic), "pq": found.panoptic.pq},
        "splits": found.splits,
        "merges": found.merges,
    }


def _detection_section(found: Detection) -> Json:
    return {**asdict(found), "sensitivity": found.sensitivity, "precision": found.precision, "f1": found.f1}


def listed(cases: Sequence[str], *, most: int = 5) -> str:
    """Names of cases for a line of text, the first ones and how many more.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(cases) - most
    return ", ".join(cases[:most]) + (f" and {more} more" if more > 0 else "")


def size_name(low: float, high: float) -> str:
    """A size class in words: `5–10 mm`, `≥ 20 mm`, `< 5 mm`."""
    if np.isinf(high):
        return f"≥ {low:g} mm"
    return f"< {high:g} mm" if low == 0 else f"{low:g}–{high:g} mm"
