"""A bundle of other makers is run from a private copy, hashed while it is made: what was agreed to is what runs.

Nothing that happens to the user's folder afterwards (a file changed, a link turned, byte code planted) reaches a
process that has begun, and what a bundle writes beside its code (`__pycache__`) never reaches the user's folder.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.content import copy_folder, folder_hash
from monai_unet.errors import InputError

PREFIX = "monai-unet-bundle-"
"""Of the copies' folders among the system's temporary ones, followed by the process's number."""

_ABANDONED_SECONDS = 24 * 3600
_copies: dict[tuple[str, Path], PrivateCopy] = {}
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class PrivateCopy(Bundle):
    """A bundle in a folder of this process alone, which is removed when the process ends.

    Attributes:
        shown: the folder that it was copied from, which messages name.
        sha256: what `folder_hash` says of its files.
    """

    shown: Path
    sha256: str


def private_copy(bundle: Bundle, agreed: Container[str]) -> PrivateCopy | None:
    """Copy a bundle's present files; a copy of the same files made before by this process is used again.

    Args:
        agreed: hashes of what may run; None is returned, and nothing kept, where that of the copy is not among them.

    Raises:
        InputError: the folder cannot be read, or there is no room for a copy.
    """
    known = _made_before(bundle)
    if known is not None:
        return known if known.sha256 in agreed else None
    try:
        _remove_abandoned()
        root = Path(os.path.realpath(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")))
    except OSError as error:
        raise InputError(_no_copy(bundle, error)) from error
    try:
        found = copy_folder(bundle.root, root)
    except BaseException as error:
        _remove(root, os.getpid())
        if isinstance(error, OSError):
            raise InputError(_no_copy(bundle, error)) from error
        raise
    with _lock:
        known = _copies.get((found, bundle.root))
        if known is not None or found not in agreed:
            _remove(root, os.getpid())
            return known if found in agreed else None
        atexit.register(_remove, root, os.getpid())
        copy = PrivateCopy(name=bundle.name, root=root, built_in=False, shown=bundle.root, sha256=found)
        _copies[found, bundle.root] = copy
        return copy


def _made_before(bundle: Bundle) -> PrivateCopy | None:
    """The copy that was made of the folder's present files, if one was: hashing them spares writing them again."""
    if not any(root == bundle.root for _, root in list(_copies)):
        return None
    try:
        return _copies.get((folder_hash(bundle.root), bundle.root))
    except OSError as error:
        raise InputError(_no_copy(bundle, error)) from error


def as_shown(bundle: Bundle, path: Path) -> Path:
    """The user's file that a file of a private copy came from; any other path as it is."""
    if isinstance(bundle, PrivateCopy) and path.is_relative_to(bundle.root):
        return bundle.shown / path.relative_to(bundle.root)
    return path


@contextlib.contextmanager
def named_as_shown(bundle: Bundle) -> Iterator[None]:
    """Sentences about files of a private copy name those of the user."""
    try:
        yield
    except InputError as error:
        if isinstance(bundle, PrivateCopy) and str(bundle.root) in str(error):
            sentence = str(error).replace(str(bundle.root), str(bundle.shown))
            raise InputError(sentence) from error.__cause__
        raise


def _no_copy(bundle: Bundle, error: OSError) -> str:
    return (
        f"the bundle '{bundle.name}' in {bundle.root} cannot be copied to {tempfile.gettempdir()}, from where it runs "
        f"({error.strerror or error}); make it readable, make room there, or name another folder in TMPDIR."
    )


def _remove(root: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a process forked from it
        shutil.rmtree(root, ignore_errors=True)


def _remove_abandoned() -> None:
    """Copies of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            old = time.time() - folder.lstat().st_mtime > _ABANDONED_SECONDS
            if old and owner.isdigit() and not psutil.pid_exists(int(owner)) and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
