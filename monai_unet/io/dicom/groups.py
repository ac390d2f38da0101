"""Which images of a DICOM series form one volume: one orientation, one matrix, one image at each place."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.io.dicom.frames import TRAITS, Frame
from monai_unet.io.dicom.geometry import stack

SAME_PLACE = 0.01
"""Images whose first pixels are closer than this, in mm, lie at one place."""
SAME_DIRECTION = 2e-3
"""Direction cosines that differ by less than this belong to one stack."""


@dataclass(frozen=True)
class Part:
    """Frames that form one volume, or as close to it as the headers allow; `label` tells it from its siblings."""

    frames: tuple[Frame, ...]
    label: str


def parts_of(frames: Sequence[Frame]) -> list[Part]:
    """Divide the frames of one SeriesInstanceUID into volumes.

    Frames of different matrix, voxel size, frame of reference or orientation are never one volume. Where several
    lie at one place, the first trait (`TRAITS`) that separates them into complete volumes divides them.
    """
    stacks = _stacks(frames)
    found = []
    for number, members in enumerate(stacks, 1):
        label = f"stack {number} of {len(stacks)}" if len(stacks) > 1 else ""
        found += _divided(Part(tuple(members), label))
    return found


def repeated(frames: Sequence[Frame]) -> list[tuple[Frame, ...]]:
    """Groups of two and more frames that lie at one place."""
    places = _places(frames)
    groups: dict[int, list[Frame]] = {}
    for frame, place in zip(frames, places, strict=True):
        groups.setdefault(int(place), []).append(frame)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _stacks(frames: Sequence[Frame]) -> list[list[Frame]]:
    stacks: list[tuple[Hashable, list[Frame]]] = []
    for frame in frames:
        key = (
            frame.shape,
            frame.header.dataset.get("FrameOfReferenceUID"),
            tuple(round(mm, 4) for mm in frame.spacing),
        )
        for other, members in stacks:
            if other == key and _parallel(members[0], frame):
                members.append(frame)
                break
        else:
            stacks.append((key, [frame]))
    return [members for _, members in stacks]


def _parallel(one: Frame, other: Frame) -> bool:
    return max(abs(a - b) for a, b in zip(one.orientation, other.orientation, strict=True)) < SAME_DIRECTION


def _places(frames: Sequence[Frame]) -> NDArray[np.intp]:
    positions = np.array([frame.position for frame in frames], dtype=float)
    along = positions @ frames[0].normal
    order = np.argsort(along, kind="stable")
    apart = np.linalg.norm(np.diff(positions[order], axis=0), axis=1) > SAME_PLACE
    places = np.empty(len(frames), dtype=np.intp)
    places[order] = np.concatenate([[0], np.cumsum(apart)])
    return places


def _divided(part: Part) -> list[Part]:
    places = _places(part.frames)
    count = int(places.max()) + 1
    if count == len(places):
        return _by_stack_id(part)
    for trait in TRAITS:
        groups = _by_trait(part.frames, trait)
        complete = sum(len(set(_places(members))) == count for members in groups.values())
        if len(groups) > 1 and 2 * complete >= len(groups):
            return [p for value, members in groups.items() for p in _divided(Part(members, _label(part, trait, value)))]
    return _by_time(part, places)


def _by_stack_id(part: Part) -> list[Part]:
    """Several slabs that do not touch are one irregular stack, unless the headers name them as stacks."""
    groups = _by_trait(part.frames, "stack")
    if len(groups) > 1 and not _regular(part.frames) and all(_regular(members) for members in groups.values()):
        return [Part(members, _label(part, "stack", value)) for value, members in groups.items()]
    return [part]


def _by_time(part: Part, places: NDArray[np.intp]) -> list[Part]:
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
    return [Part(tuple(m), _label(part, "time point", f"{n} of {len(rounds)}")) for n, m in enumerate(rounds, 1)]


def _by_trait(frames: Sequence[Frame], trait: str) -> dict[Hashable, tuple[Frame, ...]]:
    groups: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.trait(trait), []).append(frame)
    return {value: tuple(members) for value, members in groups.items()}


def _regular(frames: Sequence[Frame]) -> bool:
    first = frames[0]
    return stack([f.position for f in frames], first.orientation, first.spacing).regular


def _label(part: Part, trait: str, value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else _joined(value)
    return ", ".join(filter(None, (part.label, f"{trait} {text}")))


def _joined(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return "/".join(_joined(v) if not isinstance(v, float) else f"{v:g}" for v in value if v is not None)
