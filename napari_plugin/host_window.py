"""napari's window around the dock: when it closes, what is dropped on its canvas, and its own controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_plugin.volume_paths import may_hold_volume

if TYPE_CHECKING:
    import napari

_CONTROLS, _LIST = "layer controls", "layer list"


class HostWindow(QObject):
    """Listens to the window while the dock is open in it."""

    def __init__(
        self,
        viewer: napari.Viewer,
        window: QMainWindow,
        *,
        unsaved: Callable[[], bool],
        may_close: Callable[[], bool],
        closed: Callable[[], None],
        opened: Callable[[Sequence[str]], None],
    ) -> None:
        """Listen from now on.

        Args:
            unsaved: whether there is something to ask about before the window goes.
            may_close: asks.
            closed: hears that the window went.
            opened: gets paths that were dropped on the canvas.
        """
        super().__init__(window)
        self._window, self._unsaved, self._may_close = window, unsaved, may_close
        self._closed, self._opened = closed, opened
        self._closing = self._agreed = False
        # a plugin's viewer is a proxy that hides the canvas
        self._canvas: QWidget = getattr(viewer, "__wrapped__", viewer).window._qt_viewer
        window.installEventFilter(self)
        self._canvas.installEventFilter(self)

    def release(self, *, window_goes: bool = False) -> None:
        """Stop listening; a window that stays gets its controls back."""
        self._window.removeEventFilter(self)
        self._canvas.removeEventFilter(self)
        if not window_goes:
            self.show_controls(True)
            self.deleteLater()

    @property
    def shows_controls(self) -> bool:
        """Whether any of napari's own controls are seen."""
        docks = self._window.findChildren(QDockWidget)
        return any(holder.isVisible() for holder in docks if holder.objectName() in (_CONTROLS, _LIST))

    def show_controls(self, shown: bool) -> None:
        """napari's list of layers and the controls of one; what a case needs of them has a place in the dock."""
        for holder in self._window.findChildren(QDockWidget):
            if holder.objectName() in (_CONTROLS, _LIST):
                holder.setVisible(shown)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Unsaved work is asked about before the window closes; once it is gone, what runs is stopped."""
        if watched is self._window and event.type() == QEvent.Type.Close and not self._agreed:
            asks = self._unsaved()
            self._closing = self._may_close()
            # napari asks whoever closes its window by hand; once is enough
            self._agreed = self._closing and asks and event.spontaneous()
            if self._agreed:
                QTimer.singleShot(0, self._window.close)
            if self._agreed or not self._closing:
                event.ignore()
                return True
        # a window that is only made small is hidden too, by the system
        elif watched is self._window and event.type() == QEvent.Type.Hide:
            if self._closing and not event.spontaneous():
                self._closed()
        elif watched is self._canvas and event.type() == QEvent.Type.Drop and isinstance(event, QDropEvent):
            paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
            # napari would ask for the reader each time
            if paths and all(may_hold_volume(Path(path)) for path in paths):
                event.acceptProposedAction()
                QTimer.singleShot(0, lambda: self._opened(paths))
                return True
        return bool(super().eventFilter(watched, event))
