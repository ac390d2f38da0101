"""The autosave journal: an append-only file from which a session comes back after a crash.

The file is the line `monai-unet journal 1`, then records. A record is 12 bytes (the marker `MUJ1`, the length of the
body, the CRC-32 of the body; little endian) and the body: four bytes with the length of a JSON object, the object, and
the payloads that it names for the first time in `payloads` ([number, bytes] each); `n` counts the records from 0. Each
record is on the disk (fsync) before the operation returns. A record that was being written when the process died is
told by its length. Behind one that is damaged, reading goes on at the next marker with a whole record.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from zlib import crc32

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction.session.payload import Payload
from monai_unet.io import atomic_path
from monai_unet.mappings import Json

_FIRST_LINE = b"monai-unet journal 1\n"
_HEAD = struct.Struct("<4sII")
_MARK = b"MUJ1"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Record:
    """One record: its JSON object, its payloads by number, and how many records just before it are lost."""

    content: Json
    payloads: dict[int, bytes]
    lost_before: int = 0


@dataclass
class JournalContent:
    """What could be read of a journal.

    Attributes:
        records: the whole ones, in order.
        end: length of the file up to the end of the last one.
        torn_bytes: of a record that was being written, behind that.
        damaged_bytes, damaged_records: what is lost to damage of the file (of records of old versions: at least).
    """

    records: list[Record] = field(default_factory=list)
    end: int = 0
    torn_bytes: int = 0
    damaged_bytes: int = 0
    damaged_records: int = 0


@dataclass(frozen=True)
class JournalInfo:
    """What a journal tells before it is replayed.

    Attributes:
        path: the file.
        image_name: as it was given when the session began.
        fingerprint: of the image, see `fingerprint`.
        started: UTC, to the second.
        operations: complete records after the start.
        lost_bytes: that are in no complete record; more than 0 after a crash in the middle of writing one, or where the
            file was damaged.
    """

    path: Path
    image_name: str
    fingerprint: str
    started: str
    operations: int
    lost_bytes: int


def fingerprint(image: NDArray[np.number], grid: Grid) -> str:
    """Hash of an image's grid and voxels: SHA-256 over shape, affine (to 0.1 µm) and the CRC-32 of each plane.

    Voxels count as float32, so that an image read as another type is the same image.

    Image (S, A, R).
    """
    voxels = np.asarray(image)
    digest = hashlib.sha256(repr((voxels.shape, np.round(grid.affine, 4).tolist())).encode())
    for plane in voxels.reshape(-1, *voxels.shape[-2:]):
        digest.update(isal_zlib.crc32(np.ascontiguousarray(plane, dtype=np.float32)).to_bytes(4, "little"))
    return digest.hexdigest()


class SessionJournal:
    """An open journal that grows by records."""

    def __init__(self, path: Path, file: IO[bytes], known: Iterable[int], count: int) -> None:
        self.path = path
        self._file = file
        self._known = set(known)
        self._count = count
        self._good = file.seek(0, os.SEEK_END)

    @classmethod
    def create(cls, path: str | Path, records: Iterable[tuple[Json, Iterable[Payload]]]) -> SessionJournal:
        """Write a new journal with its first records; it appears whole.

        Raises:
            InputError: the file exists, or cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} is the journal of an earlier session; recover it, or remove it.")
        known: set[int] = set()
        count = 0
        try:
            # names of images and lesions are in it
            with atomic_path(path, private=True) as temporary, temporary.open("wb") as file:
                file.write(_FIRST_LINE)
                for content, payloads in records:
                    file.write(_encode(content, count, _new(payloads, known)))
                    count += 1
            return cls(path, path.open("r+b"), known, count)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from None

    @classmethod
    def reopen(cls, path: str | Path, length: int, known: Iterable[int], count: int) -> SessionJournal:
        """Go on with a journal behind the last of its `count` complete records, of which `length` tells the end."""
        file = Path(path).open("r+b")  # noqa: SIM115 (lives as the journal)
        file.truncate(length)
        return cls(Path(path), file, known, count)

    def append(self, content: Json, payloads: Iterable[Payload] = ()) -> None:
        """Add a record and wait until the disk has it.

        Raises:
            OSError: it could not be written; the file ends with the record before.
        """
        fresh = _new(payloads, self._known)
        try:
            self._file.write(_encode(content, self._count, fresh))
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self._known -= {payload.number for payload in fresh}
            with suppress(OSError):
                self._file.seek(self._good)
                self._file.truncate()
            raise
        self._good = self._file.tell()
        self._count += 1

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()


