"""What happened, one JSON object a line: UIDs, numbers, AE titles and reasons, and nobody's name."""

from __future__ import annotations

import datetime
import json
import threading
from collections import Counter
from pathlib import Path


class Audit:
    """Appends to a file; counts events for `/metrics`. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._stream = path.open("a", encoding="utf-8")
        path.chmod(0o600)
        self.counts: Counter[str] = Counter()

    def note(self, event: str, **values: str | float | list[str]) -> None:
        """Write an event down; it is with the system when this returns, so that a kill loses nothing."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **values}, ensure_ascii=False)
        with self._lock:
            self.counts[event] += 1
            self._stream.write(line + "\n")
            self._stream.flush()

    def close(self) -> None:
        """No event comes any more."""
        self._stream.close()
