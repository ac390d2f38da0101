"""No command replaces an input, or a file that it did not write: every output is claimed here first.

Files are compared by what the system says they are (device and inode), so that links, hard links, and another spelling
on a disk that ignores case are the same file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from monai_unet.errors import InputError


def claim_file(
    path: str | Path,
    *,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool = False,
    hint: str = "or say --overwrite",
) -> Path:
    """A path that may be written to; gives it back.

    Args:
        inputs: files, and folders with all that is in them, that are never replaced, whatever `overwrite` says.
        overwrite: whether the user agreed to replace another file.
        hint: how to agree to that, the end of "name another file, ...".

    Raises:
        InputError: it is an input, a folder, or a file that is there already.
    """
    path = Path(path)
    if not os.path.lexists(path) and not os.path.lexists(os.path.realpath(path)):
        return path
    taken = input_at(path, inputs)
    if taken is not None:
        spelled = "is an input" if Path(taken) == path else f"is the same file as the input {taken}"
        raise InputError(f"{path} {spelled}, which would be lost; name another file to write to.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write to.")
    if not overwrite:
        raise InputError(f"{path} is there already and would be lost; name another file, remove it{_comma(hint)}.")
    return path


def claim_folder(folder: str | Path, *, inputs: Iterable[str | Path | None] = ()) -> Path:
    """A folder that is written as a whole: it must be new or empty, and outside of the inputs; gives it back.

    Raises:
        InputError: it holds something, is a file, or lies in an input.
    """
    folder = Path(folder)
    for source in inputs:
        if source is not None and Path(source).is_dir() and _lies_in(folder, Path(source)):
            raise InputError(f"{folder} lies in the input {source}, where the two would be mixed; name a folder apart.")
    if folder.is_dir():
        held = next((entry for entry in sorted(os.listdir(folder)) if not entry.startswith(".partial-")), None)
        if held is not None:
            raise InputError(f"{folder} holds files already ({held}), which would be mixed up; name a new folder.")
    elif os.path.lexists(folder):
        raise InputError(f"{folder} is a file; name a new folder.")
    return folder


def claim_names(
    folder: str | Path,
    names: Iterable[str],
    *,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool = False,
    hint: str = "",
) -> Path:
    """A folder for files of these names (a name may be that of a folder with something in it); gives it back.

    Raises:
        InputError: one of them is there already, or is an input.
    """
    folder, inputs = Path(folder), list(inputs)
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder.")
    for name in names:
        path = folder / name
        if path.is_dir() and (overwrite or not any(path.iterdir())):
            continue
        if os.path.lexists(path) and input_at(path, inputs) is None and not overwrite:
            raise InputError(
                f"{folder} holds the files of another run already ({name}), which would be lost; name a new "
                f"folder{_comma(hint)}."
            )
        claim_file(path, inputs=inputs, overwrite=overwrite)
    return folder


def input_at(path: str | Path, inputs: Iterable[str | Path | None]) -> Path | None:
    """Which of the inputs (files, or files in folders) the file at a path is, None for another file or no file."""
    try:
        # `new/../file` is a file that is there, though `new` is not yet
        there = os.stat(path if os.path.lexists(path) else os.path.realpath(path))
    except OSError:
        return None
    if isinstance(inputs, InputFiles):
        return inputs.at(path, there)
    return next((file for file in _files(inputs) if _same(path, there, file)), None)


class InputFiles:
    """The files of many inputs (files, or files in folders), looked at once, when first asked; for `input_at`."""

    def __init__(self, inputs: Iterable[str | Path | None]) -> None:
        self._inputs = list(inputs)
        self._known: dict[object, Path] | None = None

    def __iter__(self) -> Iterator[str | Path | None]:
        return iter(self._inputs)

    def at(self, path: str | Path, there: os.stat_result) -> Path | None:
        """Which of them the file `there` at a path is, None for another file."""
        if self._known is None:
            self._known = {}
            for file in _files(self._inputs):
                with suppress(OSError):
                    self._known.setdefault(_identity(file, os.stat(file)), file)
        return self._known.get(_identity(path, there))


def unused_folder(folder: str | Path, names: Iterable[str]) -> Path:
    """The folder, or where it holds one of these names, the first of `<folder>_2`, `<folder>_3`, … that holds none."""
    folder, names = Path(folder), list(names)
    number, found = 1, folder
    while any(os.path.lexists(found / name) for name in names):
        number += 1
        found = folder.with_name(f"{folder.name}_{number}")
    return found


def _comma(hint: str) -> str:
    return f", {hint}" if hint else ""


def _same(path: str | Path, there: os.stat_result, other: Path) -> bool:
    try:
        found = os.stat(other)
    except OSError:
        return False
    return _identity(path, there) == _identity(other, found)


def _identity(path: str | Path, state: os.stat_result) -> object:
    """What two spellings of one file have in common; a file system without numbers has its real paths."""
    return (state.st_dev, state.st_ino) if state.st_ino else os.path.normcase(os.path.realpath(path))


def _files(inputs: Iterable[str | Path | None]) -> Iterator[Path]:
    for source in inputs:
        if source is None:
            continue
        if os.path.isdir(source):
            for folder, _, names in os.walk(source):
                yield from (Path(folder, name) for name in names)
        else:
            yield Path(source)


def _lies_in(folder: Path, source: Path) -> bool:
    """Whether a folder, which need not exist, is another one or lies somewhere below it."""
    real = Path(os.path.realpath(folder))
    return any(part.exists() and os.path.samefile(part, source) for part in (real, *real.parents))
