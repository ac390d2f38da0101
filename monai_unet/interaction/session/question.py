"""A question to an answerer, taken from a session, and its reply: what may run in another thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.generators import drain
from monai_unet.geometry import Box, bounding_box
from monai_unet.interaction.prompts import Answerer, Prompt
from monai_unet.interaction.session.document import Candidate, Edit, Trail


class StaleReplyError(RuntimeError):
    """The object was changed while its question was being answered; ask again."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of one object; holds copies, so that the session may go on meanwhile.

    Attributes:
        value: the object.
        shown: (S, A, R) its mask when it was asked, as labelled or as the open candidate shows it.
        start: the mask from which the entries are gone through.
        earlier: prompts that are no longer gone through but that the answerer is told.
        entries: what is gone through, one answer for each prompt.
        trail: the object's trail once the reply is taken.
        asked_of: the trail or candidate that the question began with, to see whether it is still there.
        next_number: of the prompt after these.
    """

    value: int
    shown: NDArray[np.bool_]
    start: NDArray[np.bool_]
    earlier: tuple[Prompt, ...]
    entries: tuple[Prompt | Edit, ...]
    trail: Trail
    asked_of: Trail | Candidate | None
    next_number: int

    def solve(self, answerer: Answerer) -> Reply:
        """Answer every prompt in turn; see `steps`."""
        return drain(self.steps(answerer))

    def steps(self, answerer: Answerer) -> Generator[tuple[int, int], None, Reply]:
        """Yield (answered, to answer) after each prompt and return the reply; closing it stops between two."""
        total = sum(isinstance(entry, Prompt) for entry in self.entries)
        prompts, milliseconds, notes, bounded = list(self.earlier), 0.0, dict[str, None](), 0.0
        mask = self.start
        for entry in self.entries:
            if isinstance(entry, Edit):
                mask = mask.copy() if mask is self.start else mask
                entry.write_into(mask)
                continue
            prompts.append(entry)
            answer = answerer.answer(tuple(prompts), mask)
            milliseconds += answer.milliseconds
            notes |= dict.fromkeys(answer.notes)
            bounded = answer.bounded
            if self.start is self.shown and len(self.entries) == 1:
                yield 1, 1
                return Reply(self, answer.box, answer.mask, milliseconds, tuple(notes), bounded)
            mask = mask.copy() if mask is self.start else mask
            mask[answer.box] = answer.mask
            yield len(prompts) - len(self.earlier), total
        box = bounding_box(mask != self.shown)
        changed = np.zeros((0, 0, 0), bool) if box is None else mask[box]
        return Reply(self, box, changed, milliseconds, tuple(notes), bounded)


@dataclass(frozen=True, eq=False)
class Reply:
    """The new mask of an object inside a box, None where nothing differs from what was shown.

    `bounded` is that of the newest answer, see `Answer`.
    """

    question: Question
    box: Box | None
    mask: NDArray[np.bool_]
    milliseconds: float = 0.0
    notes: tuple[str, ...] = ()
    bounded: float = 0.0
