"""All of a session's state but the voxels: objects, their prompts, the open candidate. Immutable, shared by steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.session.objects import SegmentObject
from monai_unet.interaction.session.payload import PackedMask, Patch


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of an object's mask between two prompts by other means (brush, split, ...), so that it can be redone.

    Attributes:
        patch: the labels before and after.
        value: the object's label in them.
    """

    patch: Patch
    value: int

    def write_into(self, mask: NDArray[np.bool_]) -> None:
        """Add and remove in a mask of the grid what the edit added and removed.

        Mask (S, A, R).
        """
        before, after = self.patch.labels_before() == self.value, self.patch.labels_after() == self.value
        part = mask[self.patch.box]
        part |= after & ~before
        part &= ~(before & ~after)


@dataclass(frozen=True, eq=False)
class Trail:
    """What was done to one object since its first prompt, oldest first; `base` is its mask before that."""

    base: PackedMask
    entries: tuple[Prompt | Edit, ...] = ()

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts among the entries."""
        return tuple(entry for entry in self.entries if isinstance(entry, Prompt))

    def with_entry(self, entry: Prompt | Edit) -> Trail:
        """The trail with one more entry."""
        return replace(self, entries=(*self.entries, entry))

    def without(self, number: int) -> Trail:
        """The trail without the prompt of that number."""
        kept = (entry for entry in self.entries if not (isinstance(entry, Prompt) and entry.number == number))
        return replace(self, entries=tuple(kept))


@dataclass(frozen=True, eq=False)
class Candidate:
    """An answer shown but not yet taken: the whole mask of the object as it would be."""

    value: int
    mask: PackedMask
    trail: Trail


def _empty() -> Mapping[int, Trail]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Document:
    """Everything that a step may change besides voxels.

    Attributes:
        objects: by value, rising.
        trails: of the objects that have prompts.
        candidate: the open one.
        next_number: of the next prompt; a number is never given twice.
    """

    objects: Mapping[int, SegmentObject]
    trails: Mapping[int, Trail] = field(default_factory=_empty)
    candidate: Candidate | None = None
    next_number: int = 1

    def with_object(self, changed: SegmentObject) -> Document:
        """With one object added or replaced."""
        objects = {**self.objects, changed.value: changed}
        return replace(self, objects=MappingProxyType(dict(sorted(objects.items()))))

    def without_object(self, value: int) -> Document:
        """Without an object, its prompts and its candidate."""
        objects = {key: item for key, item in self.objects.items() if key != value}
        candidate = None if self.candidate is not None and self.candidate.value == value else self.candidate
        return replace(self.with_trail(value, None), objects=MappingProxyType(objects), candidate=candidate)

    def with_trail(self, value: int, trail: Trail | None) -> Document:
        """With the trail of an object replaced; None removes it."""
        trails = {key: item for key, item in self.trails.items() if key != value}
        if trail is not None:
            trails[value] = trail
        return replace(self, trails=MappingProxyType(trails))
