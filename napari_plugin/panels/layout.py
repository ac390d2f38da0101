"""The few widgets that all panels are built of: buttons with their key on them, rows, group boxes."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_plugin.shortcuts import key_of


def button(
    text: str, tip: str, action: Callable[[], object], *, name: str = "", checkable: bool = False
) -> QPushButton:
    """A push button; `name` is an action of the table of shortcuts, whose key is shown on the button."""
    key = key_of(name)
    shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) if key else ""
    made = QPushButton(f"{text}  {shown}" if shown else text)
    made.setToolTip(f"{tip} ({shown})" if shown else tip)
    made.setAccessibleName(text)
    made.setCheckable(checkable)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    made.setMinimumWidth(24)
    made.clicked.connect(lambda checked=False: action())
    return made


def row(*widgets: QWidget) -> QWidget:
    """Widgets side by side, of one width."""
    line = QWidget()
    layout = QHBoxLayout(line)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return line


def sentence(text: str = "") -> QLabel:
    """A label that breaks its lines and can be copied."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


class Panel(QGroupBox):
    """A titled box of the dock."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(6, 4, 6, 6)
        self.rows.setSpacing(4)

    def add(self, *widgets: QWidget) -> None:
        """Add a row."""
        self.rows.addWidget(widgets[0] if len(widgets) == 1 else row(*widgets))
