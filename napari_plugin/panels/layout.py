"""The few widgets that all panels are built of: buttons with their key on them, rows, group boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from monai_unet.io import plain
from napari_plugin.settings import remember, setting
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


class Panel(QGroupBox):
    """A titled box of the dock that folds."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.setCheckable(True)
        self.setToolTip("Untick to fold this box away")
        self._content = QWidget()
        self.rows = QVBoxLayout(self._content)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self._content)
        self.toggled.connect(self._fold)

    def add(self, *widgets: QWidget, stretch: tuple[int, ...] = ()) -> None:
        """Add a row; `stretch` shares its width out, equally where it is not given."""
        self.rows.addWidget(widgets[0] if len(widgets) == 1 else row(*widgets, stretch=stretch))

    @property
    def name(self) -> str:
        """The title without its number."""
        return self.title().lstrip("0123456789 ")

    def _fold(self, open_: bool) -> None:
        self._content.setVisible(open_)
        # Qt disables what is in an unticked box; hidden is enough, and what it can do stays possible
        self._content.setEnabled(True)
        # at once: otherwise the boxes below stay where they are until something else moves them
        self.updateGeometry()


def remember_folds(panels: Sequence[Panel]) -> None:
    """Fold the boxes that were folded last time, and keep what is folded from now on."""
    folded = str(setting("folded")).split(",")
    for panel in panels:
        panel.setChecked(panel.name not in folded)

    def keep() -> None:
        remember("folded", ",".join(panel.name for panel in panels if not panel.isChecked()))

    for panel in panels:
        panel.toggled.connect(lambda checked: keep())
