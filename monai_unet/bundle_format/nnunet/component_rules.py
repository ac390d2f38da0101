"""nnU-Net's postprocessing as lists of labels of which the largest part is kept, read without unpickling.

`postprocessing.json` says it in words, `postprocessing.pkl` in a pickle: its opcodes (`pickletools.genops`) are
followed by a small interpreter that knows lists, dictionaries, tuples, numbers, texts, the name of one function, and
NumPy's integers. It imports and calls nothing.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_unet.bundle_format.json_values import read_object
from monai_unet.errors import InputError

Rules = tuple[tuple[int, ...], ...]

_FUNCTION = "remove_all_but_largest_component_from_segmentation"
_LARGEST_FILE = 1 << 20
_INTEGERS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)}


def read_rules(folder: Path) -> Rules:
    """Rules in a folder of cross-validation results: labels taken together, in order; none where it has none.

    Raises:
        InputError: a file that holds anything but nnU-Net's own rule.
    """
    if (folder / "postprocessing.json").is_file():
        path = folder / "postprocessing.json"
        stated = read_object(path)
        return _rules(stated.get("postprocessing_fns"), stated.get("postprocessing_kwargs"), path)
    path = folder / "postprocessing.pkl"
    if not path.is_file():
        return ()
    if path.stat().st_size > _LARGEST_FILE:
        raise InputError(f"{path} is larger than any postprocessing of nnU-Net; leave it out.")
    try:
        found = _Opcodes().run(path.read_bytes())
        functions, options = found
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is no postprocessing of nnU-Net ({type(error).__name__}); leave it out.") from error
    return _rules(functions, options, path)


def _rules(functions: Any, options: Any, path: Path) -> Rules:
    if not isinstance(functions, list) or not isinstance(options, list) or len(functions) != len(options):
        raise InputError(f"{path} is no postprocessing of nnU-Net; leave it out.")
    rules = []
    for function, given in zip(functions, options, strict=True):
        name = function.name if isinstance(function, _Named) else str(function)
        known = isinstance(given, Mapping) and set(given) <= {"labels_or_regions", "background_label"}
        if name != _FUNCTION or not known or given.get("background_label", 0) != 0:
            raise InputError(f"{path} asks for '{name}', which is not known; leave it out.")
        rules.append(tuple(sorted(_labels(given.get("labels_or_regions"), path))))
    return tuple(rules)


def _labels(given: Any, path: Path) -> set[int]:
    """All labels of a label, a region, or a list of either."""
    if isinstance(given, int) and not isinstance(given, bool):
        return {given}
    if isinstance(given, str) and given.isdigit():
        return {int(given)}
    if isinstance(given, list | tuple) and given:
        return {label for part in given for label in _labels(part, path)}
    raise InputError(f"{path} names the labels {given!r}, which are none; leave it out.")


class _Named:
    """A name in a pickle; never imported."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Dtype:
    """NumPy's type of a number, by its code."""

    def __init__(self, code: str) -> None:
        self.code = code


_MARK = object()


class _Opcodes:
    """The stack and the memo of a pickle of plain values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """What the pickle holds."""
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise ValueError("no end")

    def _step(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _MADE:
            self.stack.append(_MADE[name]())
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[int(argument)])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._global(argument)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in ("TUPLE", "LIST", "APPENDS", "SETITEMS", "DICT"):
            self._gather(name)
        elif name == "APPEND":
            item = self.stack.pop()
            self.stack[-1].append(item)
        elif name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            self.stack[-1][key] = value
        elif name == "REDUCE":
            arguments, function = self.stack.pop(), self.stack.pop()
            self.stack.append(_called(function, arguments))
        elif name == "BUILD" and isinstance(self.stack[-2], _Dtype):
            self.stack.pop()
        else:
            raise InputError(f"the pickle holds {name}, which no postprocessing of nnU-Net needs; leave it out.")

    def _global(self, argument: str | None) -> None:
        if argument is not None:
            module, _, name = argument.partition(" ")
        else:
            name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Named(str(module), str(name)))

    def _gather(self, name: str) -> None:
        start = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[start + 1 :]
        del self.stack[start:]
        if name == "TUPLE":
            self.stack.append(tuple(items))
        elif name == "LIST":
            self.stack.append(items)
        elif name == "APPENDS":
            self.stack[-1].extend(items)
        else:
            pairs = dict(zip(items[::2], items[1::2], strict=True))
            if name == "DICT":
                self.stack.append(pairs)
            else:
                self.stack[-1].update(pairs)


_PUSHED = {
    "BININT", "BININT1", "BININT2", "INT", "LONG1", "LONG", "BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINBYTES",
    "SHORT_BINBYTES", "BINFLOAT",
}  # fmt: skip
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}  # fmt: skip


def _called(function: Any, arguments: Sequence[Any]) -> Any:
    """A NumPy type or integer as its bytes say; nothing else is ever called."""
    where = (function.module, function.name) if isinstance(function, _Named) else ("", "")
    if where == ("numpy", "dtype") and arguments and arguments[0] in _INTEGERS:
        return _Dtype(str(arguments[0]))
    if where == ("_codecs", "encode") and len(arguments) == 2 and arguments[1] == "latin1":
        return str(arguments[0]).encode("latin1")
    if where[0] in ("numpy.core.multiarray", "numpy._core.multiarray") and where[1] == "scalar":
        kind, content = arguments
        if isinstance(kind, _Dtype) and isinstance(content, bytes) and len(content) == int(kind.code[1:]):
            return int.from_bytes(content, "little", signed=kind.code[0] == "i")
    raise InputError(f"the pickle calls {'.'.join(where)}, which no postprocessing of nnU-Net needs; leave it out.")
