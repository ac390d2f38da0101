"""Unpack a bundle's archive: nothing outside its folder, no links, and no more than the limits allow."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from monai_unet.errors import InputError

_CHUNK = 1 << 20
_SMALL = 64 << 20
_HEADER = 1 << 20
_COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


@dataclass(frozen=True)
class Limits:
    """What an archive may become when it is unpacked.

    Attributes:
        members: files and folders in it.
        gib: GiB in all, and so of a single file.
        ratio: how many times the size of the archive, for what is larger than 64 MiB unpacked.
    """

    members: int = 10_000
    gib: float = 16.0
    ratio: float = 100.0


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    folder: bool


class _Archive(Protocol):
    def members(self) -> Iterator[tuple[_Member, bool]]:
        """Every member, and whether it is a plain file or folder."""

    def contents(self) -> Iterator[tuple[_Member, IO[bytes]]]:
        """Every plain file with its bytes."""


def unpack(archive: str | Path, folder: str | Path, *, limits: Limits | None = None) -> Path:
    """Unpack a bundle's zip or tar archive into a new folder below `folder` and return it.

    Everything is looked through before the first byte is written; whatever is wrong, no file stays behind.

    Args:
        limits: what it may become; give larger ones for an archive that you know.

    Raises:
        InputError: not an archive, damaged, beyond the limits or the free space, or a member that would land outside,
            is a link, or is not a plain file.
    """
    archive, folder, limits = Path(archive), Path(folder), limits or Limits()
    target = folder / archive.name.split(".")[0]
    if target.exists():
        raise InputError(f"{target} exists already; remove it first, or unpack elsewhere.")
    try:
        with _opened(archive) as packed:
            total = _checked(archive, packed, limits)
            _check_room(archive, folder, total)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
                made = Path(temporary) / "bundle"
                made.mkdir()
                _extract(packed, made, total)
                made.rename(target)
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".rstrip(": .")
        raise InputError(f"{archive} cannot be unpacked ({reason}); download it again.") from error
    inner = [path for path in target.iterdir() if path.is_dir()]
    return target if (target / "configs").is_dir() or len(inner) != 1 else inner[0]


@contextmanager
def _opened(archive: Path) -> Iterator[_Archive]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield _Zip(zipped)
    elif archive.is_file() and _is_tar(archive):
        yield _Tar(archive)
    else:
        raise InputError(f"{archive} is not a zip or tar archive; give the archive of a bundle.")


def _is_tar(archive: Path) -> bool:
    try:
        with _tar(archive):
            return True
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError):
        return False


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as file:
        start = file.read(6)
    opened_as = next((opened for magic, opened in _COMPRESSIONS.items() if start.startswith(magic)), open)
    with opened_as(archive, "rb") as stream:
        bounded: Any = _Bounded(stream)
        with tarfile.open(fileobj=bounded, mode="r:") as packed:
            yield packed


class _Zip:
    def __init__(self, packed: zipfile.ZipFile) -> None:
        self.packed = packed

    def members(self) -> Iterator[tuple[_Member, bool]]:
        for info in self.packed.infolist():
            plain = (info.external_attr >> 28) in (0, 4, 8)
            yield _Member(info.filename, info.file_size, info.is_dir()), plain

    def contents(self) -> Iterator[tuple[_Member, IO[bytes]]]:
        for info in self.packed.infolist():
            if not info.is_dir():
                with self.packed.open(info) as content:
                    yield _Member(info.filename, info.file_size, False), content


class _Tar:
    def __init__(self, archive: Path) -> None:
        self.archive = archive

    def members(self) -> Iterator[tuple[_Member, bool]]:
        for _, member in self._each():
            yield _Member(member.name, member.size, member.isdir()), member.isfile() or member.isdir()

    def contents(self) -> Iterator[tuple[_Member, IO[bytes]]]:
        for packed, member in self._each():
            content = packed.extractfile(member) if member.isfile() else None
            if content is not None:
                yield _Member(member.name, member.size, False), content

    def _each(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        with _tar(self.archive) as packed:
            for member in packed:
                yield packed, member


class _Bounded:
    """A stream from which no header is read whole that is longer than any honest one (tarfile takes it into memory)."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def seek(self, place: int, whence: int = 0) -> int:
        return self.stream.seek(place, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise InputError(f"a header of {size} bytes stands in the archive; it is not that of a bundle.")
        return self.stream.read(size)


def _checked(archive: Path, packed: _Archive, limits: Limits) -> int:
    """Bytes of all files, once every member was found to be allowed."""
    total = 0
    packed_size = archive.stat().st_size
    for count, (member, plain) in enumerate(packed.members(), start=1):
        _check_name(archive, member.name, plain=plain)
        total += member.size
        if count > limits.members:
            raise InputError(
                f"{archive} holds more than {limits.members} files; it was not unpacked. If you know it, allow more "
                "(Limits.members)."
            )
        if total > limits.gib * 2**30:
            raise InputError(
                f"{archive} would take more than {limits.gib:g} GiB unpacked; it was not unpacked. If you know it, "
                "allow more (Limits.gib)."
            )
        if total > max(_SMALL, limits.ratio * packed_size):
            raise InputError(
                f"{archive} would grow more than {limits.ratio:g} times when it is unpacked, as no model does; it was "
                "not unpacked. If you know it, allow more (Limits.ratio)."
            )
    return total


def _check_name(archive: Path, name: str, *, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.parts or not plain:
        raise InputError(f"{archive} holds '{name}', which would be written outside its folder; it was not unpacked.")


def _check_room(archive: Path, folder: Path, total: int) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if total > free:
        raise InputError(
            f"{archive} takes {total / 2**30:.1f} GiB unpacked and {there} has {free / 2**30:.1f} GiB left; make room, "
            "or unpack elsewhere."
        )


def _extract(packed: _Archive, target: Path, total: int) -> None:
    """Write the files, never more bytes than their headers stated."""
    left = total
    for member, content in packed.contents():
        place = target / PurePosixPath(member.name.replace("\\", "/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            while chunk := content.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise InputError(f"{member.name} is longer than the archive says; nothing was unpacked.")
                file.write(chunk)
