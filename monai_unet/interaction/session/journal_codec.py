"""Steps and documents as JSON objects and payloads, and back; a record holds only what differs from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from types import MappingProxyType

import numpy as np

from monai_unet.geometry import Box, make_box
from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.session.document import Candidate, Document, Edit, Trail
from monai_unet.interaction.session.history import UndoStep
from monai_unet.interaction.session.objects import SegmentObject
from monai_unet.interaction.session.payload import PackedMask, Patch, Payload
from monai_unet.mappings import Json

Payloads = Mapping[int, Payload]


def encode_step(step: UndoStep) -> Json:
    """A step as JSON; its payloads are those of `payloads_of`."""
    content: Json = {"type": "step", "what": step.what, "values": list(step.values)}
    if step.patch:
        content["patch"] = _encode_patch(step.patch)
    return content | encode_document(step.after, step.before)


def decode_step(content: Json, before: Document, payloads: Payloads, *, incomplete: bool = False) -> UndoStep:
    """The step that follows a document; see `decode_document`."""
    patch = _decode_patch(content["patch"], payloads) if "patch" in content else None
    after = decode_document(content, before, payloads, incomplete=incomplete)
    return UndoStep(content["what"], patch, before, after, tuple(content["values"]))


def encode_document(document: Document, before: Document | None = None) -> Json:
    """What of a document differs from the one before, everything without one."""
    content: Json = {"next_number": document.next_number}
    if before is None or document.objects is not before.objects:
        content["objects"] = [asdict(item) for item in document.objects.values()]
    old = {} if before is None else before.trails
    changed = {v: _encode_trail(t) for v, t in document.trails.items() if old.get(v) is not t}
    content["trails"] = {**changed, **{value: None for value in old if value not in document.trails}}
    if before is None or document.candidate is not before.candidate:
        content["candidate"] = None if document.candidate is None else _encode_candidate(document.candidate)
    return content


def decode_document(
    content: Json, before: Document | None, payloads: Payloads, *, incomplete: bool = False
) -> Document:
    """The document that `encode_document` wrote.

    Args:
        incomplete: payloads may be missing; the prompts and the candidate that need them are left out.
    """
    document = before or Document(MappingProxyType({}))
    objects = document.objects
    if "objects" in content:
        found = (_decode_object(item) for item in content["objects"])
        objects = MappingProxyType({item.value: item for item in found})
    trails = dict(document.trails)
    for key, trail in content["trails"].items():
        trails.pop(int(key), None)
        if trail is not None:
            with suppress(*([KeyError] if incomplete else [])):
                trails[int(key)] = _decode_trail(trail, payloads)
    candidate = document.candidate
    if "candidate" in content:
        candidate = None
        with suppress(*([KeyError] if incomplete else [])):
            candidate = _decode_candidate(content["candidate"], payloads)
    return Document(objects, MappingProxyType(trails), candidate, int(content["next_number"]))


def _decode_object(item: Json) -> SegmentObject:
    """Journals of version 0.1 know no regions."""
    return SegmentObject(**{**item, "color": tuple(item["color"]), "regions": tuple(item.get("regions", ()))})


def payloads_of(document: Document, patch: Patch | None = None) -> Iterator[Payload]:
    """Every payload that a document and a patch refer to."""
    if patch:
        yield from (patch.before, patch.after)
    trails = list(document.trails.values())
    if document.candidate:
        trails.append(document.candidate.trail)
        yield from _mask_payload(document.candidate.mask)
    for trail in trails:
        yield from _mask_payload(trail.base)
        for entry in trail.entries:
            if isinstance(entry, Edit):
                yield from (entry.patch.before, entry.patch.after)


def _mask_payload(mask: PackedMask) -> Iterator[Payload]:
    if mask.payload is not None:
        yield mask.payload


def _encode_box(box: Box) -> list[list[int]]:
    return [[s.start, s.stop] for s in box]


def _decode_box(box: list[list[int]]) -> Box:
    return make_box([low for low, _ in box], [high for _, high in box])


def _encode_patch(patch: Patch) -> Json:
    return {"box": _encode_box(patch.box), "before": patch.before.number, "after": patch.after.number}


def _decode_patch(content: Json, payloads: Payloads) -> Patch:
    return Patch(_decode_box(content["box"]), payloads[content["before"]], payloads[content["after"]])


def _encode_mask(mask: PackedMask) -> Json | None:
    if mask.box is None or mask.payload is None:
        return None
    return {"box": _encode_box(mask.box), "bits": mask.payload.number}


def _decode_mask(content: Json | None, payloads: Payloads) -> PackedMask:
    if content is None:
        return PackedMask(None, None)
    return PackedMask(_decode_box(content["box"]), payloads[content["bits"]])


def _encode_trail(trail: Trail) -> Json:
    return {"base": _encode_mask(trail.base), "entries": [_encode_entry(entry) for entry in trail.entries]}


def _decode_trail(content: Json, payloads: Payloads) -> Trail:
    entries = tuple(_decode_entry(entry, payloads) for entry in content["entries"])
    return Trail(_decode_mask(content["base"], payloads), entries)


def _encode_entry(entry: Prompt | Edit) -> Json:
    if isinstance(entry, Edit):
        return {"edit": _encode_patch(entry.patch), "value": entry.value}
    return {**asdict(entry), "world": np.asarray(entry.world, dtype=float).tolist()}


def _decode_entry(content: Json, payloads: Payloads) -> Prompt | Edit:
    if "edit" in content:
        return Edit(_decode_patch(content["edit"], payloads), content["value"])
    return Prompt(**{**content, "world": np.asarray(content["world"], dtype=float)})


def _encode_candidate(candidate: Candidate) -> Json:
    return {
        "value": candidate.value,
        "mask": _encode_mask(candidate.mask),
        "trail": _encode_trail(candidate.trail),
    }


def _decode_candidate(content: Json | None, payloads: Payloads) -> Candidate | None:
    if content is None:
        return None
    mask, trail = _decode_mask(content["mask"], payloads), _decode_trail(content["trail"], payloads)
    return Candidate(content["value"], mask, trail)
