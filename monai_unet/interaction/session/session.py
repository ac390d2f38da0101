"""The edit session: everything a user does to the objects of one image, undoable, without Qt and without files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, bounding_box, box_shape
from monai_unet.interaction.answering import obey, prompt_drawn
from monai_unet.interaction.prompts import Answerer, Prompt
from monai_unet.interaction.session.document import Candidate, Document, Trail
from monai_unet.interaction.session.drawing import Drawing
from monai_unet.interaction.session.journal import SessionJournal, fingerprint, read_journal
from monai_unet.interaction.session.label_state import Change, values_in
from monai_unet.interaction.session.objects import SegmentObject
from monai_unet.interaction.session.payload import DEFAULT_LIMIT, PackedMask
from monai_unet.interaction.session.question import Question, Reply, StaleReplyError
from monai_unet.interaction.session.replay import Replay, damage_sentence, keep_damaged


class EditSession(Drawing):
    """Objects of one image and all that a user does to them.

    Every operation is one step of an unlimited undo history, gives back a `Change` that names the only box of the label
    map to draw again, and tells the listeners. A session belongs to one thread; only `Question.solve` and
    `Question.steps` may run in another.

    A voxel of a locked object is changed by nothing but undo and redo, and no voxel is added to one. A prompt's answer
    takes background, and from other unlocked objects only the voxels that were themselves marked, unless
    `answers_take_others`.

    >>> grid = Grid((4, 4, 4), np.eye(4))
    >>> session = EditSession(np.zeros((4, 4, 4), np.float32), grid)
    >>> lesion = session.add_object("lesion 1", "tumour")
    >>> change = session.paint(lesion, (slice(0, 2), slice(0, 2), slice(0, 2)))
    >>> int(session.mask(lesion).sum()), session.undo_text
    (8, 'brush on lesion 1')
    >>> undone = session.undo()
    >>> int(session.labels.sum())
    0
    """

    answers_take_others = False
    """Whether an answer may take voxels of other unlocked objects."""

    def prompts(self, value: int) -> tuple[Prompt, ...]:
        """The prompts of an object, oldest first, those of its open candidate included."""
        trail = self._trail(self.object(value).value)
        return trail.prompts if trail else ()

    def question(self, value: int, prompt: Prompt) -> Question:
        """What has to be answered for one more prompt; nothing changes before the reply is taken or proposed.

        Raises:
            InputError: no such object, a locked one, or a prompt that is not in the image.
        """
        self._unlocked(value)
        self._check(prompt)
        shown, trail = self._shown(value), self._trail(value)
        number = self._document.next_number
        prompt = replace(prompt, number=number)
        longer = (trail or Trail(PackedMask.pack(shown, self._store))).with_entry(prompt)
        earlier = trail.prompts if trail else ()
        return Question(value, shown, shown, earlier, (prompt,), longer, self._asked_of(value), number + 1)

    def question_without(self, number: int) -> Question:
        """What has to be answered again when a prompt is removed: all from the state before the object's first one.

        What was changed by hand since then is redone in its place.

        Raises:
            InputError: no such prompt, or its object is locked.
        """
        value = self._object_of(number)
        self._unlocked(value)
        trail = self._trail(value)
        assert trail is not None
        shorter = trail.without(number)
        start = np.zeros(self.grid.shape, dtype=bool)
        trail.base.write_into(start)
        asked_of, next_number = self._asked_of(value), self._document.next_number
        return Question(value, self._shown(value), start, (), shorter.entries, shorter, asked_of, next_number)

    def take(self, reply: Reply) -> Change:
        """Make a reply the object's mask.

        Raises:
            StaleReplyError: the object has been changed since the question.
            InputError: the object has been locked since.
        """
        question = self._fresh(reply)
        document = self._with_reply(replace(self._document, candidate=self._other_candidate(question.value)), question)
        what = f"prompt on {self._unlocked(question.value).name}"
        if isinstance(question.asked_of, Candidate):
            return self._take_mask(what, question.value, self._full(reply), document, reply.notes)
        if reply.box is None:
            return self._commit(what, document, notes=reply.notes)
        new, notes = self._answered(question.value, reply.box, reply.mask, document)
        return self._write(what, reply.box, new, document, asked=question.value, notes=(*reply.notes, *notes))

    def propose(self, reply: Reply) -> Change:
        """Make a reply the open candidate: the label map stays until `accept`.

        Raises:
            StaleReplyError: as for `take`.
            InputError: the candidate of another object is open.
        """
        question = self._fresh(reply)
        if self._other_candidate(question.value) is not None:
            raise InputError("The candidate of another object is open; accept or drop it first.")
        packed = PackedMask.pack(self._full(reply), self._store)
        candidate = Candidate(question.value, packed, question.trail)
        document = replace(self._document, candidate=candidate, next_number=question.next_number)
        return self._commit(f"prompt on {self.object(question.value).name}", document, notes=reply.notes)

    @property
    def candidate(self) -> tuple[int, Box, NDArray[np.bool_]] | None:
        """The open candidate: its object, a box, and the whole mask of the object as it would be, inside the box."""
        candidate = self._document.candidate
        if candidate is None:
            return None
        mask = self._shown(candidate.value)
        box = bounding_box(mask) or (slice(0, 1), slice(0, 1), slice(0, 1))
        return candidate.value, box, mask[box]

    def candidate_taken(self) -> tuple[Box, NDArray[np.bool_]] | None:
        """What accepting the open candidate gives its object, in a box: voxels of other objects are left to them."""
        open_candidate, candidate = self.candidate, self._document.candidate
        if open_candidate is None or candidate is None:
            return None
        value, box, mask = open_candidate
        document = replace(self._document, candidate=None).with_trail(value, candidate.trail)
        new, _ = self._answered(value, box, mask, document)
        return box, new == value

    def accept(self) -> Change:
        """Make the open candidate the object's mask.

        Raises:
            InputError: no candidate is open, or its object is locked.
        """
        candidate = self._open_candidate()
        item = self._unlocked(candidate.value)
        document = replace(self._document, candidate=None).with_trail(candidate.value, candidate.trail)
        return self._take_mask(f"accept {item.name}", candidate.value, self._shown(candidate.value), document, ())

    def drop(self) -> Change:
        """Forget the open candidate and the prompts that made it."""
        name = self.object(self._open_candidate().value).name
        return self._commit(f"drop the candidate of {name}", replace(self._document, candidate=None))

    def clear_prompts(self, value: int) -> Change:
        """Forget the prompts of an object and keep its mask; the next prompt begins anew."""
        item = self.object(value)
        if value not in self._document.trails:
            return Change(f"clear prompts of {item.name}")
        return self._commit(f"clear prompts of {item.name}", self._document.with_trail(value, None))

    def add_prompt(self, value: int, prompt: Prompt, answerer: Answerer, *, candidate: bool = False) -> Change:
        """Ask, wait and take (or propose) the reply, in this thread."""
        reply = self.question(value, prompt).solve(answerer)
        return self.propose(reply) if candidate else self.take(reply)

    def remove_prompt(self, number: int, answerer: Answerer) -> Change:
        """Remove a prompt and answer the others again, in this thread; a candidate stays one."""
        question = self.question_without(number)
        reply = question.solve(answerer)
        return self.propose(reply) if isinstance(question.asked_of, Candidate) else self.take(reply)

    @classmethod
    def recover(
        cls, path: str | Path, image: NDArray[np.number], grid: Grid, *, memory_limit: int = DEFAULT_LIMIT
    ) -> tuple[EditSession, tuple[str, ...]]:
        """The session that a journal holds, with its undo history, and sentences on what was lost; it goes on there.

        Image (S, A, R) on `grid`.

        Raises:
            InputError: not a journal, or the journal of another image.
        """
        found = read_journal(path)
        records = found.records
        if len(records) < 2 or records[0].content["type"] != "start":
            raise InputError(f"{path} holds no complete record; nothing can be recovered, remove it.")
        start = records[0].content
        if start["fingerprint"] != fingerprint(image, grid):
            name = start["image_name"] or "another image"
            raise InputError(f"{path} was made on {name}, which is not the image that is open; open that one.")
        session = cls(image, grid, memory_limit=memory_limit)
        replay = Replay(session.labels, session._store, session._history)
        for record in records[1:]:
            replay.add(record)
        session._document, session._hidden = replay.finished()
        if not (found.damaged_bytes or found.damaged_records):
            session._journal = SessionJournal.reopen(path, found.end, replay.payloads, len(records))
            note = (
                f"The last operation was being saved when the program stopped and is lost ({found.torn_bytes} bytes)."
            )
            return session, (note,) if found.torn_bytes else ()
        kept = keep_damaged(path)
        session.start_journal(path, image_name=start["image_name"])
        return session, (damage_sentence(found, replay.left_out, kept),)

    def _open_candidate(self) -> Candidate:
        if self._document.candidate is None:
            raise InputError("No candidate is open; click into an object first.")
        return self._document.candidate

    def _other_candidate(self, value: int) -> Candidate | None:
        candidate = self._document.candidate
        return None if candidate is None or candidate.value == value else candidate

    def _asked_of(self, value: int) -> Trail | Candidate | None:
        candidate = self._document.candidate
        return candidate if candidate and candidate.value == value else self._document.trails.get(value)

    def _trail(self, value: int) -> Trail | None:
        source = self._asked_of(value)
        return source.trail if isinstance(source, Candidate) else source

    def _shown(self, value: int) -> NDArray[np.bool_]:
        source = self._asked_of(value)
        if not isinstance(source, Candidate):
            return np.asarray(self.labels == value)
        mask = np.zeros(self.grid.shape, dtype=bool)
        source.mask.write_into(mask)
        return mask

    def _object_of(self, number: int) -> int:
        for value in self._document.objects:
            if any(prompt.number == number for prompt in self.prompts(value)):
                return value
        raise InputError(f"There is no prompt number {number}; choose one from the list.")

    def _check(self, prompt: Prompt) -> None:
        world = np.asarray(prompt.world, dtype=float)
        if world.ndim != 2 or world.shape[1] != 3 or not len(world) or not np.isfinite(world).all():
            raise InputError(f"A {prompt.kind} needs places of three finite millimetres each, got {world.tolist()}.")
        voxels = prompt.voxels(self.grid)
        if prompt_drawn(prompt, voxels, self.grid.shape, self.grid.spacing) is None:
            beyond = np.maximum(np.maximum(-voxels, voxels - (np.array(self.grid.shape) - 1)), 0) * self.grid.spacing
            distance = float(np.linalg.norm(beyond, axis=1).min())
            raise InputError(f"The {prompt.kind} lies {distance:.0f} mm outside the image; mark a place inside it.")

    def _fresh(self, reply: Reply) -> Question:
        question = reply.question
        stale = question.value not in self._document.objects or self._asked_of(question.value) is not question.asked_of
        if not stale and reply.box is not None and not isinstance(question.asked_of, Candidate):
            stale = not np.array_equal(self.labels[reply.box] == question.value, question.shown[reply.box])
        if stale:
            raise StaleReplyError("The object was changed while its prompt was being answered; click again.")
        return question

    @staticmethod
    def _with_reply(document: Document, question: Question) -> Document:
        trail = question.trail if question.trail.prompts else None
        return replace(document.with_trail(question.value, trail), next_number=question.next_number)

    @staticmethod
    def _full(reply: Reply) -> NDArray[np.bool_]:
        mask = reply.question.shown.copy()
        if reply.box is not None:
            mask[reply.box] = reply.mask
        return mask

    def _take_mask(
        self, what: str, value: int, mask: NDArray[np.bool_], document: Document, notes: tuple[str, ...]
    ) -> Change:
        box = bounding_box(mask != (self.labels == value))
        if box is None:
            return self._commit(what, document, notes=notes)
        new, more = self._answered(value, box, mask[box], document)
        return self._write(what, box, new, document, asked=value, notes=(*notes, *more))

    def _answered(
        self, value: int, box: Box, mask: NDArray[np.bool_], document: Document
    ) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
        """Labels of a box when `mask` becomes the object there, and what the user should know."""
        before = self.labels[box]
        own, others = before == value, (before != 0) & (before != value)
        taken = mask if self.answers_take_others else mask & ~(others & ~self._marked(document, value, box))
        new = before.copy()
        new[own & ~mask] = 0
        new[taken] = value
        left = int(np.count_nonzero(mask & others & ~taken))
        names = ", ".join(self.object(v).name for v in values_in(before[mask & others & ~taken]))
        return new, (f"{left} voxels of {names} were left to it.",) if left else ()

    def _marked(self, document: Document, value: int, box: Box) -> NDArray[np.bool_]:
        """Voxels of a box that the object's points and scribbles marked positive last."""
        trail = document.trails.get(value)
        drawn = [
            (
                prompt_drawn(prompt, prompt.voxels(self.grid), self.grid.shape, self.grid.spacing),
                prompt.kind,
                prompt.positive,
            )
            for prompt in (trail.prompts if trail else ())
        ]
        return obey(np.zeros(box_shape(box), dtype=bool), box, drawn)


__all__ = ["Change", "EditSession", "Question", "Reply", "SegmentObject", "StaleReplyError"]
