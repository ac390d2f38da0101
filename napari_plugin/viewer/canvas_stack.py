"""Small canvases beside the main one, one above the other, in a dock that says when the user has closed it."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

LETTER_SIZE = 10
"""Of the letters and titles in a small canvas, in points."""


class CanvasStack(QWidget):
    """Canvases with a `ViewerModel` each, whose layers share the arrays of the main viewer's."""

    closed = Signal()
    """The user has closed them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._docked = False
        self.models = [ViewerModel() for _ in range(count)]
        self.canvases: list[QtViewer] = [QtViewer(model) for model in self.models]
        splitter = QSplitter(Qt.Orientation.Vertical)
        for canvas in self.canvases:
            canvas.dims.setVisible(False)
            canvas.setMinimumSize(180, 140)
            splitter.addWidget(canvas)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)

    def event(self, event: QEvent) -> bool:
        """napari takes a closed dock's widget out of its window without closing it."""
        if event.type() == QEvent.Type.ParentChange:
            if self._docked and self.parent() is None:
                self.closed.emit()
            self._docked = self.parent() is not None
        return bool(super().event(event))