def read_journal(path: str | Path) -> JournalContent:
    """The complete records of a journal, and what is lost.

    Raises:
        InputError: no such file, or not a journal.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise InputError(f"{path} is empty; nothing can be recovered, remove it.")
            with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
                return _content(data, size, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); choose another journal.") from None


def journal_info(path: str | Path) -> JournalInfo:
    """What a journal holds, without replaying it.

    Raises:
        InputError: no such file, or not a journal.
    """
    found = read_journal(path)
    records, lost = found.records, found.torn_bytes + found.damaged_bytes
    if not records or records[0].content.get("type") != "start":
        raise InputError(f"{path} holds no complete record; nothing can be recovered, remove it.")
    start = records[0].content
    return JournalInfo(
        Path(path), str(start["image_name"]), str(start["fingerprint"]), str(start["started"]), len(records) - 1, lost
    )


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _new(payloads: Iterable[Payload], known: set[int]) -> list[Payload]:
    fresh = []
    for payload in payloads:
        if payload.number not in known:
            known.add(payload.number)
            fresh.append(payload)
    return fresh


def _encode(content: Json, number: int, payloads: list[Payload]) -> bytes:
    named = {**content, "n": number, "payloads": [[payload.number, payload.size] for payload in payloads]}
    text = json.dumps(named, separators=(",", ":"), ensure_ascii=False).encode()
    body = b"".join([_LENGTH.pack(len(text)), text, *(payload.read() for payload in payloads)])
    return _HEAD.pack(_MARK, len(body), crc32(body)) + body


def _content(data: mmap.mmap, size: int, path: str | Path) -> JournalContent:
    found, place, expected = JournalContent(), len(_FIRST_LINE), 0
    if data[:place] != _FIRST_LINE:
        first = _next_record(data, 0, size)
        # a damaged first line is damage, another version is not
        if first is None or data[: place - 2].startswith(_FIRST_LINE[:-2]):
            raise InputError(f"{path} is not a journal of this program, or of another version; choose another.")
        found.damaged_bytes, place = first, first
    while place < size:
        body = _body_at(data, place, size)
        if body is None:
            following = _next_record(data, place + 1, size)
            if following is None and _is_torn(data, place, size):
                found.torn_bytes = size - place
                break
            end = size if following is None else following
            found.damaged_bytes += end - place
            found.damaged_records += following is None
            place, damaged = end, following is not None
            if not damaged:
                break
            body = _body_at(data, place, size)
            assert body is not None
        else:
            damaged = False
        content, payloads = _decode(body)
        number = content.pop("n", None)
        lost = max(int(number) - expected, int(damaged)) if number is not None else int(damaged)
        found.records.append(Record(content, payloads, lost))
        found.damaged_records += lost
        expected = (expected + lost if number is None else int(number)) + 1
        place += _HEAD.size + len(body)
        found.end = place
    return found


def _body_at(data: mmap.mmap, place: int, size: int) -> bytes | None:
    """The body of a whole record that begins here."""
    if place + _HEAD.size > size:
        return None
    mark, length, checksum = _HEAD.unpack_from(data, place)
    begin = place + _HEAD.size
    if mark != _MARK or begin + length > size:
        return None
    body = data[begin : begin + length]
    return body if crc32(body) == checksum else None


def _next_record(data: mmap.mmap, place: int, size: int) -> int | None:
    """Where the next whole record begins."""
    while (place := data.find(_MARK, place)) >= 0:
        if _body_at(data, place, size) is not None:
            return place
        place += 1
    return None


def _is_torn(data: mmap.mmap, place: int, size: int) -> bool:
    """Whether what lies at the end is a record cut short, and not a damaged whole one."""
    if place + _HEAD.size > size:
        return True
    mark, length, _ = _HEAD.unpack_from(data, place)
    return mark == _MARK and place + _HEAD.size + length > size


def _decode(body: bytes) -> tuple[Json, dict[int, bytes]]:
    (text_length,) = _LENGTH.unpack_from(body)
    place = _LENGTH.size + text_length
    content = json.loads(body[_LENGTH.size : place])
    payloads = {}
    for number, size in content.pop("payloads"):
        payloads[number] = body[place : place + size]
        place += size
    return content, payloads
