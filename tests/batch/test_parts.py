"""Which part a case belongs to follows from its name; a job array says which part a task is, or is refused."""

from dataclasses import dataclass

import pytest

from monai_unet.batch import Part, part_of
from monai_unet.errors import InputError


@dataclass(frozen=True)
class Case:
    case: str


CASES = [Case(f"case_{number:04d}") for number in range(1000)]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_every_case_belongs_to_one_part_and_parts_are_alike_in_size(count):
    parts = [Part(number, count).of(CASES) for number in range(1, count + 1)]
    assert sorted(case.case for part in parts for case in part) == [case.case for case in CASES]
    assert max(map(len, parts)) < 1000 / count + 5 * (1000 / count) ** 0.5


def test_a_folder_that_grows_keeps_its_parts():
    before = set(Part(2, 5).of(CASES[:500]))
    assert before <= set(Part(2, 5).of(CASES))


def test_parts_do_not_change_from_version_to_version():
    """A run that goes on with a newer version must find its own cases."""
    assert [case.case for case in Part(1, 4).of(CASES[:12])] == ["case_0003", "case_0006", "case_0010"]


ARRAY = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "9", "SLURM_ARRAY_TASK_COUNT": "10"}


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        (None, ARRAY, Part(1, 1)),
        ("3/10", {}, Part(3, 10)),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "0"}, Part(1, 10)),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "9"}, Part(10, 10)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "8",
                "SLURM_ARRAY_TASK_MIN": "2",
                "SLURM_ARRAY_TASK_MAX": "11",
                "SLURM_ARRAY_TASK_STEP": "3",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            Part(3, 4),
        ),
        # some tasks of ten, run again
        ("auto/10", {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "2"}, Part(7, 10)),
        ("auto/4", {"JOB_COMPLETION_INDEX": "3"}, Part(4, 4)),
    ],
)
def test_what_a_job_array_says(text, environment, expected):
    assert part_of(text, environment) == expected


SOME = {"SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_MAX": "7", "SLURM_ARRAY_TASK_COUNT": "2"}


@pytest.mark.parametrize(
    ("text", "environment", "sentence"),
    [
        ("3", {}, "takes I/N"),
        ("a/b", {}, "takes I/N"),
        ("0/4", {}, "no part 0 of 4"),
        ("5/4", {}, "no part 5 of 4"),
        ("1/0", {}, "no part 1 of 0"),
        ("auto", {}, "needs a job array"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "does not say how many"),
        # `--array=4,7` of ten: as "part 1 of 2" it would do other cases than it did before
        ("auto", SOME | {"SLURM_ARRAY_TASK_ID": "4"}, "some tasks only"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "4"}, "no part 5 of 4"),
        ("auto/10", {"SLURM_ARRAY_TASK_ID": "0"}, "no part 0 of 10"),
    ],
)
def test_what_cannot_be_a_part_is_refused(text, environment, sentence):
    with pytest.raises(InputError, match=sentence):
        part_of(text, environment)
