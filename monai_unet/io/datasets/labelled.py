"""A labelled data set in whatever layout it came: its cases, channels, classes, patients, lists and folds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monai_unet.errors import InputError

PARTS = ("training", "validation", "test")
_SHOWN = 30


@dataclass(frozen=True)
class LabelClass:
    """One class of a data set.

    Attributes:
        name: as the data set calls it.
        values: label values it is made of: one, or several where the classes are regions that may overlap.
    """

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LabelledCase:
    """One case of a labelled data set.

    Attributes:
        name: unique in the data set and safe as a file name; what its mask will be called.
        images: absolute paths (file or DICOM folder), one per channel in the order of the set's channels; a single path
            of a set with several channels is a 4D file that holds them all, in that order.
        label: path of the mask; empty in a test list without labels.
        group: the patient, by which cases stay together; the case's name where nothing says it.
        site: where it was acquired; empty where nothing says it.
        part: "training", "validation" or "test", as the data set lists it.
        fold: number from 0 where the data set gives one.
    """

    name: str
    images: tuple[str, ...]
    label: str
    group: str
    site: str = ""
    part: str = "training"
    fold: int | None = None


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """A data set as its layout states it; no voxel was read for it.

    Attributes:
        name: as the data set calls itself, else its folder's name.
        layout: which layout it was read as, in words.
        root: folder of the data set.
        cases: all cases of all lists.
        channels: names of the channels; ("image",) where nothing names the one there is.
        classes: background left out; empty where nothing states them (the values that occur are the classes then).
        ignore: label value of voxels that count as nothing, or None.
        regions: whether classes are regions of several values.
        region_order: for regions, the value that each is written as, in the order of `classes`; later ones win.
        patients_known: whether `group` of the training cases is, or may be taken as, the patient. Without it no
            cross-validation is possible, as two folds may hold one patient.
        patients_stated: whether the data set itself names the patients.
        notes: sentences on what was assumed.
    """

    name: str
    layout: str
    root: str
    cases: tuple[LabelledCase, ...]
    channels: tuple[str, ...] = ("image",)
    classes: tuple[LabelClass, ...] = ()
    ignore: int | None = None
    regions: bool = False
    region_order: tuple[int, ...] = ()
    patients_known: bool = True
    patients_stated: bool = False
    notes: tuple[str, ...] = ()

    def part(self, name: str) -> tuple[LabelledCase, ...]:
        """Cases of one list.

        >>> cases = (LabelledCase("a", ("a.nii",), "la.nii", "a"), LabelledCase("b", ("b.nii",), "", "b", part="test"))
        >>> [case.name for case in LabelledSet("set", "CSV", ".", cases).part("test")]
        ['b']
        """
        return tuple(case for case in self.cases if case.part == name)


@dataclass
class Draft:
    """What a layout found, with all that is wrong with it; a case's `group` is empty where nothing states it."""

    name: str
    layout: str
    root: Path
    cases: list[LabelledCase] = field(default_factory=list)
    channels: tuple[str, ...] = ("image",)
    classes: tuple[LabelClass, ...] = ()
    ignore: int | None = None
    region_order: tuple[int, ...] = ()
    patients_known: bool = True
    patients_stated: bool = False
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def finished(self) -> LabelledSet:
        """The data set.

        Raises:
            InputError: anything is wrong; one sentence lists all of it.
        """
        faults = [*self.faults, *_listed_twice(self.cases), *_channels_that_differ(self.cases, self.channels)]
        if not self.cases and not faults:
            faults = ["it holds no case"]
        if faults:
            raise InputError(all_of(faults, f"{self.root} cannot be used as it is"))
        regions = any(len(c.values) > 1 for c in self.classes)
        return LabelledSet(
            self.name,
            self.layout,
            str(self.root),
            tuple(self.cases),
            self.channels,
            self.classes,
            self.ignore,
            regions,
            self.region_order if regions else (),
            self.patients_known,
            self.patients_stated,
            tuple(self.notes),
        )


def all_of(faults: Sequence[str], where: str) -> str:
    """One sentence of all faults, each without its full stop.

    >>> all_of(["a.nii has no label"], "my_data cannot be used as it is")
    'my_data cannot be used as it is: a.nii has no label.'
    """
    parts = [fault.rstrip(".") for fault in dict.fromkeys(faults)]
    if len(parts) == 1:
        return f"{where}: {parts[0]}."
    more = f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return f"{where}, {len(parts)} faults: " + "; ".join(parts[:_SHOWN]) + f"{more}."


def _listed_twice(cases: Sequence[LabelledCase]) -> list[str]:
    """Files that belong to two cases, and names of two."""
    faults = []
    used: dict[str, list[LabelledCase]] = {}
    for case in cases:
        for path in dict.fromkeys((*case.images, case.label)):
            if path:
                used.setdefault(os.path.realpath(path), []).append(case)
        faults += [
            f"{path} is {count} channels of case {case.name}; each channel needs its own file"
            for path, count in Counter(case.images).items()
            if count > 1
        ]
    for path, owners in used.items():
        if len(owners) > 1:
            lists = list(dict.fromkeys(case.part for case in owners))
            where = f"{len(owners)} times in the {lists[0]} list" if len(lists) == 1 else f"in {' and '.join(lists)}"
            faults.append(f"{path} is listed {where}; a case belongs into one list, once")
    files = {id(case) for owners in used.values() if len(owners) > 1 for case in owners}
    names = Counter(case.name for case in cases if id(case) not in files)
    return faults + [f"{count} cases are called {name}; rename one" for name, count in names.items() if count > 1]


def _channels_that_differ(cases: Sequence[LabelledCase], channels: Sequence[str]) -> list[str]:
    allowed = {1, len(channels)}
    return [
        f"case {case.name} has {len(case.images)} images, where the channels are {len(channels)} "
        f"({', '.join(channels)})"
        for case in cases
        if len(case.images) not in allowed
    ]
