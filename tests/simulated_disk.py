"""A disk that loses power: of what a program did, only what it waited for (fsync) is certain to be there afterwards.

Content of a file that was not synced is gone; of the names that were made, changed or removed in a folder since it was
last synced, any part may have reached the disk, in any order. Watches `os.fsync`, `os.open`, `os.replace` and
`os.unlink` of this process below one folder.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Names = dict[str, int]
"""Path relative to the folder → number of the file it names."""


class SimulatedDisk:
    """Records what happens below `root`; `crash` gives the states that a power cut may leave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moments: list[tuple[Names, list[tuple[str, int | None]], dict[int, bytes]]] = []
        self._names: Names = {}
        self._pending: list[tuple[str, int | None]] = []
        self._content: dict[int, bytes] = {}
        self._files: Names = {}
        self._kept: list[int] = []
        self._lock = threading.RLock()
        for path in root.rglob("*"):
            if path.is_file():
                self._files[self._name(path) or ""] = self._names[self._name(path) or ""] = path.stat().st_ino
                self._content[path.stat().st_ino] = path.read_bytes()

    @contextmanager
    def watching(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedDisk]:
        """Inside, all that the process does is seen."""
        with monkeypatch.context() as patch:
            for name in ("open", "replace", "unlink", "fsync"):
                patch.setattr(os, name, self._watched(getattr(os, name), getattr(self, f"_{name}")))
            yield self
        for kept in self._kept:
            os.close(kept)

    def crashes(self, *, most: int = 40, seed: int = 0) -> Iterator[dict[str, bytes]]:
        """States after a power cut in each of the moments: path → content. At most so many of each moment."""
        draw = random.Random(seed)
        for durable, pending, content in self.moments:
            subsets: set[tuple[bool, ...]] = {(False,) * len(pending), (True,) * len(pending)}
            for _ in range(most - 2):
                subsets.add(tuple(draw.random() < 0.5 for _ in pending))
            for subset in sorted(subsets):
                names = dict(durable)
                for (name, number), happens in zip(pending, subset, strict=True):
                    if happens and number is not None:
                        names[name] = number
                    elif happens:
                        names.pop(name, None)
                yield {name: content.get(number, b"") for name, number in names.items()}

    def lay_out(self, state: dict[str, bytes], folder: Path) -> None:
        """Write a state into a folder."""
        for name, content in state.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def _watched(self, call: Callable[..., Any], record: Callable[..., None]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                result = call(*arguments, **options)
                record(result, *arguments)
                self.moments.append((dict(self._names), list(self._pending), dict(self._content)))
                return result

        return watched

    def _name(self, path: Any) -> str | None:
        text = os.path.abspath(os.fspath(path)) if isinstance(path, str | os.PathLike) else ""
        return os.path.relpath(text, self.root) if text.startswith(str(self.root) + os.sep) else None

    def _open(self, descriptor: int, path: Any, flags: int, *rest: Any) -> None:
        name = self._name(path)
        if name is not None and flags & os.O_CREAT:
            # held open, so that its number is not given to another file
            self._kept.append(os.dup(descriptor))
            self._set(name, os.fstat(descriptor).st_ino)

    def _replace(self, _: None, source: Any, target: Any) -> None:
        before, after = self._name(source), self._name(target)
        if before is not None and after is not None:
            self._set(after, self._files[before])
            self._set(before, None)

    def _unlink(self, _: None, path: Any, *rest: Any) -> None:
        name = self._name(path)
        if name is not None:
            self._set(name, None)

    def _fsync(self, _: None, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(path):
            folder = "" if path == str(self.root) else self._name(path)
            mine = [change for change in self._pending if folder is not None and os.path.dirname(change[0]) == folder]
            for name, number in mine:
                self._names.pop(name, None)
                if number is not None:
                    self._names[name] = number
            self._pending = [change for change in self._pending if change not in mine]
        elif self._name(path) is not None:
            self._content[os.fstat(descriptor).st_ino] = Path(path).read_bytes()

    def _set(self, name: str, number: int | None) -> None:
        self._files.pop(name, None)
        if number is not None:
            self._files[name] = number
        self._pending.append((name, number))
