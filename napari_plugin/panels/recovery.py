"""Recovery: shown only where a crash has left work on this image behind."""

from __future__ import annotations

from datetime import datetime

from napari_plugin.case import Editing
from napari_plugin.panels.layout import Panel, button, sentence


class RecoveryPanel(Panel):
    """An offer that stays until it is taken or discarded."""

    def __init__(self, editing: Editing) -> None:
        super().__init__("Earlier work")
        self.editing = editing
        self.line = sentence()
        self.recover = button("Recover it", "Go on where the earlier work ended", self._recover)
        self.discard = button("Discard it", "Forget the earlier work", self._discard)
        self.add(self.line)
        self.add(self.recover, self.discard)
        editing.session_changed.connect(self._offer)
        self._offer()

    def _offer(self) -> None:
        session = self.editing.session
        left = self.editing.journals.left_behind(session) if session is not None else None
        self.setVisible(left is not None)
        if left is not None:
            self.wanted.emit()
        if left is not None:
            last = datetime.fromtimestamp(left.path.stat().st_mtime).strftime("%d %B %Y, %H:%M")
            self.line.setText(f"Work on this image, last changed {last}, was not saved ({left.operations - 1} steps).")

    def _recover(self) -> None:
        self.editing.recover()
        self._offer()

    def _discard(self) -> None:
        if self.editing.session is not None:
            self.editing.journals.discard(self.editing.session)
        self._offer()
