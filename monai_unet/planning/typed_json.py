"""Parsed JSON as frozen dataclasses, by their type hints."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def from_plain(kind: type[Kind], content: object) -> Kind:
    """The dataclass that `dataclasses.asdict` and JSON made `content` of.

    Raises:
        ValueError, TypeError, KeyError: it is not of this kind.

    >>> @dataclasses.dataclass
    ... class Size:
    ...     shape: tuple[int, int]
    >>> from_plain(Size, {"shape": [3, 4]})
    Size(shape=(3, 4))
    """
    return typing.cast(Kind, _value(kind, content))


def _value(kind: Any, content: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if content is None else _value(next(k for k in inner if k is not type(None)), content)
    if origin is tuple:
        kinds = [inner[0]] * len(content) if inner[-1] is Ellipsis else inner
        return tuple(_value(k, item) for k, item in zip(kinds, content, strict=True))
    if origin is dict:
        return {_value(inner[0], key): _value(inner[1], value) for key, value in content.items()}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        build: Any = kind
        return build(**{name: _value(hints[name], value) for name, value in content.items()})
    return kind(content)
