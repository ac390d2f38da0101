"""What a run over many cases was to do and what became of each case: lines of JSON beside the masks.

The masks with their receipts are what counts; this record is what knows of failures, and of cases that nobody did.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from monai_unet.batch.jobs import Job
from monai_unet.batch.parts import Part
from monai_unet.batch.segment_cases import JobOutcome

_NAME = "segment"


class RunRecord:
    """Appends to `segment.jsonl` in a folder of results, or to the file of a part.

    Lines are written whole and not waited for: a power cut may take the last ones, and those cases then count as
    missing.

    Args:
        jobs: those of the part.
        key: model and options, as in the receipts.
        whole: how many cases all parts have.
    """

    def __init__(
        self, folder: str | Path, part: Part, jobs: Sequence[Job], key: Mapping[str, Any], *, whole: int
    ) -> None:
        self.path = Path(folder) / f"{_NAME}{part.suffix}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = self.path.open("ab", buffering=0)
        self._write(
            {"part": [part.number, part.count], "whole": whole, "key": dict(key), "cases": [job.case for job in jobs]}
        )

    def __enter__(self) -> RunRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, outcome: JobOutcome) -> None:
        """One case that is over."""
        content: dict[str, Any] = {"case": outcome.job.case, "mask": outcome.job.target.name}
        content |= {"image": str(outcome.job.files[0]), "failure": outcome.error}
        if not outcome.skipped:
            content["seconds"] = round(outcome.seconds, 2)
        self._write(content)

    def _write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, ensure_ascii=True).encode() + b"\n")


def records_in(folder: str | Path) -> list[Path]:
    """The records of all runs and parts in a folder, in order of their names."""
    return sorted(path for path in Path(folder).glob(f"{_NAME}*.jsonl") if path.is_file())


def lines_of(path: str | Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a record; one that was cut or damaged is passed over."""
    with Path(path).open("rb") as lines:
        for line in lines:
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content
