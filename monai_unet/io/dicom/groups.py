"""Which images of a DICOM series form one volume: one orientation, one matrix, one image at each place."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monai_unet.io.dicom.frames import TRAITS, Frame
from monai_unet.io.dicom.stacks import places_of, stack_of, stacks_of


@dataclass(frozen=True)
class SeriesPart:
    """Frames that form one volume, or as close to it as the headers allow.

    Attributes:
        label: tells it from its siblings.
        notes: what was decided in joining or dividing it.
    """

    frames: tuple[Frame, ...]
    label: str
    notes: tuple[str, ...] = ()


def parts_of(frames: Sequence[Frame]) -> list[SeriesPart]:
    """Divide the frames of one SeriesInstanceUID into volumes.

    Frames of different matrix, voxel size or orientation are never one volume. Where several lie at one place, the
    first trait (`TRAITS`) that separates them into complete volumes divides them.
    """
    stacks = stacks_of(frames)
    found = []
    for number, members in enumerate(stacks, 1):
        label = f"stack {number} of {len(stacks)}" if len(stacks) > 1 else ""
        found += [replace(part, notes=members.notes) for part in _divided(SeriesPart(members.frames, label))]
    return found


def repeated(frames: Sequence[Frame]) -> list[tuple[Frame, ...]]:
    """Groups of two and more frames that lie at one place."""
    places = places_of(frames)
    groups: dict[int, list[Frame]] = {}
    for frame, place in zip(frames, places, strict=True):
        groups.setdefault(int(place), []).append(frame)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _divided(part: SeriesPart) -> list[SeriesPart]:
    places = places_of(part.frames)
    count = int(places.max()) + 1
    if count == len(places):
        return _by_stack_id(part)
    for trait in TRAITS:
        groups = _by_trait(part.frames, trait)
        complete = sum(len(set(places_of(members))) == count for members in groups.values())
        if len(groups) > 1 and 2 * complete >= len(groups):
            return [
                p
                for value, members in groups.items()
                for p in _divided(SeriesPart(members, _label(part, trait, value)))
            ]
    return _by_time(part, places)


def _by_stack_id(part: SeriesPart) -> list[SeriesPart]:
    """Several slabs that do not touch are one irregular stack, unless the headers name them as stacks."""
    groups = _by_trait(part.frames, "stack")
    if len(groups) > 1 and not _regular(part.frames) and all(_regular(members) for members in groups.values()):
        return [SeriesPart(members, _label(part, "stack", value)) for value, members in groups.items()]
    return [part]


def _by_time(part: SeriesPart, places: NDArray[np.intp]) -> list[SeriesPart]:
    """Images taken one after the other at every place, each slice at a time of its own: the n-th of each place."""
    counts = np.bincount(places)
    times = [(f.trait("acquisition time") or "", f.trait("content time") or "") for f in part.frames]
    distinct = len(set(zip(places.tolist(), times, strict=True))) == len(times)
    if not distinct or counts.min() != counts.max():
        return [part]
    rounds: list[list[Frame]] = [[] for _ in range(int(counts[0]))]
    seen = np.zeros(len(counts), dtype=int)
    for i in sorted(range(len(times)), key=lambda i: (str(times[i][0]), str(times[i][1]))):
        rounds[seen[places[i]]].append(part.frames[i])
        seen[places[i]] += 1
    return [SeriesPart(tuple(m), _label(part, "time point", f"{n} of {len(rounds)}")) for n, m in enumerate(rounds, 1)]


def _by_trait(frames: Sequence[Frame], trait: str) -> dict[Hashable, tuple[Frame, ...]]:
    groups: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.trait(trait), []).append(frame)
    return {value: tuple(members) for value, members in groups.items()}


def _regular(frames: Sequence[Frame]) -> bool:
    return stack_of(frames).regular


def _label(part: SeriesPart, trait: str, value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else _joined(value)
    return ", ".join(filter(None, (part.label, f"{trait} {text}")))


def _joined(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return "/".join(_joined(v) if not isinstance(v, float) else f"{v:g}" for v in value if v is not None)
