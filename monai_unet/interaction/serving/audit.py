"""Audit lines: when, from where, which session, what, how it ended, how long it took. No names, no keys, no places."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from pathlib import Path

from monai_unet.errors import InputError


class RequestAudit:
    """Writes lines to a file that only its owner may read, or to standard error.

    Args:
        path: "" is standard error.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: str = "") -> None:
        self._lock = threading.Lock()
        self._path = Path(path) if path else None
        if self._path is not None:
            try:
                self._path.touch(mode=0o600)
                with self._path.open("a", encoding="utf-8"):
                    pass
            except OSError as error:
                raise InputError(f"the audit file {path} cannot be written ({error.strerror or error}).") from error

    def line(self, client: str, session: int, what: str, status: int, milliseconds: float) -> None:
        """One request."""
        self._write(f"client={client} session={session or '-'} {what} {status} {milliseconds:.0f} ms")

    def note(self, what: str) -> None:
        """Something else that happened."""
        self._write(what)

    def failure(self, error: BaseException) -> None:
        """A fault of the server itself: where in the code, without what it was about."""
        places = traceback.extract_tb(error.__traceback__)[-3:]
        self._write(f"fault {type(error).__name__} at " + ", ".join(f"{p.name}:{p.lineno}" for p in places))

    def _write(self, text: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n"
        with self._lock:
            if self._path is None:
                sys.stderr.write(line)
                sys.stderr.flush()
                return
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
            except OSError:
                sys.stderr.write(line)
