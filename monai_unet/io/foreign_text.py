"""Text that comes from files (headers, metadata, file names) where it leaves the program: it stays text.

A header's description may hold escape sequences of a terminal, signs that turn the direction of writing, or a formula
of a spreadsheet. Each way out has one function here.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, device strings
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_FORMULA = re.compile("['\\s]*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def plain(text: object, *, lines: bool = False) -> str:
    """Text without control characters, escape sequences, and signs that are not seen or turn the direction.

    Args:
        text: anything; its `str` is taken.
        lines: keep line feeds and tabs; otherwise they become spaces, so that the text stays on its line.

    >>> plain("CT \\x1b[31mred\\x1b[0m \\u202egnp.exe")
    'CT red gnp.exe'
    >>> plain("one\\ntwo")
    'one two'
    """
    found = _ESCAPES.sub("", str(text))
    found = re.sub(r"\r\n?", "\n", found)
    found = found.replace("\t", "    ") if lines else re.sub(r"[\n\t\v\f]+", " ", found)
    return _UNSEEN.sub("", _CONTROLS.sub("", found))


def cell(value: object) -> object:
    """A value for a cell of a table (CSV) that no spreadsheet takes for a formula; numbers stay what they are.

    >>> cell("=HYPERLINK(1)"), cell("-1.5"), cell(2)
    ("'=HYPERLINK(1)", '-1.5', 2)
    """
    if not isinstance(value, str):
        return value
    text = plain(value)
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if value.startswith(("\t", "\r")) or _FORMULA.match(text) else text


def of_cell(text: str) -> str:
    """What `cell` was given, but for the characters that it removes.

    >>> of_cell("'=HYPERLINK(1)")
    '=HYPERLINK(1)'
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def drawn(text: str) -> str:
    """Text for a figure: plain, and what stands between dollar signs is no formula for matplotlib to set.

    >>> drawn("a $x$")
    'a \\\\$x\\\\$'
    """
    return plain(text).replace("$", r"\$")


def visible(json_text: str) -> str:
    """A JSON text in which every sign that is not seen, or turns the direction, stands as its escape.

    >>> visible('["\u202e"]')
    '["\\\\u202e"]'
    """
    return re.sub(
        f"{_CONTROLS.pattern}|{_UNSEEN.pattern}", lambda found: json.dumps(found[0])[1:-1], json_text.replace("\t", " ")
    )


def address(path: str) -> str:
    """A relative path (with `/`) as the address of a link: quoted, and never a scheme such as `javascript:`.

    >>> address("javascript:alert(1).nii.gz"), address("../x#y?z")
    ('./javascript%3Aalert%281%29.nii.gz', '../x%23y%3Fz')
    """
    quoted = quote(path, safe="/", errors="surrogateescape")
    return quoted if quoted.startswith(("../", "./")) else f"./{quoted}"
