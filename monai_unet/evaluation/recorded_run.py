"""Many cases with a journal: what is scored is on the disk before the next one counts, and is not done twice."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_unet.batch import Part
from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult
from monai_unet.evaluation.journal import EvaluationJournal, StoredResults
from monai_unet.evaluation.pairs import Pair, Refusal

JOURNAL = "journal.jsonl"
"""Its name in the folder of an evaluation."""


def journal_name(part: Part) -> str:
    """The journal of a part, which shares the folder with those of the others.

    >>> journal_name(Part(2, 3))
    'journal.part-2-of-3.jsonl'
    """
    return JOURNAL.replace(".", f"{part.suffix}.", 1) if part.suffix else JOURNAL


@dataclass(frozen=True)
class Recorded:
    """Scored cases in the order of their pairs, read from the journal when asked for; the cases that failed; what of an
    earlier run was lost."""

    results: StoredResults
    failed: tuple[Refusal, ...]
    notes: tuple[str, ...] = ()


def run_recorded(
    pairs: Sequence[Pair],
    run: Callable[[Sequence[Pair]], Generator[CaseResult]],
    folder: str | Path,
    *,
    settings: Mapping[str, Any],
    resume: bool = False,
    makes_predictions: bool = False,
    journal_file: str = JOURNAL,
) -> Generator[int, None, Recorded]:
    """Score what the journal in `folder` does not hold yet; closing the generator keeps every finished case.

    Args:
        pairs: the cases.
        run: scores cases, see `monai_unet.batch.runner`.
        settings: what the results depend on, as plain values.
        resume: take over the cases of an earlier run with the same settings whose files have not changed.
        makes_predictions: `run` writes the predictions too; one that somebody changed since is not made anew.

        journal_file: name of the journal in the folder.

    Yields:
        How many cases are done: first those of an earlier run, then one more each time.

    Raises:
        InputError: the folder holds an evaluation and `resume` is not asked for, it was made with other settings, or
            another process writes it.
    """
    path = Path(folder) / journal_file
    wanted = {pair: index for index, pair in enumerate(pairs)}
    places, failed = [-1] * len(pairs), dict[int, Refusal]()
    with EvaluationJournal(path, settings, resume=resume) as journal:
        _refuse_altered(journal.altered() if makes_predictions else [])
        for place, result in journal.done():
            if result.pair in wanted:
                places[wanted[result.pair]] = place
        left = [pair for pair, place in zip(pairs, places, strict=True) if place < 0]
        before = len(pairs) - len(left)
        yield before
        with closing(run(left)) as finished:
            for done, result in enumerate(finished, start=before + 1):
                place = journal.append(result)
                if result.failure:
                    failed[wanted[result.pair]] = Refusal(result.pair.case, result.failure)
                else:
                    places[wanted[result.pair]] = place
                yield done
    stored = StoredResults(path, [place for place in places if place >= 0])
    return Recorded(stored, tuple(failed[index] for index in sorted(failed)), tuple(journal.notes))


def _refuse_altered(predictions: Sequence[str]) -> None:
    if predictions:
        more = f" and {len(predictions) - 1} more were" if len(predictions) > 1 else " was"
        raise InputError(
            f"{predictions[0]}{more} changed since it was scored, and segmenting again would lose that; score the "
            "folder with --predictions, or move the file away."
        )
