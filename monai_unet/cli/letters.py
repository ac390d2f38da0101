"""Printing works on every terminal: a letter that it does not have is shown by one that it has."""

from __future__ import annotations

import codecs
import io
import sys

_LIKE = {"×": "x", "·": ".", "–": "-", "—": "-", "…": "...", "≥": ">=", "≤": "<=", "µ": "u", "μ": "u", "±": "+-"}
_NAME = "monai-unet"


def print_anything() -> None:
    """Let standard output and error take any text; a file name that is no valid text too."""
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def prints_all() -> bool:
    """Whether standard output takes every letter as it is."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_LIKE.get(letter, "?") for letter in error.object[error.start : error.end])
    return text, error.end
