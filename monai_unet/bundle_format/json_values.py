"""Values of a JSON document, each checked for its type; an error names the place and what stands there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_unet.errors import InputError


class Value:
    """A value of a parsed JSON document and where it stands; every method raises `InputError` on another type.

    A value that is missing, or null, counts as not stated and gives the default of its type.
    """

    def __init__(self, content: Any, source: str, place: str = "") -> None:
        self.content, self.source, self.place = content, source, place

    @property
    def stated(self) -> bool:
        """Whether there is a value, not null."""
        return self.content is not None

    def at(self, key: str) -> Value:
        """The value under a key of an object."""
        place = f"{self.place}.{key}" if self.place else key
        return Value(self.table().get(key), self.source, place)

    def table(self) -> Mapping[str, Any]:
        """An object; empty when not stated."""
        if not self.stated:
            return {}
        if not isinstance(self.content, Mapping):
            raise self.wrong("an object ({…})")
        return self.content

    def items(self) -> list[Value]:
        """The members of a list; empty when not stated."""
        if not self.stated:
            return []
        if not isinstance(self.content, list | tuple):
            raise self.wrong("a list ([…])")
        return [Value(member, self.source, f"{self.place}[{index}]") for index, member in enumerate(self.content)]

    def text(self) -> str:
        """A text; a number as it is written, a list of texts joined by commas; "" when not stated."""
        if isinstance(self.content, list | tuple):
            return ", ".join(member.text() for member in self.items())
        if not self.stated:
            return ""
        if isinstance(self.content, bool) or not isinstance(self.content, str | int | float):
            raise self.wrong("a text")
        return str(self.content).strip()

    def flag(self) -> bool:
        """True or false; false when not stated."""
        if self.stated and not isinstance(self.content, bool):
            raise self.wrong("true or false")
        return bool(self.content)

    def whole(self, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`, also one written as text ("4"); None when not stated."""
        if not self.stated:
            return None
        content = self.content
        if isinstance(content, str) and content.strip().isascii() and content.strip().isdigit() and len(content) < 20:
            content = int(content)
        if isinstance(content, bool) or not isinstance(content, int | float) or not low <= content <= high:
            raise self.wrong(f"a whole number from {low} to {high}")
        if content != int(content):
            raise self.wrong(f"a whole number from {low} to {high}")
        return int(content)

    def numbers(self, count: int) -> tuple[float, ...] | None:
        """A list of so many finite numbers; None when not stated."""
        if not self.stated:
            return None
        members = self.content if isinstance(self.content, list | tuple) else ()
        if len(members) != count or not all(is_number(member) for member in members):
            raise self.wrong(f"a list of {count} numbers")
        return tuple(float(member) for member in members)

    def wrong(self, wanted: str) -> InputError:
        """The error that says what was wanted here."""
        found = json.dumps(self.content, ensure_ascii=False, default=str)
        found = found if len(found) <= 40 else found[:39] + "…"
        return InputError(f"{self.source}: '{self.place}' must be {wanted}, got {found}; correct the file.")


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: missing, not readable, not UTF-8, not JSON, or another thing than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the folder of a complete bundle.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8 (byte {error.start} is {error.object[error.start]:#04x}); save it as UTF-8."
        ) from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply to be read; correct the file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); correct the file.") from None
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else "a single value"
        raise InputError(f"{path} holds {kind} where a JSON object ({{…}}) is needed; correct the file.")
    return content
