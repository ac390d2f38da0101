"""An append-only journal of finished cases: what is in it survives a kill and a power cut, the rest is done again.

One line of JSON per case, led by its own checksum. A line cut at the end is what a crash leaves and is dropped. Damage
before the end costs the damaged lines alone; the damaged file is kept under another name and the loss is said.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, overload
from zlib import crc32

import numpy as np

from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult
from monai_unet.evaluation.lock import lock
from monai_unet.evaluation.pairs import Pair, Refusal
from monai_unet.io import atomic_path, sync_folder

_HEAD = b'{"crc32":"'
_BODY = len(_HEAD) + len(b'01234567",')


class EvaluationJournal:
    """One line of JSON per case behind a first line that states the settings; each line is on disk before it counts.

    Args:
        path: the file.
        settings: what the results depend on; a journal made with others is not continued.
        resume: continue what is there instead of starting again.

    Raises:
        InputError: the file holds something and `resume` is not asked for; it was made with other settings, or is not a
            journal; another process writes it.

    Attributes:
        notes: sentences on what was lost of an earlier run.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, object], *, resume: bool) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self._checked = True
        self._settings = json.loads(json.dumps(settings))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._locked()
        try:
            if self.path.stat().st_size:
                self._go_on(resume)
            if not self.path.stat().st_size:
                self._write({"settings": self._settings})
                sync_folder(self.path.parent)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> EvaluationJournal:
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

    def failures(self) -> list[Refusal]:
        """Cases whose last line says that they failed."""
        self._file.flush()
        found: dict[str, str] = {}
        with self.path.open("rb") as lines:
            lines.readline()
            for line in lines:
                result, _ = _parsed(line)
                found[result.pair.case] = result.failure
        return [Refusal(case, reason) for case, reason in found.items() if reason]

    def altered(self) -> list[str]:
        """Predictions of scored cases that were changed since: somebody's work, that is not to be made anew."""
        self._file.flush()
        found: dict[str, bool] = {}
        with self.path.open("rb") as lines:
            lines.readline()
            for line in lines:
                result, entry_stamp = _parsed(line)
                now = stamp(result.pair)[0]
                found[result.pair.prediction] = not result.failure and bool(now) and now != entry_stamp[0]
        return [prediction for prediction, changed in found.items() if changed]

    def _locked(self) -> IO[bytes]:
        """The file, opened to append; nobody else writes it."""
        file = self.path.open("ab")
        if not lock(file):
            file.close()
            raise InputError(f"another evaluation is writing to {self.path.parent}; name another folder, or wait.")
        return file

    def _write(self, entry: Mapping[str, object]) -> None:
        try:
            self._file.write(_line(entry))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = error.filename or str(self.path)
            raise

    def _go_on(self, resume: bool) -> None:
        with self.path.open("rb") as lines:
            first = lines.readline()
        if _line({"settings": self._settings}).startswith(first) and not first.endswith(b"\n"):
            self._file.truncate(0)  # killed in the moment it began
            return
        self._checked = first.startswith(_HEAD)
        stated = json.loads(first) if _is_good(first) else {}
        if not isinstance(stated, dict) or "settings" not in stated:
            raise InputError(f"{self.path} is not the journal of an evaluation, or its first line is damaged; move it.")
        if not resume:
            raise InputError(
                f"{self.path.parent} holds an evaluation already; go on with it (--resume), name another folder, or "
                "remove it."
            )
        if stated["settings"] != self._settings:
            raise InputError(
                f"{self.path} was written with other settings (labels, tolerance, surface, model or version); "
                "finish with those, or start again in another folder."
            )
        self._mend()

    def _mend(self) -> None:
        """Drop a line that was being written, and lines that were damaged since."""
        end = place = 0
        bad: list[int] = []
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines):
                place += len(line)
                if number == 0 or self._holds(line):
                    end = place
                else:
                    bad.append(len(line))
        torn = place - end
        while bad and torn > 0:
            torn -= bad.pop()
        if bad:
            self._keep_damaged(len(bad), sum(bad), end)
        elif end < place:
            self._file.truncate(end)
            os.fsync(self._file.fileno())

    def _holds(self, line: bytes) -> bool:
        """Whether a line holds a case; in a journal with checksums one without holds none."""
        if line.startswith(_HEAD):
            # a copy of the first line has a good checksum too
            return _is_good(line) and line[_BODY:].startswith(b'"stamp":')
        return not self._checked and _is_good(line) and _is_case(line)

    def _keep_damaged(self, count: int, size: int, end: int) -> None:
        kept = _free_name(self.path)
        shutil.copyfile(self.path, kept)
        with atomic_path(self.path) as temporary, temporary.open("wb") as good, self.path.open("rb") as lines:
            good.write(lines.readline())
            good.writelines(line for line in lines if self._holds(line))
        self._file.close()
        self._file = self._locked()
        self.notes.append(
            f"{count} line{'s' if count > 1 else ''} ({size} bytes) in the middle of {self.path} "
            f"{'are' if count > 1 else 'is'} damaged: those cases are scored again; the damaged file is kept as {kept}."
        )


class StoredResults(Sequence[CaseResult]):
    """Results that stay in their journal and are read when asked for, so that a million of them need eight bytes each.

    Args:
        path: the journal.
        places: where each result begins, from `EvaluationJournal.append` and `.done`, in the order wanted.
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
    entry.pop("crc32", None)
    found = entry.pop("stamp")
    return CaseResult.from_json(entry), found


def _is_case(line: bytes) -> bool:
    try:
        _parsed(line)
    except Exception:
        # a line without checksum may hold any JSON
        return False
    return True


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


def _line(entry: Mapping[str, object]) -> bytes:
    body = json.dumps(entry, separators=(",", ":")).encode()
    return b'%s%08x",%s\n' % (_HEAD, crc32(body), body[1:])


def _is_good(line: bytes) -> bool:
    """Whether a line is whole JSON and, where it has a checksum, that of its content."""
    if not line.endswith(b"\n"):
        return False
    if line.startswith(_HEAD):
        return line[len(_HEAD) : _BODY] == b'%08x",' % crc32(b"{" + line[_BODY:-1])
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _free_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return kept
