"""What a bundle's folder holds, links followed: one walk behind its hash, and behind the copy that is run."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from monai_unet.errors import InputError

SKIPPED = "__pycache__"
"""Folders of this name are neither hashed nor copied, so that byte code that Python kept there can never run."""

MOST_FILES = 20_000
MOST_BYTES = 64 * 2**30

_CHUNK = 1 << 20
_REMEMBERED_FROM = 1 << 20
_SETTLED_SECONDS = 2.0
_remembered: dict[tuple[str, int, int, int, int, int], str] = {}


def folder_hash(root: Path, *, remembered: bool = False) -> str:
    """SHA-256 over the relative paths and contents of all files of a bundle, weights included.

    Links are followed, to files as to folders: what counts is what would be read. Caches of byte code (`__pycache__`)
    are left out, as they are out of what is run (`copy_folder`).

    Args:
        remembered: take the hash of a large file from an earlier call in this process while its path, inode, size and
            times are the same. Good enough to ask for consent; what is run is always hashed again.

    Raises:
        InputError: no file, links in a circle, something that is neither file nor folder, or far too much of it.
    """
    digest = _new()
    for name, path in _files(root):
        _add(digest, name, *(_remembered_file(path) if remembered else _file(path)))
    return digest.hexdigest()


def copy_folder(root: Path, target: Path) -> str:
    """Copy what `folder_hash` counts into the empty folder `target` and return the hash of what was copied.

    Raises:
        InputError: as `folder_hash`.
        OSError: no room, or no permission.
    """
    digest = _new()
    for name, path in _files(root):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _add(digest, name, *_file(path, place))
    return digest.hexdigest()


def _new() -> hashlib._Hash:
    return hashlib.sha256(b"monai-unet bundle, every file\n")


def _add(digest: hashlib._Hash, name: str, size: int, content: str) -> None:
    digest.update(os.fsencode(name) + f"\0{size}\0{content}\n".encode())


def _files(root: Path) -> list[tuple[str, Path]]:
    """Relative name (with /) and path of every file below a folder, in the order of the names."""
    found: list[tuple[str, Path]] = []
    total = 0
    for name, path, size in _walk(root, "", ()):
        found.append((name, path))
        total += size
        if len(found) > MOST_FILES or total > MOST_BYTES:
            raise InputError(
                f"{root} holds more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB, links followed, and is no "
                "bundle's folder; move what does not belong to the model elsewhere."
            )
    if not found:
        raise InputError(f"{root} holds no file; it is not a bundle.")
    return sorted(found)


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, Path, int]]:
    here = os.stat(folder)
    if (here.st_dev, here.st_ino) in above:
        raise InputError(f"{folder} is a link to a folder that it lies in; remove that link from the bundle.")
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                state = entry.stat()
            except OSError:
                if entry.is_symlink():
                    continue  # leads nowhere (git-annex has such): nothing to read, and when it does it is a new file
                raise
            name, path = prefix + entry.name, Path(entry.path)
            if stat.S_ISDIR(state.st_mode):
                if entry.name != SKIPPED:
                    yield from _walk(path, f"{name}/", (*above, (here.st_dev, here.st_ino)))
            elif stat.S_ISREG(state.st_mode):
                yield name, path, state.st_size
            else:
                raise InputError(f"{path} is neither a file nor a folder; remove it from the bundle.")


def _file(path: Path, copy: Path | None = None) -> tuple[int, str]:
    """Size and SHA-256 of a file, written to `copy` while it is read."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as source:
        if copy is None:
            digest = hashlib.file_digest(source, "sha256")
            return source.tell(), digest.hexdigest()
        with copy.open("xb") as written:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                written.write(chunk)
                size += len(chunk)
    return size, digest.hexdigest()


def _remembered_file(path: Path) -> tuple[int, str]:
    state = path.stat()
    newest = max(state.st_mtime, state.st_ctime)
    key = (os.path.realpath(path), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if state.st_size < _REMEMBERED_FROM or key not in _remembered:
        now = time.time()
        size, content = _file(path)
        # a file written a moment ago may be written again within one tick of its clock
        if size == state.st_size and now - newest > _SETTLED_SECONDS:
            _remembered[key] = content
        return size, content
    return state.st_size, _remembered[key]
