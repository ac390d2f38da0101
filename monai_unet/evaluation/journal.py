"""An append-only journal of finished cases: what is in it survives a kill and a power cut, the rest is done again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np

from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult
from monai_unet.evaluation.pairs import Pair


class Journal:
    """One line of JSON per case behind a first line that states the settings; each line is on disk before it counts.

    Args:
        path: the file.
        settings: what the results depend on; a journal made with others is not continued.
        resume: continue what is there instead of starting again.

    Raises:
        InputError: `resume` and the journal there was made with other settings or is not a journal.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, object], *, resume: bool) -> None:
        self.path = Path(path)
        self._settings = json.loads(json.dumps(settings))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if resume and self.path.exists() and self.path.stat().st_size:
            self._cut_broken_end()
            self._check()
            self._file = self.path.open("ab")
            self._file.seek(0, os.SEEK_END)
        else:
            self._file = self.path.open("wb")
            self._write({"settings": self._settings})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, result: CaseResult) -> int:
        """Add one case, which is on disk when this returns; gives its place for `StoredResults`."""
        place = self._file.tell()
        self._write({"stamp": stamp(result.pair), **result.to_json()})
        return place

    def done(self) -> Iterator[tuple[int, CaseResult]]:
        """Place and result of scored cases whose files have not changed since.

        A case written twice comes twice, the last one counts.
        """
        self._file.flush()
        with self.path.open("rb") as lines:
            place = len(lines.readline())
            for line in lines:
                result, entry_stamp = _parsed(line)
                if not result.failure and entry_stamp == stamp(result.pair):
                    yield place, result
                place += len(line)

    def _write(self, entry: Mapping[str, object]) -> None:
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut_broken_end(self) -> None:
        """Drop what a power cut left behind the last whole line."""
        with self.path.open("r+b") as file:
            end = 0
            for line in file:
                if not line.endswith(b"\n") or not _is_json(line):
                    break
                end += len(line)
            file.truncate(end)

    def _check(self) -> None:
        with self.path.open(encoding="utf-8") as lines:
            first = json.loads(next(lines, "{}"))
        if first.get("settings") != self._settings:
            raise InputError(
                f"{self.path} was written with other settings (labels, tolerance, surface, model or version); "
                "finish with those, or start again without --resume."
            )


class StoredResults(Sequence[CaseResult]):
    """Results that stay in their journal and are read when asked for, so that a million of them need eight bytes each.

    Args:
        path: the journal.
        places: where each result begins, from `Journal.append` and `Journal.done`, in the order wanted.
    """

    def __init__(self, path: str | Path, places: Iterable[int]) -> None:
        self._path = Path(path)
        self._places = np.fromiter(places, np.int64)

    def __len__(self) -> int:
        return self._places.size

    @overload
    def __getitem__(self, index: int) -> CaseResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CaseResult]: ...
    def __getitem__(self, index: int | slice) -> CaseResult | Sequence[CaseResult]:
        if isinstance(index, slice):
            return StoredResults(self._path, self._places[index])
        with self._path.open("rb") as file:
            file.seek(int(self._places[index]))
            return _parsed(file.readline())[0]

    def __iter__(self) -> Iterator[CaseResult]:
        with self._path.open("rb") as file:
            for place in self._places:
                file.seek(int(place))
                yield _parsed(file.readline())[0]


def _parsed(line: bytes) -> tuple[CaseResult, Any]:
    entry = json.loads(line)
    found = entry.pop("stamp")
    return CaseResult.from_json(entry), found


def stamp(pair: Pair) -> list[list[int]]:
    """Size and modification time of the files that a result depends on; a missing file is empty."""
    found = []
    for path in (pair.prediction, pair.reference, *pair.images, pair.probabilities):
        try:
            state = os.stat(path)
            found.append([state.st_size, state.st_mtime_ns])
        except OSError:
            found.append([])
    return found


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
