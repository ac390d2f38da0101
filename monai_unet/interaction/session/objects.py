"""The objects of an edit session: one label value each, with a name, a class, a colour and a lock."""

from __future__ import annotations

from dataclasses import dataclass

from monai_unet.errors import InputError
from monai_unet.io import Color, label_color

HIGHEST_VALUE = 65535


@dataclass(frozen=True)
class SegmentObject:
    """One object.

    Attributes:
        value: its label in the label map, 1 to 65535.
        name: what the user calls it, such as "lesion 2".
        class_name: what it is, such as "tumour"; objects of one class share it.
        color: RGB, 0 to 255.
        locked: no operation but undo and redo changes its voxels.
        visible: shown by a viewer; no step of the history, since it changes nothing.
        regions: names of the wholes that it is a part of ("whole tumour", "tumour core"); none for a lesion by itself.
        target: chosen as a target lesion (RECIST 1.1): its long axis counts in the sum.
        organ: where it lies, as the reader calls it; empty where nobody said.
    """

    value: int
    name: str
    class_name: str = ""
    color: Color = (255, 255, 255)
    locked: bool = False
    visible: bool = True
    regions: tuple[str, ...] = ()
    target: bool = False
    organ: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.value <= HIGHEST_VALUE:
            raise InputError(f"The label of an object is 1 to {HIGHEST_VALUE}, got {self.value}; choose another.")
        if not self.name.strip():
            raise InputError(f"The object with label {self.value} needs a name; type one.")


def new_object(value: int, name: str = "", class_name: str = "", color: Color | None = None) -> SegmentObject:
    """An object with what is not given filled in: "object 3" and the colour of its value."""
    return SegmentObject(value, name or f"object {value}", class_name, color or label_color(value))
