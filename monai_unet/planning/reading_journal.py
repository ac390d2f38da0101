"""What was read of a data set so far, one line of JSON per case, so that a stopped run goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import TracebackType
from typing import IO
from zlib import crc32

from monai_unet.errors import InputError
from monai_unet.io.datasets import LabelledSet
from monai_unet.planning.case_fingerprint import CaseReading, stamp_of
from monai_unet.planning.typed_json import from_plain

_KIND = "cases read for planning"


class ReadingJournal:
    """Cases that were read without fault; one whose files changed since, or that was read for other classes, is not.

    Args:
        path: the file; empty: nothing is kept.
        labelled: the data set.

    Raises:
        InputError: the file is something else.
    """

    def __init__(self, path: str | Path, labelled: LabelledSet) -> None:
        self._path = Path(path) if path else None
        self._labelled = labelled
        self._file: IO[str] | None = None
        if self._path is not None and self._path.is_file() and self._path.stat().st_size:
            with self._path.open(encoding="utf-8") as lines:
                first = lines.readline()
            if _KIND not in first:
                raise InputError(f"{self._path} is something else than a list of cases read; name another file.")

    def __enter__(self) -> ReadingJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def done(self) -> dict[str, CaseReading]:
        """Cases by name that need not be read again."""
        if self._path is None:
            return {}
        now = {case.name: case for case in self._labelled.cases}
        found: dict[str, CaseReading] = {}
        for entry in self._entries():
            case = now.get(entry.name)
            if case is None or entry.found is None or stamp_of(case) != entry.stamp:
                continue
            again = dataclasses.replace(entry.found, group=case.group, site=case.site, part=case.part)
            found[entry.name] = dataclasses.replace(entry, found=again)
        return found

    def append(self, reading: CaseReading) -> None:
        """Add a case; one with faults is not kept, as it is to be read again when it was mended."""
        if self._path is None or reading.found is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # what was read for other classes is of no use any more
            self._file = self._path.open("a" if self._goes_on() else "w", encoding="utf-8")
            if not self._file.tell():
                self._write(self._head())
        self._write(json.dumps({"paths": self._paths(reading.name), **dataclasses.asdict(reading)}))

    def _head(self) -> str:
        labelled = self._labelled
        classes = [list(entry.values) for entry in labelled.classes]
        stated = {"kind": _KIND, "version": 1, "channels": len(labelled.channels), "classes": classes}
        return json.dumps(stated | {"ignore": labelled.ignore})

    def _paths(self, name: str) -> list[str]:
        case = next(case for case in self._labelled.cases if case.name == name)
        return [*case.images, case.label]

    def _goes_on(self) -> bool:
        if self._path is None or not self._path.is_file():
            return False
        with self._path.open(encoding="utf-8") as lines:
            return _content(lines.readline()) == self._head()

    def _write(self, line: str) -> None:
        assert self._file is not None
        self._file.write(f"{crc32(line.encode()):08x} {line}\n")
        self._file.flush()

    def _entries(self) -> list[CaseReading]:
        if not self._goes_on() or self._path is None:
            return []
        found = []
        for line in self._path.read_text(encoding="utf-8").splitlines()[1:]:
            # a line cut by a kill, or one damaged since, is a case that is read again
            text = _content(line)
            if text:
                entry = json.loads(text)
                if entry.pop("paths") == self._paths_or_none(entry["name"]):
                    found.append(from_plain(CaseReading, entry))
        return found

    def _paths_or_none(self, name: str) -> list[str] | None:
        return self._paths(name) if any(case.name == name for case in self._labelled.cases) else None


def _content(line: str) -> str:
    """A line without its checksum; empty where that is wrong."""
    checksum, _, text = line.rstrip("\n").partition(" ")
    return text if checksum == f"{crc32(text.encode()):08x}" else ""
