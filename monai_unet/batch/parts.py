"""One of several runs that share a work: which cases are its own follows from their names alone.

No run knows of the others, so a job array needs no coordinator, and a case stays in its part when the folder grows.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from monai_unet.batch.runner import Named
from monai_unet.errors import InputError

CaseT = TypeVar("CaseT", bound=Named)

_SLURM = "SLURM_ARRAY_TASK_"
_KUBERNETES = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True)
class Part:
    """Part `number` (from 1) of `count`.

    >>> Part(2, 3), str(Part(2, 3))
    (Part(number=2, count=3), '2/3')
    """

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """What a file of this part has in its name, so that parts share a folder; empty where there is one part."""
        return f".part-{self.number}-of-{self.count}" if self.count > 1 else ""

    def holds(self, name: str) -> bool:
        """Whether a case of that name belongs to this part."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def of(self, cases: Iterable[CaseT]) -> list[CaseT]:
        """Those of the cases that belong to this part, in their order."""
        return [case for case in cases if self.holds(case.case)]


def part_of(text: str | None, environment: Mapping[str, str] | None = None) -> Part:
    """The part that `--part` names.

    Args:
        text: "3/10"; "auto" for a whole Slurm job array; "auto/10" for tasks 1 to 10 of one, or some of them, and for a
            Kubernetes Indexed Job, which does not say how many there are; None: the whole.
        environment: variables of the system (`os.environ`).

    Raises:
        InputError: none of these, or the variables are not there.

    >>> part_of("3/10")
    Part(number=3, count=10)
    >>> part_of("auto/4", {"JOB_COMPLETION_INDEX": "0"})
    Part(number=1, count=4)
    """
    if text is None:
        return Part()
    environment = os.environ if environment is None else environment
    match = re.fullmatch(r"(\d+|auto)(?:/(\d+))?", text.strip())
    if match is None or (match[2] is None and match[1] != "auto"):
        raise InputError(f"--part takes I/N, such as 3/10, or auto in a job array, not '{text}'.")
    count = int(match[2]) if match[2] else None
    number, count = (int(match[1]), int(match[2])) if match[1] != "auto" else _from(environment, count)
    if not 1 <= number <= count:
        raise InputError(f"there is no part {number} of {count}; parts are counted from 1.")
    return Part(number, count)


def _from(environment: Mapping[str, str], count: int | None) -> tuple[int, int]:
    """Number from 1, and how many parts there are."""
    task = _integer(environment, f"{_SLURM}ID")
    index = _integer(environment, _KUBERNETES)
    if task is None and index is None:
        raise InputError(
            f"--part auto needs a job array: neither {_SLURM}ID nor {_KUBERNETES} is set; give --part I/N."
        )
    if count is not None:
        return (task if task is not None else (index or 0) + 1), count
    first, last, tasks = (_integer(environment, f"{_SLURM}{name}") for name in ("MIN", "MAX", "COUNT"))
    step = _integer(environment, f"{_SLURM}STEP") or 1
    if task is None or first is None or last is None or tasks is None:
        raise InputError("the system does not say how many parts there are; give it as --part auto/N.")
    if (last - first) // step + 1 != tasks:
        # some tasks of an earlier array: their numbers count, and nothing here says of how many
        raise InputError(
            "this job array holds some tasks only; say how many parts there are: --part auto/N, with tasks 1 to N."
        )
    return (task - first) // step + 1, tasks


def _integer(environment: Mapping[str, str], name: str) -> int | None:
    value = environment.get(name, "")
    return int(value) if value.isdecimal() else None
