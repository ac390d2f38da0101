"""What a report needs of all cases, gathered in one pass, so that the cases themselves can stay on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monai_unet.evaluation.calibration import Reliability
from monai_unet.evaluation.case_work import CaseResult, ScoreSettings
from monai_unet.evaluation.detection import LesionRecord, Side
from monai_unet.evaluation.lesion_summary import LesionSummary, lesion_summary
from monai_unet.evaluation.score_table import ScoreTable, score_table
from monai_unet.evaluation.scores import ClassScore
from monai_unet.evaluation.statistics import Agreement, agreement

LISTED = 100
"""How many missed lesions, and how many rows, a report names."""


@dataclass(frozen=True)
class Digest:
    """Numbers over all cases.

    Attributes:
        table: scores, None where there are none.
        lesions: one summary per class that is scored by lesion.
        missed: lesions that were not detected, the largest first, at most `LISTED`.
        calibration: reliability over the voxels of all cases, None without probabilities.
    """

    table: ScoreTable | None
    lesions: tuple[LesionSummary, ...]
    missed: tuple[LesionRecord, ...]
    calibration: Reliability | None

    def volume_agreement(self) -> dict[str, Agreement]:
        """Bland–Altman of the volumes in ml per class, cases where both are empty left out."""
        if self.table is None:
            return {}
        measured, reference = (self.table.columns[name] for name in ("volume_ml", "reference_volume_ml"))
        found = {}
        for k, name in enumerate(self.table.labels.values()):
            known = measured[:, k] == measured[:, k]
            if known.any():
                found[name] = agreement(measured[known, k], reference[known, k])
        return found


def digest(results: Iterable[CaseResult], settings: ScoreSettings) -> Digest:
    """Digest of scored cases, taken one by one."""
    lesions = {value: lesion_summary((), name=settings.labels[value]) for value in settings.lesion_labels}
    missed: list[LesionRecord] = []
    calibration: Reliability | None = None

    def scores() -> Iterator[ClassScore]:
        nonlocal missed, calibration
        for result in results:
            for value, found in lesions.items():
                records = [record for record in result.lesions if record.label == value]
                lesions[value] = found + lesion_summary(records, name=found.name)
            missed = _largest([*missed, *(r for r in result.lesions if r.side is Side.REFERENCE and not r.hit)])
            if result.calibration is not None:
                calibration = result.calibration if calibration is None else calibration + result.calibration
            yield from result.scores

    table = score_table(scores())
    return Digest(table, tuple(lesions.values()), tuple(missed), calibration)


def _largest(records: list[LesionRecord]) -> list[LesionRecord]:
    return sorted(records, key=lambda record: -record.volume_ml)[:LISTED]
