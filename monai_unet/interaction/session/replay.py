"""A session's state out of the records of its journal, also of one that was damaged in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.interaction.session import journal_codec
from monai_unet.interaction.session.document import Document
from monai_unet.interaction.session.history import UndoHistory
from monai_unet.interaction.session.journal import JournalContent, Record
from monai_unet.interaction.session.objects import new_object
from monai_unet.interaction.session.payload import Payload, PayloadStore, decompress


class Replay:
    """Applies records in order to labels (S, A, R) and a history.

    Where records are lost, those behind them are applied as far as they stand by themselves: voxels always, prompts
    where all that they rest on is there. An undo takes a lost step back before one that was made earlier.
    """

    def __init__(self, labels: NDArray[np.uint16], store: PayloadStore, history: UndoHistory) -> None:
        self.labels, self.store, self.history = labels, store, history
        self.payloads: dict[int, Payload] = {}
        self.left_out = 0
        self._document = Document(MappingProxyType({}))
        self._hidden: set[int] = set()
        self._damaged = False
        self._lost = self._lost_undone = self._since = 0

    def add(self, record: Record) -> None:
        """Apply one record.

        Raises:
            InputError: of a kind that this version does not know.
        """
        if record.lost_before:
            self._damaged, self._lost, self._since = True, self._lost + record.lost_before, 0
        for number, data in record.payloads.items():
            self.payloads[number] = self.store.put(data, number)
        try:
            self._apply(record.content)
        except (KeyError, IndexError, ValueError):
            if not self._damaged:
                raise
            self.left_out += 1

    def finished(self) -> tuple[Document, set[int]]:
        """Objects, prompts and candidate at the end, and the hidden objects; every label has an object."""
        document = self._document
        nameless = [v for v in np.flatnonzero(np.bincount(self.labels.ravel())) if v and v not in document.objects]
        if self._damaged and nameless:
            named = {int(v): new_object(int(v), f"recovered {v}") for v in nameless}
            document = replace(document, objects=MappingProxyType({**document.objects, **named}))
        return document, self._hidden

    def _apply(self, content: Mapping[str, Any]) -> None:
        kind = content["type"]
        if kind == "snapshot":
            self.labels[...] = decompress(self.payloads[content["labels"]].read(), self.labels.shape)
            self._document = journal_codec.decode_document(dict(content), None, self.payloads)
            self._hidden = set(content["hidden"])
        elif kind == "step":
            step = journal_codec.decode_step(dict(content), self._document, self.payloads, incomplete=self._damaged)
            if step.patch:
                self.labels[step.patch.box] = step.patch.labels_after()
            self.history.push(step)
            self._document = step.after
            self._since += 1
            self._lost_undone = 0
        elif kind == "undo":
            self._undo()
        elif kind == "redo":
            self._redo()
        elif kind == "hidden":
            self._hidden = set(content["values"])
        else:
            raise InputError(
                f"The journal holds '{kind}', which this version does not know; use the version that wrote it."
            )

    def _undo(self) -> None:
        if self._lost and not self._since:
            self._lost, self._lost_undone = self._lost - 1, self._lost_undone + 1
            return
        self._document = self.history.undo(self.labels).before
        self._since = max(0, self._since - 1)

    def _redo(self) -> None:
        if self._lost_undone:
            self._lost, self._lost_undone = self._lost + 1, self._lost_undone - 1
            return
        self._document = self.history.redo(self.labels).after
        self._since += 1


def keep_damaged(path: str | Path) -> Path:
    """Rename a damaged journal, so that nothing of it is lost to whoever can read more of it; its new name."""
    path, number = Path(path), 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return path.rename(kept)


def damage_sentence(found: JournalContent, left_out: int, kept: Path) -> str:
    """What is lost, in words."""
    count = found.damaged_records + left_out
    what = f"{count} operation{'s' if count != 1 else ''}" if count else "The first line"
    torn = (
        f" The last operation was being saved and is lost too ({found.torn_bytes} bytes)." if found.torn_bytes else ""
    )
    return (
        f"The saved work is damaged: {what} of {count + len(found.records) - 2 - left_out} is lost "
        f"({found.damaged_bytes} bytes), the others are back.{torn} The damaged file is kept as {kept}."
    )
