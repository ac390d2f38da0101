"""The few widgets that all panels are built of: buttons with their key on them, rows, panels."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from monai_unet.io import plain
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


class NumberBox(QDoubleSpinBox):
    """A number with its unit; letters are no numbers, so that the keys of tools work while it has the focus."""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and event.text().isalpha():
            event.ignore()
            return True
        return bool(super().event(event))


def row(*widgets: QWidget, stretch: tuple[int, ...] = ()) -> QWidget:
    """Widgets side by side, of one width or as `stretch` says."""
    side_by_side = QWidget()
    layout = QHBoxLayout(side_by_side)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget, share in zip(widgets, stretch or (1,) * len(widgets), strict=True):
        layout.addWidget(widget, share)
    return side_by_side


def one_line(text: str = "") -> QLabel:
    """A label that shows what it is given as text, never as markup: it may come from a file."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    return label


def tip(text: object) -> str:
    """A tooltip that shows text of a file as text; Qt itself takes what looks like markup for markup."""
    found = plain(text, lines=True)
    return f"<qt>{escape(found)}</qt>".replace("\n", "<br>") if "<" in found or "&" in found else found


def sentence(text: str = "") -> QLabel:
    """A label that breaks its lines and can be copied."""
    label = one_line(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


class Panel(QWidget):
    """Rows of controls: a tab of the dock, or a part of it that is always seen."""

    wanted = Signal()
    """There is something in it to read or to answer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(4, 4, 4, 4)
        self.rows.setSpacing(4)

    def add(self, *widgets: QWidget, stretch: tuple[int, ...] = ()) -> None:
        """Add a row; `stretch` shares its width out, equally where it is not given."""
        self.rows.addWidget(widgets[0] if len(widgets) == 1 else row(*widgets, stretch=stretch))
