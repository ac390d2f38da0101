"""What a model's outputs mean: classes that exclude each other, or regions painted one over the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai_unet.bundle_format.json_values import Value
from monai_unet.errors import InputError


@dataclass(frozen=True)
class LabelPlan:
    """Labels of a model.

    Attributes:
        names: value → name of the label map, without the background.
        regions: name → values whose union it is, in the order of the outputs; empty for plain classes.
        region_values: value that each region paints, in order; empty for plain classes.
    """

    names: dict[int, str]
    regions: dict[str, tuple[int, ...]]
    region_values: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """Channels of the network's output."""
        return len(self.regions) if self.regions else len(self.names) + 1


def read_labels(data: Value) -> LabelPlan:
    """The labels in a `dataset.json`, by the rules of nnU-Net's `LabelManager`.

    Raises:
        InputError: no background, values with gaps, or regions without their order.
    """
    stated = data.at("labels")
    table = {str(name): _values(stated, str(name)) for name in stated.table() if name != "ignore"}
    if table.get("background") != (0,):
        raise stated.wrong("names and their values, the background among them with the value 0")
    structures = {name: values for name, values in table.items() if set(values) != {0}}
    if not structures:
        raise stated.wrong("at least one structure")
    every = sorted({value for values in table.values() for value in values})
    if every != list(range(len(every))):
        raise InputError(
            f"the labels in {data.source} have the values {', '.join(map(str, every))}; nnU-Net needs 0, 1, 2, … "
            "without gaps."
        )
    if all(len(values) == 1 for values in structures.values()):
        return LabelPlan({values[0]: name for name, values in structures.items()}, {}, ())
    order = data.at("regions_class_order")
    painted = tuple(int(value.whole(0, 65535) or 0) for value in order.items())
    if len(painted) != len(structures):
        raise order.wrong(f"the values that the {len(structures)} regions paint")
    return LabelPlan(_painted_names(structures, painted), structures, painted)


def _values(stated: Value, name: str) -> tuple[int, ...]:
    content: Any = stated.table()[name]
    values = content if isinstance(content, list) else [content]
    # an integer may be written as text, which nnU-Net's int() takes
    found = [int(value) for value in values if isinstance(value, int) or str(value).isdigit()]
    if not values or len(found) != len(values) or max(found) > 65535 or min(found) < 0:
        raise stated.at(name).wrong("a label's value, or those of a region")
    return tuple(found)


def _painted_names(regions: dict[str, tuple[int, ...]], painted: tuple[int, ...]) -> dict[int, str]:
    """What a value is where it is left uncovered: the region that painted it, or the rest of it."""
    names: dict[int, str] = {}
    listed = list(regions.items())
    for number, ((name, values), value) in enumerate(zip(listed, painted, strict=True)):
        if value == 0:
            continue
        covered = any(set(values) & set(later) for _, later in listed[number + 1 :])
        names[value] = f"{name}, the rest" if covered else name
    return dict(sorted(names.items()))
