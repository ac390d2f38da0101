"""What a user does to objects by hand: strokes, fill, split, merge, slices in between; each one undoable step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.segmentation import flood

from monai_unet.errors import InputError
from monai_unet.geometry import Box, bounding_box, box_shape, inside_of, whole_box
from monai_unet.interaction.session import shape_edits
from monai_unet.interaction.session.document import Document
from monai_unet.interaction.session.external import Atom, labels_before
from monai_unet.interaction.session.label_state import Change, LabelState, values_in
from monai_unet.interaction.session.objects import SegmentObject, new_object
from monai_unet.measurement import component_map


class Drawing(LabelState):
    """Hand work on the objects of a label map; `EditSession` adds prompts and recovery."""

    def paint(self, value: int, box: Box, mask: NDArray[np.bool_] | None = None) -> Change:
        """Give the masked voxels of a box (all of them without a mask) to an object.

        Mask (S, A, R) of the box's shape.
        """
        item = self._unlocked(value)
        return self.write(box, self._painted(box, mask, value), what=f"brush on {item.name}")

    def erase(self, box: Box, mask: NDArray[np.bool_] | None = None, *, value: int | None = None) -> Change:
        """Clear the masked voxels of a box, only those of one object where `value` is given.

        Mask (S, A, R) of the box's shape.
        """
        inside = np.ones(box_shape(box), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        if value is not None:
            self._unlocked(value)
            inside = inside & (self.labels[box] == value)
        return self.write(box, self._painted(box, inside, 0), what="eraser")

    def fill(self, value: int, voxel: Sequence[int], *, axis: int | None = None) -> Change:
        """Give an object all voxels connected by faces with a voxel (S, A, R) and of its label; `value` 0 clears.

        Args:
            axis: across the one slice that is filled; None for all three dimensions.
        """
        what = f"fill of {self._unlocked(value).name}" if value else "fill with background"
        seed = tuple(int(v) for v in voxel)
        if len(seed) != 3 or any(not 0 <= v < n for v, n in zip(seed, self.grid.shape, strict=True)):
            raise InputError(f"The voxel {seed} is outside the image of {self.grid.shape} voxels; click inside it.")
        spans = list(whole_box(self.grid.shape))
        if axis is not None:
            spans[axis] = slice(seed[axis], seed[axis] + 1)
        part = self.labels[tuple(spans)]
        mask = flood(part, tuple(0 if a == axis else v for a, v in enumerate(seed)), connectivity=1)
        box = bounding_box(mask, (spans[0], spans[1], spans[2]))
        assert box is not None
        return self.write(
            box, self._painted(box, mask[inside_of(box, (spans[0], spans[1], spans[2]))], value), what=what
        )

    def write(self, box: Box, values: ArrayLike, *, what: str = "brush") -> Change:
        """Put new labels (the box's shape) into a box; a value without an object becomes a new one.

        Labels (S, A, R).

        Raises:
            InputError: the box does not lie in the image, or the shapes differ.
        """
        new = np.asarray(values)
        if any(not 0 <= s.start < s.stop <= n for s, n in zip(box, self.grid.shape, strict=True)):
            raise InputError(f"The part {box} does not lie in the image of {self.grid.shape} voxels; paint inside it.")
        if new.shape != box_shape(box):
            raise InputError(
                f"The new labels have {new.shape} voxels and the part {box_shape(box)}; give one for each."
            )
        return self._write(what, box, new.astype(np.uint16), self._naming(new.astype(np.uint16)))

    def record_external_change(
        self,
        atoms: Sequence[Atom],
        *,
        what: str = "brush",
        allowed: Callable[[Box], NDArray[np.bool_]] | None = None,
    ) -> Change:
        """Make one step of what a viewer has already written into the shared `labels`.

        Voxels of locked objects are put back; `Change.box` holds them too, to be drawn again.

        Args:
            atoms: as napari's `Labels.events.paint` gives them (`event.value`), oldest first.
            allowed: which voxels of a box (S, A, R) may be painted; others are put back. Erasing is free.
        """
        found = labels_before(self.labels, atoms)
        if found is None:
            return Change(what)
        box, before = found
        painted = self.labels[box].copy()
        self.labels[box] = before
        seen = painted
        if allowed is not None:
            painted = np.where(allowed(box) | (painted == 0), painted, before)
        new, _ = self._guarded(before, painted)
        redraw = None if np.array_equal(new, seen) else box
        return self._write(what, box, painted, self._naming(painted), redraw=redraw)

    def import_labels(
        self,
        labels: NDArray[np.integer] | NDArray[np.bool_],
        objects: Iterable[SegmentObject],
        *,
        what: str = "segment",
    ) -> Change:
        """Replace the label map (S, A, R) by an automatic result and its objects; locked objects and voxels stay.

        Raises:
            InputError: another shape, or the value of a locked object is used for another.
        """
        given = np.asarray(labels)
        if given.shape != self.grid.shape:
            raise InputError(f"The result has {given.shape} voxels and the image {self.grid.shape}; use its own image.")
        locked = {v: item for v, item in self._document.objects.items() if item.locked}
        wanted = {item.value: replace(item, visible=True) for item in objects}
        for value in wanted.keys() & locked.keys():
            raise InputError(f"The label {value} belongs to {locked[value].name}, which is locked; unlock it first.")
        named = {**locked, **{v: new_object(v) for v in values_in(given) if v not in locked}, **wanted}
        trails = {v: trail for v, trail in self._document.trails.items() if v in locked}
        document = Document(
            MappingProxyType(dict(sorted(named.items()))), MappingProxyType(trails), None, self._document.next_number
        )
        return self._write(what, whole_box(self.grid.shape), given.astype(np.uint16), document)

    def delete_object(self, value: int) -> Change:
        """Remove an object, its voxels and its prompts."""
        item = self._unlocked(value)
        document = self._document.without_object(value)
        mask = self.labels == value
        box = bounding_box(mask)
        if box is None:
            return self._commit(f"delete {item.name}", document)
        return self._write(f"delete {item.name}", box, self._painted(box, mask[box], 0), document)

    def merge(self, values: Iterable[int], into: int) -> Change:
        """Give the voxels of objects to another one and remove them; their prompts are forgotten."""
        target = self._unlocked(into)
        others = [self._unlocked(value) for value in dict.fromkeys(values) if value != into]
        if not others:
            raise InputError(f"Merging into {target.name} needs another object; select two or more.")
        document = self._document
        for item in others:
            document = document.without_object(item.value)
        mask = np.isin(self.labels, [item.value for item in others])
        box = bounding_box(mask)
        what = f"merge into {target.name}"
        if box is None:
            return self._commit(what, document)
        return self._write(what, box, self._painted(box, mask[box], into), document)

    def split_components(self, value: int, *, connectivity: int = 26) -> Change:
        """Make each connected part but the largest an object of its own, by falling volume.

        Args:
            connectivity: neighbours of a voxel, 6, 18 or 26.
        """
        item = self._unlocked(value)
        box = self._box_of(item)
        parts = component_map(self.labels[box] == value, connectivity=connectivity)
        if parts.max() < 2:
            raise InputError(f"{item.name} is in one piece; split it by a plane.")
        document, new = self._document, self.labels[box].copy()
        for number in range(2, int(parts.max()) + 1):
            document, part = self._with_new(document, f"{item.name}.{number}", item.class_name)
            document = document.with_object(replace(part, regions=item.regions, organ=item.organ))
            new[parts == number] = part.value
        return self._write(f"split {item.name}", box, new, document)

    def split_plane(self, value: int, point: ArrayLike, normal: ArrayLike) -> Change:
        """Make the part of an object beyond a plane, to where its normal points, an object of its own.

        Voxels count by their centres, axes (S, A, R).

        Args:
            point, normal: (3,) RAS+ millimetres.

        Raises:
            InputError: the plane does not cut the object, or has no direction.
        """
        item = self._unlocked(value)
        box = self._box_of(item)
        own = self.labels[box] == value
        beyond = shape_edits.beyond_plane(box, self.grid, point, normal) & own
        if not beyond.any() or np.array_equal(beyond, own):
            raise InputError(f"The plane does not cut {item.name}; move it.")
        document, part = self._with_new(self._document, f"{item.name}.2", item.class_name)
        return self._write(f"split {item.name}", box, self._painted(box, beyond, part.value), document)

    def fill_holes(self, value: int, *, axis: int | None = None) -> Change:
        """Fill background that an object encloses, in 3D or in each slice across `axis`; other objects stay."""
        item = self._unlocked(value)
        box = self._box_of(item)
        mask = shape_edits.filled_holes(self.labels[box] == value, axis) & (self.labels[box] == 0)
        return self._write(f"fill holes of {item.name}", box, self._painted(box, mask, value))

    def grow(self, value: int, mm: float) -> Change:
        """Grow an object by so many mm in 3D, or shrink it by a negative number; other objects stay.

        Raises:
            InputError: nothing of it would be left.
        """
        verb = "grow" if mm > 0 else "shrink"
        return self._reshaped(value, verb, abs(mm), lambda mask: shape_edits.grown(mask, mm, self.grid.spacing))

    def smooth(self, value: int, mm: float) -> Change:
        """Smooth the surface of an object over so many mm in 3D; other objects stay.

        Raises:
            InputError: nothing of it would be left.
        """
        # what a Gaussian of half of it takes away is about as wide
        return self._reshaped(value, "smooth", mm, lambda mask: shape_edits.smoothed(mask, mm / 2, self.grid.spacing))

    def paint_where(self, value: int, box: Box, inside: NDArray[np.bool_], *, what: str = "threshold") -> Change:
        """Give background voxels of a box (S, A, R) to an object where `inside` (of its shape) says so.

        Raises:
            InputError: there is no such voxel.
        """
        self._unlocked(value)
        mask = inside & (self.labels[box] == 0)
        if not mask.any():
            raise InputError("Nothing in the box lies within the grey range and is free; change the range.")
        return self._write(what, box, self._painted(box, mask, value))

    def _reshaped(
        self, value: int, verb: str, mm: float, reshape: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]
    ) -> Change:
        item = self._unlocked(value)
        own, spacing = self._box_of(item), self.grid.spacing
        reach = [int(np.ceil(mm / step)) + 1 for step in spacing]
        parts = [
            slice(max(0, part.start - r), min(n, part.stop + r))
            for part, r, n in zip(own, reach, self.grid.shape, strict=True)
        ]
        box = (parts[0], parts[1], parts[2])
        before = self.labels[box]
        mask = reshape(before == value)
        new = np.where((before == value) & ~mask, 0, before).astype(before.dtype)
        new[mask & (before == 0)] = value
        if not (new == value).any():
            raise InputError(f"Nothing of {item.name} would be left; take fewer millimetres.")
        return self._write(f"{verb} {item.name} by {mm:g} mm", box, new)

    def fill_between_slices(self, value: int, axis: int) -> Change:
        """Interpolate an object where slices across `axis` (0 S, 1 A, 2 R) between drawn ones are empty.

        Raises:
            InputError: no slice between two drawn ones is empty.
        """
        item = self._unlocked(value)
        box = self._box_of(item)
        own = self.labels[box] == value
        drawn = own.any(axis=tuple(a for a in range(3) if a != axis))
        if drawn.all():
            raise InputError(f"{item.name} has no empty slice between two drawn ones in this plane; nothing to fill.")
        mask = shape_edits.between_slices(own, axis, self.grid.spacing) & (self.labels[box] == 0)
        return self._write(f"fill between slices of {item.name}", box, self._painted(box, mask, value))

    def _painted(self, box: Box, mask: NDArray[np.bool_] | None, value: int) -> NDArray[np.uint16]:
        new = self.labels[box].copy()
        new[... if mask is None else mask] = value
        return new

    def _naming(self, values: NDArray[np.uint16]) -> Document:
        document = self._document
        for value in values_in(values):
            if value not in document.objects:
                document = document.with_object(new_object(value))
        return document

    def _box_of(self, item: SegmentObject) -> Box:
        box = bounding_box(self.labels == item.value)
        if box is None:
            raise InputError(f"{item.name} has no voxels yet; draw it or click into it.")
        return box
