"""What the dock asks in a window of its own: only where something would be lost, or left over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from qtpy.QtWidgets import QMessageBox, QWidget

Unsaved = Literal["save", "leave", "stay"]


def ask_unsaved(parent: QWidget) -> Unsaved:
    """What to do with work that is not saved."""
    box = QMessageBox(parent)
    box.setWindowTitle("Unsaved work")
    box.setText("The segmentation is not saved.")
    box.setInformativeText("Left unsaved, it is kept and offered when this image is opened again.")
    save = box.addButton("Save…", QMessageBox.ButtonRole.AcceptRole)
    leave = box.addButton("Leave unsaved", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.exec()
    return "save" if box.clickedButton() is save else "leave" if box.clickedButton() is leave else "stay"


def ask_layers(parent: QWidget, names: Sequence[str]) -> bool | None:
    """Whether layers that the user has made go with the case; None: stay with it."""
    answers = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent,
        "Layers on this case",
        f"{', '.join(names)}: made on this case. Remove with it? Otherwise shown over the next one.",
        answers.Yes | answers.No | answers.Cancel,
    )
    return None if answer == answers.Cancel else bool(answer == answers.Yes)
