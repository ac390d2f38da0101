"""The autosave journal: an append-only file from which a session comes back after a crash.

The file is the line `monai-unet journal 1`, then records. A record is 12 bytes (the marker `MUJ1`, the length of the
body, the CRC-32 of the body; little endian) and the body: four bytes with the length of a JSON object, the object, and
the payloads that it names for the first time in `payloads` ([number, bytes] each). Each record is on the disk (fsync)
before the operation returns. A record that was being written when the process died is told by length or checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
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
    """One record: its JSON object and the payloads that came with it, by number."""

    content: Json
    payloads: dict[int, bytes]


@dataclass(frozen=True)
class JournalInfo:
    """What a journal tells before it is replayed.

    Attributes:
        path: the file.
        image_name: as it was given when the session began.
        fingerprint: of the image, see `fingerprint`.
        started: UTC, to the second.
        operations: complete records after the start.
        lost_bytes: behind the last complete record; more than 0 after a crash in the middle of writing one.
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
    """
    voxels = np.asarray(image)
    digest = hashlib.sha256(repr((voxels.shape, np.round(grid.affine, 4).tolist())).encode())
    for plane in voxels.reshape(-1, *voxels.shape[-2:]):
        digest.update(isal_zlib.crc32(np.ascontiguousarray(plane, dtype=np.float32)).to_bytes(4, "little"))
    return digest.hexdigest()


class Journal:
    """An open journal that grows by records."""

    def __init__(self, path: Path, file: IO[bytes], known: Iterable[int]) -> None:
        self.path = path
        self._file = file
        self._known = set(known)
        self._good = file.seek(0, os.SEEK_END)

    @classmethod
    def create(cls, path: str | Path, records: Iterable[tuple[Json, Iterable[Payload]]]) -> Journal:
        """Write a new journal with its first records; it appears whole.

        Raises:
            InputError: the file exists, or cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise InputError(f"{path} is the journal of an earlier session; recover it, or remove it.")
        known: set[int] = set()
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                file.write(_FIRST_LINE)
                for content, payloads in records:
                    file.write(_encode(content, _new(payloads, known)))
                file.flush()
                os.fsync(file.fileno())
            return cls(path, path.open("r+b"), known)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another folder.") from None

    @classmethod
    def reopen(cls, path: str | Path, length: int, known: Iterable[int]) -> Journal:
        """Go on with a journal behind its last complete record, of which `length` tells the end."""
        file = Path(path).open("r+b")  # noqa: SIM115 (lives as the journal)
        file.truncate(length)
        return cls(Path(path), file, known)

    def append(self, content: Json, payloads: Iterable[Payload] = ()) -> None:
        """Add a record and wait until the disk has it.

        Raises:
            OSError: it could not be written; the file ends with the record before.
        """
        fresh = _new(payloads, self._known)
        try:
            self._file.write(_encode(content, fresh))
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self._known -= {payload.number for payload in fresh}
            with suppress(OSError):
                self._file.seek(self._good)
                self._file.truncate()
            raise
        self._good = self._file.tell()

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()


def read_journal(path: str | Path) -> tuple[list[Record], int, int]:
    """The complete records of a journal, the length of the file up to their end, and the bytes behind it.

    Raises:
        InputError: no such file, or not a journal.
    """
    try:
        with Path(path).open("rb") as file:
            if file.readline(len(_FIRST_LINE)) != _FIRST_LINE:
                raise InputError(f"{path} is not a journal of this program, or of another version; choose another.")
            records, end = [], file.tell()
            for record in _records(file):
                records.append(record)
                end = file.tell()
            return records, end, file.seek(0, os.SEEK_END) - end
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); choose another journal.") from None


def journal_info(path: str | Path) -> JournalInfo:
    """What a journal holds, without replaying it.

    Raises:
        InputError: no such file, or not a journal.
    """
    records, _, lost = read_journal(path)
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


def _encode(content: Json, payloads: list[Payload]) -> bytes:
    named = {**content, "payloads": [[payload.number, payload.size] for payload in payloads]}
    text = json.dumps(named, separators=(",", ":"), ensure_ascii=False).encode()
    body = b"".join([_LENGTH.pack(len(text)), text, *(payload.read() for payload in payloads)])
    return _HEAD.pack(_MARK, len(body), crc32(body)) + body


def _records(file: IO[bytes]) -> Iterator[Record]:
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        mark, length, checksum = _HEAD.unpack(head)
        body = file.read(length) if mark == _MARK else b""
        if mark != _MARK or len(body) != length or crc32(body) != checksum:
            return
        (text_length,) = _LENGTH.unpack_from(body)
        place = _LENGTH.size + text_length
        content = json.loads(body[_LENGTH.size : place])
        payloads = {}
        for number, size in content.pop("payloads"):
            payloads[number] = body[place : place + size]
            place += size
        yield Record(content, payloads)
