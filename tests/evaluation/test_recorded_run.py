"""A run with a journal: progress, going on, failures in the order of the cases, and a stop between two."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from monai_unet.batch.runner import run_cases
from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult, CaseWork
from monai_unet.evaluation.pairs import Pair
from monai_unet.evaluation.recorded_run import run_recorded
from monai_unet.generators import WithResult, drain


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    for name in "abcd":
        (tmp_path / name).write_text(name)
    return [Pair(name, str(tmp_path / name), str(tmp_path / name)) for name in "abcd"]


class Runner:
    """Scores backwards, as processes do that finish in any order; cases named in `failing` fail."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.asked, self.closed = failing, list[str](), False

    def __call__(self, pairs: Sequence[Pair]) -> Generator[CaseResult]:
        try:
            for pair in reversed(pairs):
                self.asked.append(pair.case)
                yield CaseResult(pair, failure="bad" if pair.case in self.failing else "")
        finally:
            self.closed = True


def test_results_come_in_the_order_of_the_cases_and_failures_beside_them(pairs: list[Pair], tmp_path: Path) -> None:
    seen: list[int] = []
    found = drain(run_recorded(pairs, Runner("db"), tmp_path / "out", settings={}), seen.append)
    assert seen == [0, 1, 2, 3, 4]
    assert [result.pair.case for result in found.results] == ["a", "c"]
    assert [refusal.case for refusal in found.failed] == ["b", "d"]


def test_a_stopped_run_goes_on_with_what_is_left(pairs: list[Pair], tmp_path: Path) -> None:
    first = Runner()
    steps = run_recorded(pairs, first, tmp_path / "out", settings={"a": 1})
    assert [next(steps) for _ in range(3)] == [0, 1, 2]
    steps.close()
    assert first.closed
    with pytest.raises(InputError, match="--resume"):
        drain(run_recorded(pairs, Runner(), tmp_path / "out", settings={"a": 1}))
    with pytest.raises(InputError, match="other settings"):
        drain(run_recorded(pairs, Runner(), tmp_path / "out", settings={"a": 2}, resume=True))
    second = Runner()
    again = WithResult(run_recorded(pairs, second, tmp_path / "out", settings={"a": 1}, resume=True))
    assert list(again) == [2, 3, 4]
    assert second.asked == ["b", "a"]
    assert [result.pair.case for result in again.result.results] == ["a", "b", "c", "d"]


class Unscored(CaseWork):
    """Gives nothing."""

    def __call__(self, pair: Pair, /) -> CaseResult:
        return CaseResult(pair)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_worker_at_all_is_refused(pairs: list[Pair], workers: int) -> None:
    with pytest.raises(InputError, match="--workers must be 1 or more"):
        run_cases(pairs, Unscored(), workers=workers)


def test_one_worker_scores_in_this_process_in_order(pairs: list[Pair]) -> None:
    found = run_cases(pairs, Unscored(), workers=1)
    assert [result.pair.case for result in found] == ["a", "b", "c", "d"]
