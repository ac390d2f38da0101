"""An evaluation in parts: what each part was to score stands beside its journal; gathered, they are one report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_unet.batch import Part
from monai_unet.errors import InputError
from monai_unet.evaluation import provenance
from monai_unet.evaluation.case_work import ScoreSettings
from monai_unet.evaluation.journal import EvaluationJournal, StoredResults
from monai_unet.evaluation.outputs import Evaluation, write_outputs
from monai_unet.evaluation.pairs import Pair, Refusal
from monai_unet.evaluation.recorded_run import journal_name
from monai_unet.evaluation.summary import Summary
from monai_unet.evaluation.surface import Surface
from monai_unet.io import atomic_path, write_text

_PATTERN = "evaluate.part-*-of-*.json"


def write_part(
    folder: str | Path,
    part: Part,
    *,
    cases: Sequence[Pair],
    refusals: Sequence[Refusal],
    settings: ScoreSettings,
    model: Mapping[str, object],
    made: Mapping[str, object],
) -> None:
    """State what a part is of: all cases of the whole in order, its settings, what cannot be scored.

    Args:
        cases: of all parts; which are this part's follows from their names.
        made: title, inputs and start, for the report.
    """
    content = {
        "part": [part.number, part.count],
        "settings": asdict(settings),
        "model": model,
        "cases": [pair.case for pair in cases],
        "refusals": [asdict(refusal) for refusal in refusals],
        "made": made,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_text(Path(folder) / f"evaluate{part.suffix}.json", json.dumps(content) + "\n")


def has_parts(folder: str | Path) -> bool:
    """Whether parts of an evaluation lie in a folder."""
    return any(Path(folder).glob(_PATTERN))


@dataclass(frozen=True)
class GatheredEvaluation:
    """All parts as one evaluation.

    Attributes:
        warnings: sentences on what is not there.
    """

    evaluation: Evaluation
    summary: Summary | None
    warnings: tuple[str, ...]


def gather_evaluation(folder: str | Path) -> GatheredEvaluation:
    """Tables, summary and report of all parts in a folder, as one evaluation of all cases would have written them.

    Raises:
        InputError: parts of different evaluations, or a part that is still running.
    """
    folder = Path(folder)
    parts = [_stated(path) for path in sorted(folder.glob(_PATTERN))]
    first = parts[0]
    for other in parts[1:]:
        for name in ("settings", "model"):
            if other[name] != first[name]:
                raise InputError(
                    f"the parts in {folder} were scored with different {name}; score them again in one folder each."
                )
    # a folder that grew between two parts: the longest list is the newest
    cases: list[str] = max((part["cases"] for part in parts), key=len)
    settings = _settings(first["settings"])
    merged = folder / journal_name(Part())
    places, failed = _merge(folder, merged, parts, settings, first["model"])
    count = {int(part["part"][1]) for part in parts}
    warnings = _warnings(parts, count)
    refusals = {str(entry["case"]): Refusal(**entry) for part in parts for entry in part["refusals"]}
    refusals |= {case: refusal for case, refusal in failed.items() if case not in places}
    for case in cases:
        if case not in places and case not in refusals:
            refusals[case] = Refusal(case, "no part scored it; run its part again with --resume")
    order = {case: index for index, case in enumerate(cases)}
    known = sorted(places, key=lambda case: order.get(case, len(order)))
    made = provenance.environment() | {**first["made"], "finished": provenance.now(), "bundle": first["model"]}
    evaluation = Evaluation(settings, StoredResults(merged, [places[c] for c in known]), list(refusals.values()), made)
    return GatheredEvaluation(evaluation, write_outputs(evaluation, folder), tuple(warnings))


def _merge(
    folder: Path, merged: Path, parts: Sequence[Mapping[str, Any]], settings: ScoreSettings, model: object
) -> tuple[dict[str, int], dict[str, Refusal]]:
    """One journal of all parts, whole or not at all; where each case begins in it, and cases that failed."""
    depends_on = {"settings": asdict(settings), "model": model}
    places: dict[str, int] = {}
    failed: dict[str, Refusal] = {}
    with atomic_path(merged) as temporary:
        with EvaluationJournal(temporary, depends_on, resume=False) as together:
            end = together.path.stat().st_size
        with temporary.open("ab") as target:
            for part in parts:
                path = folder / journal_name(Part(*part["part"]))
                if not path.is_file():
                    continue
                with EvaluationJournal(path, depends_on, resume=True) as journal:
                    failed |= {refusal.case: refusal for refusal in journal.failures()}
                    found = list(journal.done())
                with path.open("rb") as source:
                    for place, result in found:
                        source.seek(place)
                        line = source.readline()
                        target.write(line)
                        places[result.pair.case] = end
                        end += len(line)
    return places, failed


def _settings(content: Mapping[str, Any]) -> ScoreSettings:
    return ScoreSettings(
        labels={int(value): str(name) for value, name in content["labels"].items()},
        tolerances_mm=tuple(content["tolerances_mm"]),
        surface=Surface(content["surface"]),
        lesion_labels=tuple(content["lesion_labels"]),
    )


def _stated(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if {"part", "settings", "model", "cases", "refusals", "made"} <= set(content):
            return content
    except (OSError, ValueError, TypeError):
        pass
    raise InputError(f"{path} is damaged; run its part again with --resume.")


def _warnings(parts: Sequence[Mapping[str, Any]], counts: set[int]) -> list[str]:
    if len(counts) > 1:
        return [f"the work was cut in different ways, {' and '.join(f'{n} parts' for n in sorted(counts))}."]
    absent = sorted(set(range(1, max(counts) + 1)) - {int(part["part"][0]) for part in parts})
    listed = ", ".join(map(str, absent[:20])) + (" …" if len(absent) > 20 else "")
    return [f"{len(absent)} of {max(counts)} parts never began ({listed})."] if absent else []
