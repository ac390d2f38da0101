"""Printing works on every terminal: a letter that it does not have is shown by one that it has.

What files say is printed as text: escape sequences and signs that turn the direction of writing are left out.
"""

from __future__ import annotations

import codecs
import io
import json
import logging
import sys
from collections.abc import Iterable
from typing import TextIO

from monai_unet.io import plain, visible

_LIKE = {"×": "x", "·": ".", "–": "-", "—": "-", "…": "...", "≥": ">=", "≤": "<=", "µ": "u", "μ": "u", "±": "+-"}
_NAME = "monai-unet"


def print_anything() -> None:
    """Let standard output and error take any text; a file name that is no valid text too."""
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_PlainFormatter())


def say(*values: object, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """`print`, for text of which parts come from files; every command prints by it."""
    print(plain(sep.join(map(str, values)), lines=True), end=end, file=file, flush=flush)


def say_notes(notes: Iterable[str], *, indent: str = "") -> None:
    """What was unusual about an input, one line each on standard error, each once."""
    for note in dict.fromkeys(notes):
        say(f"{indent}note: {note.rstrip('.')}", file=sys.stderr, flush=True)


def say_json(value: object) -> None:
    """Print for programs; what a terminal would act on or not show is escaped, so that nothing is lost."""
    print(visible(json.dumps(value, indent=2, ensure_ascii=not prints_all())))


def rewrite_line(text: str = "", *, file: TextIO) -> None:
    """Replace the terminal's line by another, or by none."""
    print(f"\r\033[K{plain(text)}", end="", file=file, flush=True)


def prints_all() -> bool:
    """Whether standard output takes every letter as it is."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


class _PlainFormatter(logging.Formatter):
    """Messages of the log that nobody took, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record), lines=True)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_LIKE.get(letter, "?") for letter in error.object[error.start : error.end])
    return text, error.end
