"""A study's journal: what was decided and done with it, one JSON object a line, each on the disk before it counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

from monai_unet.io import sync_folder
from monai_unet.mappings import Json


class StudyJournal:
    """Appended to, and read once at the start; a last line that a kill cut off counts for nothing and is cut away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.events: list[Json] = []
        if path.exists():
            self._read()

    def add(self, event: str, **values: object) -> None:
        """Write an event; it is on the disk when this returns.

        Raises:
            OSError: the disk is full or fails; then the event did not happen.
        """
        entry: Json = {"event": event, **values}
        new = not self._path.exists()
        line = (json.dumps(entry) + "\n").encode()
        with self._path.open("ab") as stream:
            whole = stream.tell()
            try:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                os.truncate(self._path, whole)
                raise
        if new:
            sync_folder(self._path.parent)
        self.events.append(entry)

    def _read(self) -> None:
        whole = 0
        content = self._path.read_bytes()
        for line in content.splitlines(keepends=True):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not line.endswith(b"\n") or not isinstance(entry, dict):
                break
            self.events.append(entry)
            whole += len(line)
        if whole < len(content):
            os.truncate(self._path, whole)
