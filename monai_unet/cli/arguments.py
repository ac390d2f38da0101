"""Commands as frozen dataclasses over argparse: a field is an argument, its type says how it is read from the words.

    @dataclass(frozen=True, kw_only=True)
    class CropCommand(Command):
        image: Annotated[Path, Positional("the volume", metavar="FILE")]
        margin: Annotated[float, Option("around the mask (5 mm)", metavar="MM")] = 5.0

A field without a default must be given. `bool` is a switch; a `Literal` is a choice; `X | None` may be left out;
`tuple[X, ...]` takes several words, or with `repeat` one word each time; `tuple[X, X]` takes two.
"""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType, UnionType
from typing import Literal, TypeVar, Union, get_args, get_origin, get_type_hints


class Command(ABC):
    """What the user asks for; subclasses are frozen dataclasses whose fields are the arguments."""

    @abstractmethod
    def run(self) -> int:
        """Do it; gives the exit code.

        Raises:
            InputError: what was given cannot be used.
        """


@dataclass(frozen=True)
class Positional:
    """An argument without a name; of several words where the field is a tuple."""

    help: str
    metavar: str | None = None


@dataclass(frozen=True)
class Option:
    """An argument `--name`, from the name of its field.

    Attributes:
        help: one line for the help page.
        metavar: what stands for its value there; one for each word where the field takes a fixed number of them.
        short: another spelling, such as "-o".
        group: heading under which the help page lists it.
        repeat: it may be given several times with one word each; the field is a tuple.
    """

    help: str
    metavar: str | tuple[str, ...] | None = None
    short: str = ""
    group: str = ""
    repeat: bool = False


C = TypeVar("C", bound=Command)


def add_arguments(parser: argparse.ArgumentParser, command: type[Command]) -> None:
    """Declare every field of a command."""
    groups: dict[str, Callable[..., object]] = {"": parser.add_argument}
    for field, kind, described in _described(command):
        keywords = _from_type(kind) | {"help": described.help, "metavar": described.metavar}
        if keywords.get("action") == "store_true":
            del keywords["metavar"]
        elif field.default is not MISSING and not _is_tuple(kind):
            keywords["default"] = field.default
        if isinstance(described, Positional):
            if _is_tuple(kind):
                keywords["nargs"] = "*"
            elif field.default is not MISSING:
                keywords["nargs"] = "?"
            parser.add_argument(field.name, **keywords)  # type: ignore[arg-type]
            continue
        if described.repeat:
            del keywords["nargs"]
            keywords["action"] = "append"
        if described.group not in groups:
            groups[described.group] = parser.add_argument_group(described.group).add_argument
        names = [*filter(None, [described.short]), f"--{field.name.replace('_', '-')}"]
        groups[described.group](*names, required=field.default is MISSING, **keywords)


def from_values(command: type[C], values: Mapping[str, object]) -> C:
    """A command from what argparse found; what was not given has the field's own default."""
    make: Callable[..., C] = command
    given = {field.name: values[field.name] for field in fields(command)}  # type: ignore[arg-type]
    return make(**{name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None})


def _described(command: type[Command]) -> list[tuple[Field[object], object, Positional | Option]]:
    """Each field with its plain type and its description, in the order in which they stand."""
    hints = get_type_hints(command, include_extras=True)
    found = []
    for field in fields(command):  # type: ignore[arg-type]
        kind, described = get_args(hints[field.name])
        found.append((field, kind, described))
    return found


def _from_type(kind: object) -> dict[str, object]:
    """Keywords of `add_argument` that follow from the type of a field."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if kind is bool:
        return {"action": "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if get_origin(kind) is tuple:
        item, *others = get_args(kind)
        return _from_type(item) | {"nargs": "+" if others == [...] else 1 + len(others)}
    return {"type": kind}


def _is_tuple(kind: object) -> bool:
    return any(get_origin(part) is tuple for part in (kind, *get_args(kind)))
