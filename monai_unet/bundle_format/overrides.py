"""What may be said on the command line of a bundle: names of a config or a component, values of their kind."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from monai.bundle import ComponentLocator
from monai.bundle.config_item import ConfigComponent

from monai_unet.errors import InputError

_POSITIVE = {
    "epochs", "epoch_steps", "batch_size", "val_interval", "learning_rate", "patch_size", "pixdim", "world_size",
}  # fmt: skip
_NOT_NEGATIVE = {"early_stop", "num_workers", "rank", "weight_decay", "seed"}
_LISTED = 12


def require_overrides(config: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check overrides against the configs that they change.

    Args:
        config: all configs merged.
        given: name as on the command line (`epochs`, `a#b`, `a::b`) → value, text or what an arguments file holds.

    Raises:
        InputError: a name that neither the config nor the signature of its component has, or a value of another kind
            than the one it replaces; the message says what is possible.
    """
    for name, value in given.items():
        path = name.lstrip("+").replace("::", "#").split("#")
        parent, there = _parent(config, path)
        if not there and not _takes(parent, path[-1]):
            raise InputError(_unknown(config, name, parent, path))
        if there and not name.startswith("+"):
            _require_kind(name, path[-1], _at(config, path), value)


def _at(config: Any, path: list[str]) -> Any:
    for part in path:
        config = config[int(part)] if isinstance(config, list) else config[part]
    return config


def _parent(config: Any, path: list[str]) -> tuple[Any, bool]:
    """What holds the last part of a path (None where the way ends before), and whether it has it."""
    for number, part in enumerate(path):
        last = number == len(path) - 1
        if isinstance(config, dict) and part in config:
            if last:
                return config, True
            config = config[part]
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            if last:
                return config, True
            config = config[int(part)]
        else:
            return (config if last else None), False
    return None, False


def _takes(component: Any, argument: str) -> bool:
    """Whether a component of a config has an argument that the config does not write."""
    return argument in _arguments(component) or "**" in _arguments(component)


def _arguments(component: Any) -> list[str]:
    """Arguments of what a config's `_target_` names; "**" stands for any."""
    if not isinstance(component, dict) or not isinstance(component.get("_target_"), str):
        return []
    try:
        found = ConfigComponent(config=component, locator=_locator()).resolve_module_name()
        made = found if callable(found) else _imported(str(found))
        parameters = inspect.signature(made).parameters.values()
    except (ImportError, ModuleNotFoundError, ValueError, TypeError, AttributeError):
        return []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return names + (["**"] if any(p.kind is p.VAR_KEYWORD for p in parameters) else [])


def _locator() -> ComponentLocator:
    return ComponentLocator()


def _imported(name: str) -> Any:
    from pydoc import locate

    found = locate(name)
    if found is None:
        raise ImportError(name)
    return found


def _unknown(config: Mapping[str, Any], name: str, parent: Any, path: list[str]) -> str:
    near = [f"{_prefix(path)}{word}" for word in difflib.get_close_matches(path[-1], _words(parent), n=1, cutoff=0.5)]
    if not near:
        nested = {found.rsplit("#", 1)[-1]: found for found in _names(config)}
        near = [nested[word] for word in difflib.get_close_matches(path[-1], nested, n=1)]
    hint = f" Did you mean --{near[0]}?" if near else ""
    if isinstance(parent, dict) and len(path) > 1:
        words = [f"--{_prefix(path)}{word}" for word in sorted(set(_words(parent)))]
        return f"unknown override --{name}.{hint} There are {', '.join(words[:_LISTED])}."
    return f"unknown override --{name}.{hint} Valid names: {', '.join(sorted(config))}; nested ones as a#b."


def _prefix(path: list[str]) -> str:
    return "".join(f"{part}#" for part in path[:-1])


def _words(parent: Any) -> list[str]:
    own = [str(word) for word in parent if not str(word).startswith("_")] if isinstance(parent, dict) else []
    return [*own, *(word for word in _arguments(parent) if word != "**")]


def _names(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _names(value, f"{prefix}{key}#")


def _require_kind(name: str, last: str, before: Any, value: Any) -> None:
    """A number stays a number, a list of numbers one of as many."""
    given = _parsed(value)
    if isinstance(given, str) and re.match(r"[$@%]", given):
        return
    kind = _kind(before)
    if kind == "number" and not _is_number(given):
        raise InputError(f"--{name} must be a number, such as {before}; {value!r} is none.")
    if kind == "whole" and not (_is_number(given) and float(given) == int(given)):
        raise InputError(f"--{name} must be a whole number, such as {before}; {value!r} is none.")
    if kind == "truth" and not isinstance(given, bool):
        raise InputError(f"--{name} must be true or false; {value!r} is neither.")
    if kind == "numbers":
        same = isinstance(given, list | tuple) and len(given) == len(before) and all(map(_is_number, given))
        if not same:
            raise InputError(f'--{name} must be {len(before)} numbers, such as "{before}"; {value!r} is not.')
    numbers = given if isinstance(given, list | tuple) else [given]
    if last in _POSITIVE and any(_is_number(number) and number <= 0 for number in numbers):
        raise InputError(f"--{name} must be more than 0, got {value}.")
    if last in _NOT_NEGATIVE and any(_is_number(number) and number < 0 for number in numbers):
        raise InputError(f"--{name} must be 0 or more, got {value}.")
    if last == "device" and isinstance(given, str):
        _require_device(name, given)


def _kind(before: Any) -> str:
    if isinstance(before, bool):
        return "truth"
    if isinstance(before, int):
        return "whole"
    if isinstance(before, float):
        return "number"
    if isinstance(before, list) and before and all(map(_is_number, before)):
        return "numbers"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(value: Any) -> Any:
    """A word of the command line as the value that MONAI makes of it."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):  # YAML wants a point and a sign
        return float(value)
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _require_device(name: str, device: str) -> None:
    import torch

    try:
        found = torch.device(device)
    except RuntimeError:
        raise InputError(f"--{name} must be a device such as cpu or cuda:0; {device!r} is none.") from None
    if found.type == "cuda" and (not torch.cuda.is_available() or (found.index or 0) >= torch.cuda.device_count()):
        raise InputError(f"--{name} {device}: no such GPU was found; leave it out, or say --{name} cpu.")
