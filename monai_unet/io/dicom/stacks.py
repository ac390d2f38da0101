"""Parallel frames of one matrix: which of them are one stack, whatever small or formal differences they state.

Software and anonymisers give each slice a frame of reference of its own, round pixel spacings, and turn a slice by a
tenth of a degree. Where slices form one regular stack in spite of that they are one volume, and it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.io.dicom.frames import Frame
from monai_unet.io.dicom.geometry import TOLERATED, Stack, stack

SAME_PLACE = 0.01
"""Images whose first pixels are closer than this, in mm, lie at one place."""
SAME_DIRECTION = 2e-3
"""Direction cosines that differ by less than this belong to one stack."""
ALMOST_SAME_DIRECTION = 5e-3
"""Those that differ by less than this do where they form a regular stack, with a note."""
ALMOST_SAME_SPACING = 1e-3
"""Relative difference of pixel spacings for which the same holds."""


@dataclass(frozen=True)
class StackOfFrames:
    """Parallel frames, and what was decided about them."""

    frames: tuple[Frame, ...]
    notes: tuple[str, ...] = ()


def stacks_of(frames: Sequence[Frame]) -> list[StackOfFrames]:
    """Divide frames by matrix, pixel spacing, direction and frame of reference, where geometry does not join them."""
    found = []
    for members in _grouped(frames, _matrix, _almost_alike):
        exact = _grouped(members, _strict, _parallel)
        if len(exact) == 1:
            found.append(StackOfFrames(tuple(members)))
        elif _tell_volumes_apart(members, exact):
            reason = f"the images of one orientation are divided by {_differences(members)}"
            found += [StackOfFrames(tuple(part), (reason,)) for part in exact]
        else:
            found.append(StackOfFrames(tuple(members), tuple(_joined(members))))
    return found


def usual(frames: Sequence[Frame]) -> Frame:
    """A frame whose direction and spacing most of the frames have."""
    counts = Counter((frame.orientation, frame.spacing) for frame in frames)
    return max(frames, key=lambda frame: counts[frame.orientation, frame.spacing])


def stack_of(frames: Sequence[Frame], thickness: float = 1.0) -> Stack:
    """Places of frames and the affine that fits them best."""
    first = usual(frames)
    return stack([f.position for f in frames], first.orientation, first.spacing, thickness)


def places_of(frames: Sequence[Frame]) -> NDArray[np.intp]:
    """Number of the place of each frame, counted along the normal; frames of one place have one number."""
    positions = np.array([frame.position for frame in frames], dtype=float)
    along = positions @ frames[0].normal
    order = np.argsort(along, kind="stable")
    apart = np.linalg.norm(np.diff(positions[order], axis=0), axis=1) > SAME_PLACE
    places = np.empty(len(frames), dtype=np.intp)
    places[order] = np.concatenate([[0], np.cumsum(apart)])
    return places


def _grouped(
    frames: Sequence[Frame], key_of: Callable[[Frame], Hashable], alike: Callable[[Frame, Frame], bool]
) -> list[list[Frame]]:
    groups: list[tuple[Hashable, list[Frame]]] = []
    for frame in frames:
        key = key_of(frame)
        for other, members in groups:
            if other == key and alike(members[0], frame):
                members.append(frame)
                break
        else:
            groups.append((key, [frame]))
    return [members for _, members in groups]


def _matrix(frame: Frame) -> Hashable:
    return frame.shape


def _strict(frame: Frame) -> Hashable:
    return frame_of_reference(frame), _rounded(frame)


def _rounded(frame: Frame) -> tuple[float, ...]:
    return tuple(round(mm, 4) for mm in frame.spacing)


def frame_of_reference(frame: Frame) -> str:
    """Its UID, empty where none is stated."""
    return str(frame.header.dataset.get("FrameOfReferenceUID") or "")


def _turn(one: Frame, other: Frame) -> float:
    return max(abs(a - b) for a, b in zip(one.orientation, other.orientation, strict=True))


def _parallel(one: Frame, other: Frame) -> bool:
    return _turn(one, other) < SAME_DIRECTION


def _almost_alike(one: Frame, other: Frame) -> bool:
    near = all(abs(a / b - 1.0) < ALMOST_SAME_SPACING for a, b in zip(one.spacing, other.spacing, strict=True))
    return near and _turn(one, other) < ALMOST_SAME_DIRECTION


def _tell_volumes_apart(members: Sequence[Frame], exact: Sequence[Sequence[Frame]]) -> bool:
    """Whether what divides the members into `exact` parts divides volumes, and not one stack."""
    several = sum(len(part) for part in exact if len(part) > 1)
    if 2 * several <= len(members):
        # as many parts as images, or nearly
        return False
    places = places_of(members)
    if len(set(places.tolist())) < len(members):
        return True
    stacked = stack_of(members)
    if stacked.regular:
        return False
    part_of = np.empty(len(members), dtype=int)
    position = {id(frame): n for n, frame in enumerate(members)}
    for number, part in enumerate(exact):
        part_of[[position[id(frame)] for frame in part]] = number
    changes = int(np.count_nonzero(np.diff(part_of[stacked.order])))
    interleaved = changes >= len(exact)
    steps = stacked.gaps / max(float(stacked.gaps.min()), 1e-6)
    one_grid = bool((np.abs(steps - np.round(steps)) < TOLERATED).all())
    return not (interleaved and one_grid)


def _differences(members: Sequence[Frame]) -> str:
    first = members[0]
    found = []
    if len({frame_of_reference(frame) for frame in members}) > 1:
        found.append("frame of reference")
    if len({_rounded(frame) for frame in members}) > 1:
        found.append("pixel spacing")
    if max(_turn(first, frame) for frame in members) >= SAME_DIRECTION:
        found.append("direction")
    return " and ".join(found)


def _joined(members: Sequence[Frame]) -> list[str]:
    """What differs among frames that are one volume all the same."""
    notes = []
    references = {frame_of_reference(frame) for frame in members}
    if len(references) > 1:
        stated = len(references - {""})
        some = " and none in some" if "" in references else ""
        notes.append(f"its slices state {stated} frames of reference{some}; they form one stack and are one volume")
    typical = usual(members)
    spread = max(abs(a - b) for f in members for a, b in zip(f.spacing, typical.spacing, strict=True))
    if spread >= 5e-5:
        notes.append(f"pixel spacing differs by up to {spread:.2g} mm between its slices")
    turn = max(_turn(typical, frame) for frame in members)
    if turn >= SAME_DIRECTION:
        off = turn * max(typical.shape)
        notes.append(f"the direction of slices differs by up to {turn:.2g}, their far side lies {off:.1f} pixels off")
    return notes
