"""The classes that a `dataset.json` states: the Decathlon's table, nnU-Net's, regions and the value to ignore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monai_unet.io.datasets.labelled import LabelClass

BACKGROUND = "background"


@dataclass(frozen=True)
class StatedClasses:
    """Classes without the background, the value to ignore, the order in which regions are written, and faults."""

    classes: tuple[LabelClass, ...] = ()
    ignore: int | None = None
    region_order: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()


def stated_classes(content: Mapping[str, object], where: object) -> StatedClasses:
    """Read `labels` and `regions_class_order` of a parsed `dataset.json`.

    `labels` is the Decathlon's `{"1": "liver"}` or nnU-Net's `{"liver": 1, "tumour": [2, 3], "ignore": 4}`.

    >>> stated_classes({"labels": {"0": "background", "1": "liver"}}, "dataset.json").classes
    (LabelClass(name='liver', values=(1,)),)
    """
    labels = content.get("labels")
    if not labels:
        return StatedClasses()
    if not isinstance(labels, Mapping):
        return StatedClasses(faults=(f"'labels' in {where} is no table of names and values",))
    try:
        # where names are digits themselves, the values decide
        by_value = all(_is_number(key) for key in labels) and not all(_is_number(value) for value in labels.values())
        pairs = [(str(n), _values(v)) if not by_value else (str(v), _values(n)) for n, v in labels.items()]
    except (TypeError, ValueError):
        example = '{"background": 0, "liver": 1} or {"0": "background", "1": "liver"}'
        return StatedClasses(faults=(f"'labels' in {where} must give each name its value, such as {example}",))
    ignore = next((values[0] for name, values in pairs if name.lower() == "ignore"), None)
    classes = tuple(LabelClass(n, v) for n, v in pairs if any(v) and n.lower() not in (BACKGROUND, "ignore"))
    order = content.get("regions_class_order") or ()
    faults = _faults(classes, order, where)
    stated_order = tuple(int(str(v)) for v in order) if isinstance(order, Sequence) and not faults else ()
    return StatedClasses(classes, ignore, stated_order, tuple(faults))


def stated_channels(content: Mapping[str, object]) -> tuple[str, ...]:
    """Channel names of a parsed `dataset.json` in order: `channel_names` (nnU-Net) or `modality`; empty without."""
    stated = content.get("channel_names") or content.get("modality")
    if isinstance(stated, Mapping):
        numbered = all(_is_number(key) for key in stated)
        pairs = sorted((int(k), str(v)) for k, v in stated.items()) if numbered else []
        names = [name for _, name in pairs] or [str(key) for key in stated]
    elif isinstance(stated, list):
        names = [str(name) for name in stated]
    else:
        names = [stated] if isinstance(stated, str) and stated else []
    return unique_channels(names)


def unique_channels(names: Sequence[str]) -> tuple[str, ...]:
    """The same names, numbered where one repeats.

    >>> unique_channels(["MRI", "MRI"])
    ('MRI 1', 'MRI 2')
    """
    times, seen, result = Counter(names), Counter[str](), []
    for name in names:
        seen[name] += 1
        result.append(f"{name} {seen[name]}" if times[name] > 1 else name)
    return tuple(result)


def _faults(classes: Sequence[LabelClass], order: object, where: object) -> list[str]:
    faults = [
        f"'labels' in {where} gives {c.name} the value {min(c.values)}; values are 0 or higher"
        for c in classes
        if min(c.values) < 0
    ]
    names = Counter(c.name for c in classes)
    faults += [f"'labels' in {where} names {n} twice" for n, times in names.items() if times > 1]
    if not any(len(c.values) > 1 for c in classes):
        values = Counter(c.values[0] for c in classes)
        for value in [value for value, times in values.items() if times > 1]:
            both = " and ".join(c.name for c in classes if value in c.values)
            faults.append(f"'labels' in {where} gives the value {value} to {both}")
        return faults
    if not isinstance(order, Sequence) or len(order) != len(classes) or not all(_is_number(v) for v in order):
        faults.append(
            f"'labels' in {where} are regions of several values, so 'regions_class_order' must give the {len(classes)} "
            f"values that {', '.join(c.name for c in classes)} are written as, got {order or 'none'}"
        )
    return faults


def _is_number(value: object) -> bool:
    return str(value).strip().lstrip("-").isdigit()


def _values(value: object) -> tuple[int, ...]:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, list | tuple):
        return tuple(int(str(v)) for v in value)
    return (int(str(value)),)
