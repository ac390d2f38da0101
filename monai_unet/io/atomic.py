"""A file appears whole or not at all, also when the power fails: written beside, on the disk, then renamed.

`atomic_path` is one file, `together` several that appear at the same time, `settle` the files of many cases for one
wait. The order is always: content on the disk (fsync), rename, the folder's entry on the disk. Names of unfinished
files begin with `.partial-`; whoever writes into a folder removes those that have lain there for an hour.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from monai_unet.paths import is_private, make_private

ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished file is taken as left behind by a process that was killed."""

_SYNCS_AT_ONCE = 16
"""fsync of so many files in threads costs hardly more than of one: the disk's journal takes them together."""

_UNFINISHED = re.compile(r"\.partial-[a-z0-9_]{8}(\..*)?")
_Error = TypeVar("_Error", bound=BaseException)
_live: set[Path] = set()
_cleaned: set[Path] = set()
_batch: ContextVar[FileBatch | None] = ContextVar("batch", default=None)


class FileBatch:
    """Files that are written and wait to appear together; see `together` and `settle`."""

    def __init__(self) -> None:
        self.files: list[tuple[Path, Path]] = []
        self._made: list[Path] = []
        self._remove: list[Path] = []

    @contextmanager
    def collect(self) -> Iterator[FileBatch]:
        """Inside, `atomic_path` writes into this batch; after an error nothing of it is left."""
        token = _batch.set(self)
        try:
            yield self
        except BaseException:
            self.discard()
            raise
        finally:
            _batch.reset(token)

    def written(self, path: str | Path) -> Path:
        """Where the content of `path` lies now, to be read or hashed before it appears."""
        return next(temporary for temporary, final in reversed(self.files) if final == Path(path))

    def remove(self, path: str | Path) -> None:
        """An older file that goes when the new ones come."""
        self._remove.append(Path(path))

    def discard(self) -> None:
        """Forget the files."""
        for temporary, _ in self.files:
            _drop(temporary)
        self.files = []

    def _make_room(self) -> list[Path]:
        gone = [path for path in self._remove if _removed(path)]
        return [path.parent for path in gone]


