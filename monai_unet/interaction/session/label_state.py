"""The label map of a session with its objects, history and journal: the part of the session that keeps the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, bounding_box, inside_of, union
from monai_unet.interaction.session import journal_codec
from monai_unet.interaction.session.document import Candidate, Document, Edit
from monai_unet.interaction.session.history import UndoHistory, UndoStep
from monai_unet.interaction.session.journal import SessionJournal, fingerprint, now
from monai_unet.interaction.session.objects import HIGHEST_VALUE, SegmentObject, new_object
from monai_unet.interaction.session.payload import DEFAULT_LIMIT, PackedMask, Patch, Payload, PayloadStore, compress
from monai_unet.io import Color, LabelEntry
from monai_unet.mappings import Json


@dataclass(frozen=True)
class Change:
    """What an operation did; given to every listener.

    Attributes:
        what: in words: "brush", "undo brush".
        box: the part of the label map to draw again, None where no voxel changed.
        values: the objects whose voxels changed.
        objects, prompts, candidate: whether the table of objects, any prompt list, the candidate changed.
        notes: what the user should know, one sentence each.
    """

    what: str
    box: Box | None = None
    values: tuple[int, ...] = ()
    objects: bool = False
    prompts: bool = False
    candidate: bool = False
    notes: tuple[str, ...] = ()


Voxels = NDArray[np.generic]
Listener = Callable[[Change], None]


class LabelState:
    """Labels (S, A, R), objects, undo, listeners, journal; `EditSession` adds what a user does with them."""

    def __init__(
        self,
        image: NDArray[np.number],
        grid: Grid,
        *,
        labels: NDArray[np.integer] | NDArray[np.bool_] | None = None,
        objects: Iterable[SegmentObject] = (),
        memory_limit: int = DEFAULT_LIMIT,
    ) -> None:
        """Begin on an image (S, A, R), or (C, S, A, R), and its grid in the working frame.

        Args:
            labels: (S, A, R) whole numbers to begin with; copied.
            objects: names and colours; a value without an object gets one called "object N".
            memory_limit: bytes of compressed undo data kept in memory; what exceeds it goes to a temporary file.

        Raises:
            InputError: shapes differ, or labels are not whole numbers from 0 to 65535.
        """
        if tuple(image.shape[-3:]) != grid.shape or image.ndim not in (3, 4):
            raise InputError(f"The image has {image.shape} voxels and its grid {grid.shape}; read the image again.")
        self.image = image
        self.grid = grid
        self.labels: NDArray[np.uint16] = _own_labels(labels, grid)
        """The label map. One array for the whole life of the session, written in place: a viewer may share it."""
        named = {item.value: item for item in objects}
        for value in values_in(self.labels) if labels is not None else ():
            named.setdefault(value, new_object(value))
        self._document = Document(MappingProxyType(dict(sorted(named.items()))))
        self._hidden = {value for value, item in named.items() if not item.visible}
        self._store = PayloadStore(memory_limit)
        self._history = UndoHistory()
        self._journal: SessionJournal | None = None
        self._listeners: list[Listener] = []

    @property
    def objects(self) -> tuple[SegmentObject, ...]:
        """All objects by rising value."""
        items = self._document.objects.values()
        return tuple(replace(item, visible=item.value not in self._hidden) for item in items)

    def object(self, value: int) -> SegmentObject:
        """One object.

        Raises:
            InputError: there is none with this label.
        """
        if value not in self._document.objects:
            raise InputError(f"There is no object with label {value}; choose one from the list.")
        return replace(self._document.objects[value], visible=value not in self._hidden)

    def mask(self, value: int) -> NDArray[np.bool_]:
        """(S, A, R) the voxels of one object, a copy."""
        found: NDArray[np.bool_] = self.labels == self.object(value).value
        return found

    def label_table(self) -> dict[int, LabelEntry]:
        """Names and colours for `write_label_map(table=...)`."""
        return {item.value: LabelEntry(item.name, item.color) for item in self.objects}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every `Change` from now on; what is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def add_object(
        self, name: str = "", class_name: str = "", color: Color | None = None, value: int | None = None
    ) -> int:
        """A new object without voxels; its value, the smallest free one unless given.

        Raises:
            InputError: the value is taken or out of range.
        """
        document, item = self._with_new(self._document, name, class_name, color, value)
        self._commit(f"add {item.name}", document)
        return item.value

    def update_object(
        self,
        value: int,
        *,
        name: str | None = None,
        class_name: str | None = None,
        color: Color | None = None,
        locked: bool | None = None,
        target: bool | None = None,
        organ: str | None = None,
    ) -> Change:
        """Rename, classify, colour, lock, say the organ of an object, choose it as a target; what is None stays."""
        given = {"name": name, "class_name": class_name, "color": color, "locked": locked, "target": target}
        item, kept = self.object(value), (given | {"organ": organ}).items()
        changed = replace(item, **{key: new for key, new in kept if new is not None})  # type: ignore[arg-type]
        if changed == item:
            return Change(f"change {item.name}")
        what = f"change {item.name}" if locked in (None, item.locked) else f"{'' if locked else 'un'}lock {item.name}"
        return self._commit(what, self._document.with_object(replace(changed, visible=True)))

    def set_visible(self, value: int, visible: bool) -> Change:
        """Show or hide an object: kept in the journal, but not a step that undo takes back."""
        item = self.object(value)
        (self._hidden.discard if visible else self._hidden.add)(value)
        notes = self._journal_append({"type": "hidden", "values": sorted(self._hidden)})
        return self._tell(Change(f"{'show' if visible else 'hide'} {item.name}", objects=True, notes=notes))

    @property
    def undo_text(self) -> str:
        """What undo would take back, in words; empty where there is nothing."""
        return self._history.done[-1].what if self._history.done else ""

    @property
    def redo_text(self) -> str:
        """What redo would make again, in words; empty where there is nothing."""
        return self._history.undone[-1].what if self._history.undone else ""

    def undo(self) -> Change | None:
        """Take the last step back, to the bit; None where there is none."""
        if not self._history.done:
            return None
        step = self._history.undo(self.labels)
        return self._moved("undo", step, step.after, step.before)

    def redo(self) -> Change | None:
        """Make the last undone step again, to the bit; None where there is none."""
        if not self._history.undone:
            return None
        step = self._history.redo(self.labels)
        return self._moved("redo", step, step.before, step.after)

    @property
    def undo_bytes(self) -> int:
        """Compressed bytes of undo data in memory now, at most `memory_limit`."""
        return self._store.bytes_in_memory

    def start_journal(self, path: str | Path, *, image_name: str = "") -> None:
        """Save every operation in a new file, those made so far included.

        Raises:
            InputError: the file exists already (see `EditSession.recover`), or cannot be written.
        """
        start = {
            "type": "start",
            "image_name": image_name,
            "fingerprint": fingerprint(self.image, self.grid),
            "shape": list(self.grid.shape),
            "affine": self.grid.affine.tolist(),
            "started": now(),
        }
        self.stop_journal()
        self._journal = SessionJournal.create(path, [(start, ()), *self._so_far()])

    def _so_far(self) -> Iterator[tuple[Json, Iterable[Payload]]]:
        """Records of the state before the first step, of all steps, and of those that are undone."""
        labels, document = self.labels, self._document
        if any(step.patch for step in self._history.done):
            labels = labels.copy()
        for step in reversed(self._history.done):
            document = step.before
            if step.patch:
                labels[step.patch.box] = step.patch.labels_before()
        whole = self._store.put(compress(labels))
        snapshot = journal_codec.encode_document(document)
        snapshot |= {"type": "snapshot", "labels": whole.number, "hidden": sorted(self._hidden)}
        yield snapshot, [whole, *journal_codec.payloads_of(document)]
        for step in (*self._history.done, *reversed(self._history.undone)):
            yield journal_codec.encode_step(step), journal_codec.payloads_of(step.after, step.patch)
        for _ in self._history.undone:
            yield {"type": "undo"}, ()

    def stop_journal(self) -> Path | None:
        """Save no more; the path of the journal, which stays and which the caller may remove once work is saved."""
        if self._journal is None:
            return None
        path = self._journal.path
        self._journal.close()
        self._journal = None
        return path

    def close(self) -> None:
        """Close journal and temporary file; the session cannot be used any more."""
        self.stop_journal()
        self._store.close()

    def _with_new(
        self,
        document: Document,
        name: str = "",
        class_name: str = "",
        color: Color | None = None,
        value: int | None = None,
    ) -> tuple[Document, SegmentObject]:
        taken = document.objects
        if value is None:
            value = next((v for v in range(1, HIGHEST_VALUE + 1) if v not in taken), HIGHEST_VALUE + 1)
        if value in taken:
            raise InputError(f"The label {value} belongs to {taken[value].name}; choose another.")
        item = new_object(value, name, class_name, color)
        return document.with_object(item), item

    def _unlocked(self, value: int) -> SegmentObject:
        item = self.object(value)
        if item.locked:
            raise InputError(f"{item.name} is locked; unlock it to change it.")
        return item

    def _write(self, what: str, box: Box, new: Voxels, document: Document | None = None, **how: Any) -> Change:
        """Put labels into a box, but for voxels that locked objects hold or would gain, and make it one step."""
        before = self.labels[box].copy()
        new, notes = self._guarded(before, new)
        self.labels[box] = new
        try:
            how["notes"] = (*how.get("notes", ()), *notes)
            change = self._record(what, document or self._document, box, before, **how)
        except BaseException:
            self.labels[box] = before
            raise
        return self._tell(change)

    def _guarded(self, before: NDArray[np.uint16], new: Voxels) -> tuple[Voxels, tuple[str, ...]]:
        locked = [item for item in self._document.objects.values() if item.locked]
        if not locked:
            return new, ()
        table = np.zeros(HIGHEST_VALUE + 1, dtype=bool)
        table[[item.value for item in locked]] = True
        kept = (table[before] | table[new]) & (before != new)
        if not kept.any():
            return new, ()
        values = set(values_in(before[kept])) | set(values_in(new[kept].astype(np.uint16)))
        names = ", ".join(item.name for item in locked if item.value in values)
        count = int(np.count_nonzero(kept))
        return np.where(kept, before, new), (f"{count} voxels were left as they are: {names} is locked.",)

    def _commit(self, what: str, document: Document, notes: tuple[str, ...] = ()) -> Change:
        """A step that changes no voxel."""
        return self._tell(self._record(what, document, notes=notes))

    def _record(
        self,
        what: str,
        document: Document,
        box: Box | None = None,
        before: NDArray[np.uint16] | None = None,
        *,
        asked: int | None = None,
        redraw: Box | None = None,
        notes: tuple[str, ...] = (),
    ) -> Change:
        """Make a step of labels already written (`before` is what the box held) and of a document, and save it.

        Args:
            asked: the object whose trail in `document` already accounts for the voxels.
            redraw: a further part to draw again.
        """
        patch: Patch | None = None
        values: tuple[int, ...] = ()
        if box is not None and before is not None:
            patch, values = self._patch(box, before)
            if patch:
                document = self._with_edits(document, patch, values, asked)
        if patch is None and document is self._document:
            return Change(what, redraw, notes=notes)
        step = UndoStep(what, patch, self._document, document, values)
        content = journal_codec.encode_step(step) if self._journal else {}
        saved = self._journal_append(content, journal_codec.payloads_of(document, patch))
        self._history.push(step)
        self._document = document
        return _change(what, step.before, document, union(step.box, redraw), values, (*notes, *saved))

    def _patch(self, box: Box, before: NDArray[np.uint16]) -> tuple[Patch | None, tuple[int, ...]]:
        differs = self.labels[box] != before
        changed = bounding_box(differs, box)
        if changed is None:
            return None, ()
        part = inside_of(changed, box)
        old, new = before[part], self.labels[changed]
        values = set(values_in(old[differs[part]])) | set(values_in(new[differs[part]]))
        return Patch.make(changed, old, new, self._store), tuple(sorted(values))

    def _with_edits(self, document: Document, patch: Patch, values: tuple[int, ...], asked: int | None) -> Document:
        """The document whose trails and candidate know of voxels changed by other means than their answers."""
        for value in values:
            trail = document.trails.get(value)
            if trail is not None and value != asked:
                document = document.with_trail(value, trail.with_entry(Edit(patch, value)))
        candidate = document.candidate
        if candidate is not None and candidate.value in values and candidate.value != asked:
            edit = Edit(patch, candidate.value)
            mask = np.zeros(self.grid.shape, dtype=bool)
            candidate.mask.write_into(mask)
            edit.write_into(mask)
            packed = PackedMask.pack(mask, self._store)
            document = replace(document, candidate=Candidate(candidate.value, packed, candidate.trail.with_entry(edit)))
        return document

    def _moved(self, verb: str, step: UndoStep, source: Document, target: Document) -> Change:
        self._document = target
        notes = self._journal_append({"type": verb})
        return self._tell(_change(f"{verb} {step.what}", source, target, step.box, step.values, notes))

    def _journal_append(self, content: Json, payloads: Iterable[Payload] = ()) -> tuple[str, ...]:
        if self._journal is None:
            return ()
        try:
            self._journal.append(content, payloads)
        except OSError as error:
            path = self.stop_journal()
            return (f"{path} cannot be written ({error.strerror}): this session is no longer saved as it goes.",)
        return ()

    def _tell(self, change: Change) -> Change:
        if change == Change(change.what):
            return change
        for listener in list(self._listeners):
            listener(change)
        return change


def values_in(labels: NDArray[np.integer]) -> list[int]:
    """The labels that occur in a label map (S, A, R), or of any other axes, without 0, rising."""
    counts = np.bincount(labels.ravel())
    return [int(value) for value in np.flatnonzero(counts) if value]


def _change(
    what: str, source: Document, target: Document, box: Box | None, values: tuple[int, ...], notes: tuple[str, ...]
) -> Change:
    return Change(
        what,
        box,
        values,
        objects=source.objects is not target.objects,
        prompts=source.trails is not target.trails or source.candidate is not target.candidate,
        candidate=source.candidate is not target.candidate,
        notes=notes,
    )


def _own_labels(labels: NDArray[np.integer] | NDArray[np.bool_] | None, grid: Grid) -> NDArray[np.uint16]:
    if labels is None:
        return np.zeros(grid.shape, dtype=np.uint16)
    given = np.asarray(labels)
    if given.shape != grid.shape:
        raise InputError(f"The labels have {given.shape} voxels (S, A, R), the image {grid.shape}; use its own mask.")
    own = np.ascontiguousarray(given, dtype=np.uint16) if given.dtype != bool else given.astype(np.uint16)
    if not np.array_equal(own, given):
        raise InputError(f"The labels are not whole numbers from 0 to {HIGHEST_VALUE}; give a label map.")
    return own.copy() if own is labels or np.shares_memory(own, given) else own
