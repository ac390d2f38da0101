"""What is wrong with a data set that no case shows alone, and what a person should know before training on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_unet.io.datasets import LabelledSet
from monai_unet.planning.case_fingerprint import CaseFingerprint
from monai_unet.planning.sides import sides_of
from monai_unet.planning.summary import classes_of, facts_of, modality_of, thick_axis

_LISTS = ("test", "validation", "training")
"""Of two cases that are the same the one listed last here is given up: test cases are the ones to keep."""

_MOST = 0.8
_FEWEST_TO_COMPARE = 4
_NAMED = 5


@dataclass
class Findings:
    """Faults by the case that would have to be left out, and warnings."""

    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    warnings: list[str] = field(default_factory=list)


def findings_of(labelled: LabelledSet, cases: Sequence[CaseFingerprint]) -> Findings:
    """Look over the cases that could be read."""
    found = Findings()
    _same_images(found, cases)
    _patients_in_two_lists(found, labelled, cases)
    for number, name in enumerate(labelled.channels):
        _modality(found, cases, number, name)
    _classes(found, labelled, cases)
    _sides(found, labelled, cases)
    _unusual(found, cases)
    return found


def _same_images(found: Findings, cases: Sequence[CaseFingerprint]) -> None:
    by_hash = defaultdict(list)
    for case in sorted(cases, key=lambda case: _LISTS.index(case.part)):
        by_hash[case.sha256].append(case)
    for same in by_hash.values():
        for other in same[1:]:
            where = "" if other.part == same[0].part else f", one in {same[0].part}, the other in {other.part}"
            found.faults[other.name].append(f"{same[0].name} and {other.name} are the same image{where}; keep one")


def _patients_in_two_lists(found: Findings, labelled: LabelledSet, cases: Sequence[CaseFingerprint]) -> None:
    kept: dict[str, CaseFingerprint] = {}
    for case in sorted(cases, key=lambda case: _LISTS.index(case.part)):
        first = kept.setdefault(case.group, case)
        if first.part == case.part or case.name in found.faults:
            continue
        said = f"{first.name} in {first.part} and {case.name} in {case.part} are both of patient {case.group}"
        if labelled.patients_stated:
            found.faults[case.name].append(f"{said}; one patient belongs into one list")
        else:
            found.warnings.append(f"{said}, by their names: scores would be too good.")


def _modality(found: Findings, cases: Sequence[CaseFingerprint], number: int, name: str) -> None:
    channels = [case.channels[number] for case in cases]
    stated = Counter(channel.modality for channel in channels if channel.modality)
    for case, channel in zip(cases, channels, strict=True):
        if stated and channel.modality and channel.modality != stated.most_common(1)[0][0]:
            usual, count = stated.most_common(1)[0]
            found.faults[case.name].append(f"{case.name} is {channel.modality}, where {count} cases are {usual}")
    air = float(np.mean([channel.hounsfield for channel in channels]))
    positive = float(np.mean([channel.never_negative for channel in channels]))
    if len(cases) >= _FEWEST_TO_COMPARE:
        for case, channel in zip(cases, channels, strict=True):
            if air >= _MOST and channel.never_negative:
                found.faults[case.name].append(
                    f"{case.name} ({name}) has no value below 0, where the other cases show air near -1000 HU: "
                    "it is of another modality or was stored without its intercept"
                )
            if positive >= _MOST and channel.hounsfield:
                found.faults[case.name].append(
                    f"{case.name} ({name}) has values down to {channel.lowest:g} like CT, where the other cases have "
                    "none below 0: it is of another modality"
                )
    if modality_of(name) == "CT" and air < _MOST and positive >= _MOST:
        found.warnings.append(
            f"The channel {name} is named CT, but its values are not Hounsfield units (none is below 0): intensities "
            "are taken as without scale."
        )


def _classes(found: Findings, labelled: LabelledSet, cases: Sequence[CaseFingerprint]) -> None:
    used = [case for case in cases if case.part == "training" and case.classes]
    empty = [case.name for case in cases if case.part == "training" and case.box is None]
    if empty:
        found.warnings.append(f"Nothing is marked in {_names(empty)}.")
    classes = classes_of(labelled, cases)
    for entry in classes:
        there = sum(facts_of(case, entry, labelled).voxels > 0 for case in used)
        if there == 0:
            found.warnings.append(f"{entry.name} is marked in no training case, so it cannot be learnt.")
        elif there < 0.5 * len(used):
            found.warnings.append(f"{entry.name} is marked in {there} of {len(used)} training cases only.")
    values = sorted({value for entry in classes for value in entry.values})
    if values and values != list(range(1, len(values) + 1)):
        found.warnings.append(
            f"The label values {', '.join(map(str, values))} are not 1 to {len(values)}: they are numbered anew for "
            "training and written as they were."
        )
    if not labelled.classes and classes:
        found.warnings.append(f"Nothing names the classes; they are called {', '.join(c.name for c in classes)}.")


def _sides(found: Findings, labelled: LabelledSet, cases: Sequence[CaseFingerprint]) -> None:
    """Cases in which the class named left lies right of its partner (index R grows towards the patient's right)."""
    classes = classes_of(labelled, cases)
    swapped: dict[str, None] = {}
    for left, right in sides_of([entry.name for entry in classes]).pairs:
        for case in cases:
            if not case.classes:
                continue
            one, other = (facts_of(case, classes[index - 1], labelled).centre for index in (left, right))
            if one and other and one[2] > other[2]:
                swapped[case.name] = None
    if swapped:
        found.warnings.append(
            f"What is named left lies on the patient's right in {_names(list(swapped))}: the header's orientation or "
            "the names are the wrong way round."
        )


def _unusual(found: Findings, cases: Sequence[CaseFingerprint]) -> None:
    broken = [case.name for case in cases if any(channel.not_finite for channel in case.channels)]
    if broken:
        found.warnings.append(f"There are NaN or infinite voxels in {_names(broken)}; they take the lowest value.")
    notes: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for note in case.notes:
            notes[note].append(case.name)
    found.warnings += [f"{_names(names)}: {note}." for note, names in notes.items()]
    axes = Counter(thick_axis(case) for case in cases)
    if sum(1 for axis in axes if axis) > 1:
        said = {"S": "axial", "A": "coronal", "R": "sagittal"}
        found.warnings.append(
            "Slices lie in several planes: "
            + ", ".join(f"{count} {said[axis]}" for axis, count in sorted(axes.items()) if axis)
            + "."
        )
    median = np.median([case.spacing for case in cases], axis=0)
    odd = [case.name for case in cases if (np.sort(case.spacing) > 3 * np.sort(median)).any()]
    if odd:
        found.warnings.append(f"Voxels are more than three times as large as usual in {_names(odd)}.")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