@contextmanager
def atomic_path(path: str | Path, *, private: bool | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffixes; on success it replaces `path`, on error it is removed.

    Permissions are those of the file that is replaced, else those of any new file; of a `private` one (by default in
    the user's own folder) only the user may read and write it.

    >>> with atomic_path("mask.nii.gz") as temporary:  # doctest: +SKIP
    ...     nibabel.save(image, temporary)
    """
    path = Path(path)
    made = _make_folder(path.parent)
    try:
        temporary = _temporary(path, private=is_private(path) if private is None else private)
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        yield temporary
    except BaseException as error:
        _drop(temporary)
        _about(error, path)
        raise
    batch = _batch.get()
    alone = batch is None
    batch = batch or FileBatch()
    batch.files.append((temporary, path))
    batch._made += made
    if alone:
        _settle_one(batch)


def write_text(path: str | Path, text: str, *, private: bool | None = None) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def together() -> Iterator[FileBatch]:
    """All files written inside through `atomic_path` appear at the end, none of them after an error.

    >>> with together():  # doctest: +SKIP
    ...     write_volume(volume, "mask.nii.gz")
    ...     write_text("mask.json", "{}")
    """
    batch = FileBatch()
    with batch.collect():
        yield batch
    _settle_one(batch)


def settle(batches: Sequence[FileBatch], *, first: Callable[[Path], bool] = lambda path: False) -> list[OSError | None]:
    """Let the files of several batches appear, with one wait for the disk; per batch the error that hindered it.

    Args:
        first: which files must be there, for good, before the others appear (a record of them, say).
    """
    errors: list[OSError | None] = _sync_all(batches)
    good = [batch for batch, error in zip(batches, errors, strict=True) if error is None]
    _sync_folders(folder for batch in good for folder in batch._make_room())
    for early in (True, False):
        folders = []
        for place, batch in enumerate(batches):
            for temporary, final in batch.files if errors[place] is None else ():
                if bool(first(final)) is not early:
                    continue
                try:
                    os.replace(temporary, final)
                    _live.discard(temporary)
                    folders.append(final.parent)
                except OSError as error:
                    errors[place] = _about(error, final)
                    break
        _sync_folders(folders)
    _sync_folders(folder for batch in batches for folder in batch._made)
    for batch in batches:
        batch.discard()
    return errors


def _settle_one(batch: FileBatch) -> None:
    try:
        (error,) = settle([batch])
    except BaseException:
        batch.discard()
        raise
    if error is not None:
        raise error


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, which must not exist or be empty.

    Raises:
        OSError: there is something in `path`.
    """
    path = Path(path)
    made = _make_folder(path.parent)
    temporary = path.parent / _name("")
    try:
        temporary.mkdir()
    except OSError as error:
        error.filename = str(path)
        raise
    _live.add(temporary)
    try:
        with together():
            yield temporary
        sync_folder(temporary)
        if path.is_dir():
            path.rmdir()
        temporary.rename(path)
        _live.discard(temporary)
        _sync_folders([path.parent, *made])
    except BaseException as error:
        _drop(temporary)
        _about(error, path)
        raise


def remove_unfinished() -> None:
    """Remove what this process has begun to write and not finished; for the moment before it ends."""
    for path in list(_live):
        _drop(path)


def remove_abandoned(folder: str | Path) -> None:
    """Remove unfinished files that a killed process left in a folder over an hour ago."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            old = entry.name.startswith(".partial-") and _UNFINISHED.fullmatch(entry.name) is not None
            if old and time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_AFTER:
                _drop(Path(entry.path))


def sync_file(path: str | Path) -> None:
    """Wait until the disk has a file's content."""
    with open(path, "r+b") as file:
        _sync(file.fileno())


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # not every file system knows it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _sync_all(batches: Sequence[FileBatch]) -> list[OSError | None]:
    files = [(place, temporary) for place, batch in enumerate(batches) for temporary, _ in batch.files]
    errors: list[OSError | None] = [None] * len(batches)

    def sync(item: tuple[int, Path]) -> None:
        try:
            sync_file(item[1])
        except OSError as error:
            errors[item[0]] = _about(error, next(f for t, f in batches[item[0]].files if t == item[1]))

    if len(files) < 2:
        for item in files:
            sync(item)
        return errors
    with ThreadPoolExecutor(min(_SYNCS_AT_ONCE, len(files)), "monai-unet fsync") as pool:
        list(pool.map(sync, files))
    return errors


def _sync_folders(folders: Iterable[Path]) -> None:
    for folder in dict.fromkeys(folders):
        sync_folder(folder)


def sync_folder(folder: str | Path) -> None:
    """Wait until the disk has the names that were made, changed or removed in a folder."""
    if os.name == "nt":  # which has no such call
        return
    with suppress(OSError):  # some network file systems refuse it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; the folders whose entries are new."""
    made = [part.parent for part in (folder, *folder.parents) if not part.exists()]
    if made and not is_private(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if folder not in _cleaned:
        _cleaned.add(folder)
        if is_private(folder):
            make_private(folder)
        remove_abandoned(folder)
    return made


def _temporary(path: Path, *, private: bool) -> Path:
    """A new empty file beside `path`, of the permissions that `path` deserves; the process's umask is not touched."""
    mode = 0o600 if private else 0o666  # less what the umask takes away
    while True:
        temporary = path.parent / _name("".join(path.suffixes[-2:]))
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            break
        except FileExistsError:
            continue
    _live.add(temporary)
    if not private:
        with suppress(OSError):
            before = os.stat(path)
            if stat.S_ISREG(before.st_mode):
                temporary.chmod(stat.S_IMODE(before.st_mode) & 0o777 | 0o600)
    return temporary


def _about(error: _Error, path: Path) -> _Error:
    """An error of the system, which names the file that was to be written and not the temporary one."""
    if isinstance(error, OSError) and error.errno is not None:
        named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        if not named or ".partial-" in named:
            error.filename = str(path)
            error.filename2 = None
    return error


def _name(suffix: str) -> str:
    return f".partial-{secrets.token_hex(4)}{suffix}"


def _drop(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    _live.discard(path)


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
