"""Data sets that list their cases in a `dataset.json`: the Medical Segmentation Decathlon's, and MONAI's data lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monai_unet.io.datasets.case_files import unique_names
from monai_unet.io.datasets.labelled import Draft, LabelledCase
from monai_unet.io.datasets.stated_classes import stated_channels, stated_classes, unique_channels
from monai_unet.mappings import Json

LISTS = {
    "training": "training",
    "train": "training",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of the lists in use, and what they are."""

_PATIENT = ("patient", "group", "subject", "patient_id", "subject_id")
_NO_SEQUENCE = re.compile(r"^(name|site|fold|label_convention|patient|group|subject)|mask|label|seg", re.IGNORECASE)


def lists_of(content: Mapping[str, object]) -> dict[str, list[object]]:
    """The lists of cases of a parsed `dataset.json`, by what they are."""
    found: dict[str, list[object]] = {}
    for key, value in content.items():
        if key in LISTS and isinstance(value, list) and value:
            found.setdefault(LISTS[key], []).extend(value)
    return found


@dataclass(frozen=True)
class _Entry:
    """One entry of a list: where it stands, its images by channel name ("" where nothing names them), its label."""

    part: str
    images: tuple[tuple[str, str], ...]
    label: str
    stated: Mapping[str, object]


def read_decathlon(file: Path, content: Json, image: Sequence[str], label: str) -> Draft:
    """The cases of all lists; a test list may be plain strings, as published, and has no labels then.

    Args:
        file: the `dataset.json`.
        image: keys of an entry that are images, in the order of the channels; empty: "image", else all that are files.
        label: key of the label.
    """
    draft = Draft(str(content.get("name") or file.parent.resolve().name), "Decathlon", file.parent)
    classes = stated_classes(content, file)
    draft.classes, draft.ignore, draft.region_order = classes.classes, classes.ignore, classes.region_order
    draft.faults += classes.faults
    entries: list[_Entry] = []
    for part, listed in lists_of(content).items():
        entries += _parsed(draft, file, part, listed, image, label)
    names = unique_names([entry.images[0][1] for entry in entries])
    draft.channels, entries = _channels(draft, entries, stated_channels(content) if not image else (), image)
    for name, entry in zip(names, entries, strict=True):
        _add(draft, file, name, entry)
    return draft


def _parsed(
    draft: Draft, file: Path, part: str, listed: Sequence[object], image: Sequence[str], label: str
) -> Iterator[_Entry]:
    for number, entry in enumerate(listed, 1):
        if isinstance(entry, str):
            yield _Entry(part, (("", str(file.parent / entry)),), "", {})
            continue
        found = _images(entry, image, label) if isinstance(entry, Mapping) else ()
        if not found:
            draft.faults.append(f"entry {number} under '{part}' in {file} names no image, got {entry!r}")
            continue
        assert isinstance(entry, Mapping)
        mask = entry.get(label)
        if not mask and part != "test":
            draft.faults.append(f"{found[0][1]}, under '{part}' in {file}, has no {label}")
        images = tuple((channel, str(file.parent / path)) for channel, path in found)
        yield _Entry(part, images, str(file.parent / str(mask)) if mask else "", entry)


def _images(entry: Mapping[str, object], image: Sequence[str], label: str) -> tuple[tuple[str, str], ...]:
    if image:
        return tuple((key, str(entry[key])) for key in image if entry.get(key))
    value = entry.get("image")
    if isinstance(value, str):
        return (("", value),)
    if isinstance(value, list):
        return tuple(("", str(path)) for path in value)
    named = {k: v for k, v in entry.items() if isinstance(v, str) and k != label and not _NO_SEQUENCE.search(k)}
    return tuple(sorted(named.items()))


def _channels(
    draft: Draft, entries: list[_Entry], stated: tuple[str, ...], image: Sequence[str]
) -> tuple[tuple[str, ...], list[_Entry]]:
    """Names of the channels, and the entries with just these images."""
    sets = [[channel for channel, _ in entry.images] for entry in entries]
    if not entries or not any(filter(None, sets[0])):
        count = max((len(channels) for channels in sets), default=1)
        if len(stated) >= count:
            return stated, entries
        names = unique_channels([*stated, *["image"] * (count - len(stated))])
        return names, entries
    common = [channel for channel in image or sets[0] if all(channel in found for found in sets)]
    some = sorted({channel for found in sets for channel in found} - set(common))
    if some and not image:
        draft.notes.append(f"{', '.join(some)} is not there in every case and is not used.")
    for channel in image:
        draft.faults += [
            f"{entry.images[0][1]} has no {channel} beside it"
            for entry, found in zip(entries, sets, strict=True)
            if channel not in found
        ]
    if not common:
        draft.faults.append(f"no sequence is there in every case (there are {', '.join(some)}); name some with image")
        return ("image",), []
    kept = [replace(e, images=tuple((c, dict(e.images)[c]) for c in common)) for e in entries]
    return tuple(common), kept


def _add(draft: Draft, file: Path, name: str, entry: _Entry) -> None:
    missing = [path for path in (*(p for _, p in entry.images), entry.label) if path and not Path(path).exists()]
    if missing:
        draft.faults += [f"{path}, listed under '{entry.part}' in {file}, does not exist" for path in missing]
        return
    fold = entry.stated.get("fold")
    draft.cases.append(
        LabelledCase(
            name=name,
            images=tuple(os.path.abspath(path) for _, path in entry.images),
            label=os.path.abspath(entry.label) if entry.label else "",
            group=next((str(entry.stated[key]) for key in _PATIENT if entry.stated.get(key) not in (None, "")), ""),
            site=str(entry.stated.get("site") or ""),
            part=entry.part,
            fold=fold if isinstance(fold, int) and not isinstance(fold, bool) and fold >= 0 else None,
        )
    )
