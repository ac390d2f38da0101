"""The keys of the dock in one table.

They are window shortcuts of Qt: these win over the keys of napari's layers and lists, text fields still get their
letters, and two viewers in one process do not take each other's. Of napari's own keys Ctrl+Z and Ctrl+Shift+Z are
taken, whose undo would not know of the session's, P, E, F, [ and ], which work only while the right layer is selected
and the canvas has the focus, and Escape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QWidget

KEYS = {
    "axial": "8",
    "coronal": "9",
    "sagittal": "0",
    "planes": "F8",
    "napari": "F9",
    "window automatic": "F1",
    "window brain": "F2",
    "window stroke": "F3",
    "window lung": "F4",
    "window mediastinum": "F5",
    "window abdomen": "F6",
    "window bone": "F7",
    "segment": "Ctrl+Return",
    "cancel": "Esc",
    "sign": "Q",
    "point": "G",
    "scribble": "H",
    "box": "J",
    "lasso": "K",
    "brush": "P",
    "eraser": "E",
    "fill": "F",
    "smaller": "[",
    "larger": "]",
    "accept": "U",
    "drop": "Shift+U",
    "undo": "Ctrl+Z",
    "redo": "Ctrl+Shift+Z",
    "new object": "N",
    "hide": "W",
    "take label": "L",
    "fill between": "Shift+F",
    "uncertain": "Shift+N",
    "save": "Ctrl+Shift+S",
}


def key_of(name: str) -> str:
    """The key of an action; empty where it has none."""
    return KEYS.get(name, "")


def with_keys(sentence: str) -> str:
    """A sentence of the library's that speaks of prompts, with the keys of their tools."""
    named = sentence.replace("draw a box ", f"draw a box ({key_of('box')}) ")
    return named.replace("or a line ", f"or a line ({key_of('scribble')}) ")


def bind(parent: QWidget, actions: Mapping[str, Callable[[], object]]) -> list[QShortcut]:
    """Bind the keys of the named actions within the window of `parent`; they go with `parent`."""
    made = []
    for name, action in actions.items():
        shortcut = QShortcut(QKeySequence(KEYS[name]), parent)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(action)
        made.append(shortcut)
    return made
