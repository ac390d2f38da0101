"""Many cases survive dead workers, power cuts and kills; results are those of one process."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest

from monai_unet.batch.runner import run_here, run_in_processes, run_on_cluster
from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult, CaseWork, ScoreSettings
from monai_unet.evaluation.journal import EvaluationJournal, StoredResults
from monai_unet.evaluation.outputs import Evaluation
from monai_unet.evaluation.pairs import Pair
from monai_unet.evaluation.scores import ClassScore, Status
from monai_unet.evaluation.tables import write_cases_csv


def pairs(count: int) -> list[Pair]:
    return [Pair(f"case_{n}", f"p{n}", f"r{n}") for n in range(count)]


def result(pair: Pair) -> CaseResult:
    value = len(pair.case) / 10
    row = ClassScore(pair.case, 1, "x", Status.SCORED, value, value, value, value, value, value, (1.0,), (value,), 1, 1)
    return CaseResult(pair, (row,))


@dataclass(frozen=True)
class Work(CaseWork):
    """Gives a result; dies on `deadly` cases, always or only the first time (then a file remembers it)."""

    deadly: tuple[str, ...] = ()
    once: str = ""

    def __call__(self, pair: Pair, /) -> CaseResult:
        if pair.case in self.deadly:
            mark = Path(self.once) / pair.case if self.once else None
            if mark is None or not mark.exists():
                if mark is not None:
                    mark.touch()
                os._exit(9)
        return result(pair)


def by_case(results: list[CaseResult]) -> list[CaseResult]:
    return sorted(results, key=lambda r: r.pair.case)


def test_a_worker_that_dies_once_loses_no_case_and_one_that_always_dies_is_named(tmp_path: Path) -> None:
    expected = by_case(list(run_here(pairs(4), Work())))
    work = Work(deadly=("case_1",), once=str(tmp_path))
    assert by_case(list(run_in_processes(pairs(4), work, workers=2))) == expected
    assert (tmp_path / "case_1").exists()


@pytest.mark.slow
def test_a_case_that_always_kills_its_worker_is_given_up_and_the_rest_is_scored() -> None:
    found = by_case(list(run_in_processes(pairs(5), Work(deadly=("case_3",)), workers=2)))
    assert [r.pair.case for r in found if not r.failure] == ["case_0", "case_1", "case_2", "case_4"]
    [failed] = [r for r in found if r.failure]
    assert failed.pair.case == "case_3"
    assert "died each time" in failed.failure


@pytest.mark.slow
def test_a_cluster_gives_the_same_results_when_a_worker_is_killed_midway(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra: cluster)")
    work = Work(deadly=("case_2",), once=str(tmp_path))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = list(run_on_cluster(pairs(8), work, address=cluster.scheduler_address))
    assert (tmp_path / "case_2").exists(), "no worker was killed"
    assert by_case(found) == by_case(list(run_here(pairs(8), Work())))


def test_a_cluster_that_does_not_answer_is_refused() -> None:
    pytest.importorskip("distributed", reason="Dask is not installed (extra: cluster)")
    with pytest.raises(InputError, match="No Dask scheduler answers at"):
        list(run_on_cluster(pairs(1), Work(), address="nonsense://here"))


def test_journal_survives_a_power_cut_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with EvaluationJournal(path, {"a": 1}, resume=False) as journal:
        for pair in pairs(3):
            journal.append(result(pair))
    path.write_bytes(path.read_bytes()[:-20])
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert [r.pair.case for _, r in journal.done()] == ["case_0", "case_1"]
        journal.append(result(pairs(3)[2]))
        assert [r for _, r in journal.done()] == [result(pair) for pair in pairs(3)]


def test_stored_results_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    with EvaluationJournal(tmp_path / "j", {"a": 1}, resume=False) as journal:
        places = [journal.append(result(pair)) for pair in pairs(4)]
    with EvaluationJournal(tmp_path / "j", {"a": 1}, resume=True) as journal:
        places.append(journal.append(result(Pair("späte", "p", "r"))))
    stored = StoredResults(tmp_path / "j", reversed(places))
    assert [r.pair.case for r in stored] == ["späte", "case_3", "case_2", "case_1", "case_0"]
    assert (len(stored), stored[1], stored[-1]) == (5, result(pairs(4)[3]), result(pairs(4)[0]))
    assert [r.pair.case for r in stored[1:3]] == ["case_3", "case_2"]


def test_memory_does_not_grow_with_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four numbers a row are 13 columns of eight bytes; the files' names and the rows themselves stay on the disk."""
    monkeypatch.setattr("monai_unet.evaluation.journal.os.fsync", lambda _: None)

    def peak(count: int) -> int:
        with EvaluationJournal(tmp_path / f"j{count}", {}, resume=False) as journal:
            places = [journal.append(result(pair)) for pair in pairs(count)]
        evaluation = Evaluation(ScoreSettings({1: "x"}), StoredResults(journal.path, places), (), {})
        tracemalloc.start()
        write_cases_csv(evaluation.scores(), tmp_path / "cases.csv")
        assert evaluation.digest.table is not None
        assert len(evaluation.digest.table.cases) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert (peak(2500) - peak(500)) / 2000 < 500  # bytes per case: 320, and 1,200 with the results held in memory


