"""What all slices of a volume must state alike, so that one number means the same thing in each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monai_unet.io.dicom.frames import Frame

_Statement = Callable[[Frame], Any]


def _element(keyword: str) -> _Statement:
    return lambda frame: _text(frame.header.dataset.get(keyword))


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


_ALWAYS: tuple[tuple[str, _Statement], ...] = (
    ("Modality", _element("Modality")),
    ("Photometric Interpretation", _element("PhotometricInterpretation")),
    ("Bits Allocated", _element("BitsAllocated")),
    ("Pixel Representation", _element("PixelRepresentation")),
    ("what is stated of Rescale Slope and Intercept", lambda frame: frame.scaling.stated),
    ("a modality lookup table", lambda frame: str("ModalityLUTSequence" in frame.header.dataset)),
)
_WHERE_STATED: tuple[tuple[str, _Statement], ...] = (
    ("Rescale Type", _element("RescaleType")),
    ("Units", _element("Units")),
)


def problems_of(frames: Sequence[Frame]) -> list[str]:
    """Why the values of frames cannot be joined: one is not understood, or they are of different kinds."""
    found = []
    for frame in frames:
        unclear = frame.scaling.problem or frame.problem
        if unclear:
            found.append(f"a slice cannot be understood: {unclear} ({frame.header.path.name})")
            break
    modality = _text(frames[0].header.dataset.get("Modality"))
    if modality == "CT" and any("without" in frame.scaling.stated for frame in frames):
        found.append("its slices state only one of Rescale Slope and Intercept, Hounsfield units cannot be told")
    found += filter(None, (_differing(name, frames, of) for name, of in _ALWAYS))
    for name, of in _WHERE_STATED:
        found += filter(None, [_differing(name, [frame for frame in frames if of(frame)], of)])
    return found


def notes_of_scaling(frames: Sequence[Frame]) -> list[str]:
    """What was taken where scaling is not fully stated."""
    stated, modality = frames[0].scaling.stated, _text(frames[0].header.dataset.get("Modality"))
    if "ModalityLUTSequence" in frames[0].header.dataset:
        return []
    if stated == "a slope of 0":
        return ["a Rescale Slope of 0 is taken as not stated, voxels are as stored"]
    if stated == "neither":
        return ["no Rescale Slope and Intercept are stated, voxels are as stored"] if modality in ("CT", "PT") else []
    return [] if stated == "both" else [f"{stated} is stated, the other is taken as none"]


def _differing(name: str, frames: Sequence[Frame], of: _Statement) -> str:
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(of(frame), []).append(frame)
    if len(groups) < 2:
        return ""
    (usual, most), *_, (rare, few) = sorted(groups.items(), key=lambda item: -len(item[1]))
    return (
        f"its slices do not agree: {name} is '{usual or 'nothing'}' in {len(most)} and '{rare or 'nothing'}' in "
        f"{len(few)} of them ({few[0].header.path.name})"
    )