def test_failed_and_changed_cases_are_done_again(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("p", "r")]
    for file in files:
        file.write_text("x")
    good, bad = Pair("good", str(files[0]), str(files[1])), Pair("bad", "p", "r")
    with EvaluationJournal(tmp_path / "j", {}, resume=False) as journal:
        journal.append(result(good))
        journal.append(CaseResult(bad, failure="broken"))
        assert [r.pair.case for _, r in journal.done()] == ["good"]
        files[0].write_text("changed")
        assert list(journal.done()) == []


def test_a_journal_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    EvaluationJournal(tmp_path / "j", {"tolerance": 1}, resume=False).__exit__(None, None, None)
    with pytest.raises(InputError, match="other settings"):
        EvaluationJournal(tmp_path / "j", {"tolerance": 2}, resume=True)


def journal_of(path: Path, count: int) -> Path:
    with EvaluationJournal(path, {"a": 1}, resume=False) as journal:
        for pair in pairs(count):
            journal.append(result(pair))
    return path


@pytest.mark.parametrize("place", [3, 40, -2], ids=["checksum", "content", "end of the line"])
def test_damage_costs_the_damaged_case_alone_and_the_file_is_kept(tmp_path: Path, place: int) -> None:
    path = journal_of(tmp_path / "journal.jsonl", 5)
    lines = path.read_bytes().splitlines(keepends=True)
    middle = bytearray(lines[2])
    middle[place] ^= 1
    content = b"".join([*lines[:2], bytes(middle), *lines[3:]])
    path.write_bytes(content)
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert [r.pair.case for _, r in journal.done()] == ["case_0", "case_2", "case_3", "case_4"]
        (note,) = journal.notes
        kept = tmp_path / "journal.jsonl.damaged-1"
        assert "1 line" in note
        assert str(kept) in note
        assert kept.read_bytes() == content
        journal.append(result(pairs(2)[1]))
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert journal.notes == []
        assert len(list(journal.done())) == 5


def test_a_first_line_that_stands_twice_is_no_case(tmp_path: Path) -> None:
    """Found by benchmarks/fuzzing, seed 1."""
    path = journal_of(tmp_path / "journal.jsonl", 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines]))
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert [r.pair.case for _, r in journal.done()] == ["case_0", "case_1"]
        assert len(journal.notes) == 1


@pytest.mark.parametrize("place", [18, 19])
def test_a_first_line_damaged_behind_its_checksum_is_one_sentence(tmp_path: Path, place: int) -> None:
    """Found by benchmarks/fuzzing, seed 2."""
    path = journal_of(tmp_path / "journal.jsonl", 2)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="its first line is damaged"):
        EvaluationJournal(path, {"a": 1}, resume=True)


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "j").write_text('{"shopping": "list"}\nno json')
    for resume in (False, True):
        with pytest.raises(InputError, match="not the journal"):
            EvaluationJournal(tmp_path / "j", {}, resume=resume)
    assert (tmp_path / "j").read_text() == '{"shopping": "list"}\nno json'


def test_a_journal_is_not_begun_again_over_another(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j", 2)
    before = path.read_bytes()
    with pytest.raises(InputError, match="--resume"):
        EvaluationJournal(path, {"a": 1}, resume=False)
    assert path.read_bytes() == before


def test_killed_in_the_first_line_it_begins_again(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "j", 0)
    path.write_bytes(path.read_bytes()[:9])
    with EvaluationJournal(path, {"a": 1}, resume=False) as journal:
        journal.append(result(pairs(1)[0]))
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert len(list(journal.done())) == 1


def test_two_evaluations_do_not_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with EvaluationJournal(path, {"a": 1}, resume=False) as journal:
        script = (
            "from monai_unet.errors import InputError\nfrom monai_unet.evaluation import EvaluationJournal\n"
            f"try: EvaluationJournal({str(path)!r}, {{'a': 1}}, resume=True)\nexcept InputError as error: print(error)"
        )
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "another evaluation is writing" in other.stdout
        journal.append(result(pairs(1)[0]))
    with EvaluationJournal(path, {"a": 1}, resume=True) as journal:
        assert len(list(journal.done())) == 1


def test_a_prediction_changed_by_somebody_is_known(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("p", "r")]
    for file in files:
        file.write_text("x")
    with EvaluationJournal(tmp_path / "j", {}, resume=False) as journal:
        journal.append(result(Pair("good", str(files[0]), str(files[1]))))
        assert journal.altered() == []
        files[0].write_text("corrected")
        assert journal.altered() == [str(files[0])]
        files[0].unlink()
        assert journal.altered() == []
