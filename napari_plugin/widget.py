"""The dock: panels in reading order, one status line, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from monai_unet.io.results import RESEARCH_USE
from napari_plugin.controller import ERROR, WARNING, Controller
from napari_plugin.panels.case import CasePanel
from napari_plugin.panels.layout import sentence
from napari_plugin.readout import Readout
from napari_plugin.settings import setting
from napari_plugin.shortcuts import bind
from napari_plugin.tools import PromptTool
from napari_plugin.windows import AUTOMATIC, CT_WINDOWS

if TYPE_CHECKING:
    import napari

    from napari_plugin.planes import SidePlanes

WIDTH = 300
SIDE_WIDTH = 280
_DOCKS: WeakSet[Any] = WeakSet()
_COLORS = {WARNING: "#e69f00", ERROR: "#ff6b5e"}


class Dock(QWidget):
    """The plugin's dock widget; one for each viewer."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.planes: SidePlanes | None = None
        self.controller = Controller(napari_viewer, self)
        self.tool = PromptTool(self._grid, lambda prompt: None)
        self.tool.attach(napari_viewer)
        self.case = CasePanel(self.controller, self.toggle_planes)
        self.position_line = QLabel()
        self.readout = Readout(self.controller, self.position_line.setText)
        self.readout.attach(napari_viewer)
        self.status = sentence("Ready.")
        self.status.setAccessibleName("Status")
        self.progress = QProgressBar()
        self.progress.setMaximumHeight(10)
        self.progress.setTextVisible(False)
        self._lay_out()
        self.controller.said.connect(self._say)
        self.controller.progressed.connect(self._show_progress)
        self.controller.reference_changed.connect(self._on_reference)
        self._shortcuts = bind(self, self._actions())
        self.setAcceptDrops(True)
        _DOCKS.add(self)
        self._on_reference()

    def _lay_out(self) -> None:
        column = QWidget()
        rows = QVBoxLayout(column)
        rows.setContentsMargins(4, 4, 4, 4)
        for panel in (self.case,):
            rows.addWidget(panel)
        rows.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(scroll, 1)
        for widget in (self.position_line, self.progress, self.status, sentence(f"{RESEARCH_USE}.")):
            layout.addWidget(widget)
        self.setMinimumWidth(WIDTH)

    def _actions(self) -> dict[str, Any]:
        actions: dict[str, Any] = {name: made.click for name, made in self.case.plane_buttons.items()}
        actions["planes"] = self.case.planes_button.click
        for name in (AUTOMATIC, *CT_WINDOWS):
            actions[f"window {name}"] = lambda name=name: self.case.set_window(name)
        return actions

    def toggle_planes(self) -> None:
        """Open or close the two other planes."""
        if self.planes is not None:
            self.planes.close_planes()
            self.viewer.window.remove_dock_widget(self.planes)
            self.planes = None
        else:
            from napari_plugin.planes import SidePlanes

            self.planes = SidePlanes(self.viewer, self.tool)
            for model in self.planes.models:
                self.readout.attach(model)
            holder = self.viewer.window.add_dock_widget(self.planes, area="right", name="Other planes", tabify=False)
            self._put_beside(holder)
        self.case.planes_button.setChecked(self.planes is not None)

    def _put_beside(self, holder: QDockWidget) -> None:
        """A column of its own between the main canvas and this dock."""
        window, own = self.window(), self.parent()
        while own is not None and not isinstance(own, QDockWidget):
            own = own.parent()
        if isinstance(window, QMainWindow) and own is not None and not own.isFloating():
            window.splitDockWidget(holder, own, Qt.Orientation.Horizontal)
            window.resizeDocks([holder, own], [SIDE_WIDTH, WIDTH], Qt.Orientation.Horizontal)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.controller.open_paths([url.toLocalFile() for url in event.mimeData().urls()])

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Stop what runs and let go of the viewer."""
        self.controller.close()
        self.readout.detach()
        self.tool.detach()
        self.case.release()
        _DOCKS.discard(self)
        super().closeEvent(event)

    def _grid(self) -> Any:
        reference = self.controller.reference
        return None if reference is None else reference.grid

    def _on_reference(self) -> None:
        if self.controller.reference is not None and self.planes is None and setting("three_planes"):
            self.toggle_planes()

    def _say(self, text: str, kind: str) -> None:
        self.status.setText(text)
        self.status.setStyleSheet(f"color: {_COLORS[kind]}" if kind in _COLORS else "")

    def _show_progress(self, done: int, total: int) -> None:
        # (0, -1) means that nothing runs
        self.progress.setRange(0, max(total, 0) if total >= 0 else 1)
        self.progress.setValue(done)
        self.progress.setVisible(total >= 0)


def dock_of(viewer: Any) -> Dock | None:
    """The open dock of a viewer, if there is one."""
    return next((dock for dock in _DOCKS if viewer is not None and _same(dock.viewer, viewer)), None)


def _same(one: Any, other: Any) -> bool:
    # plugins get viewers wrapped in a proxy
    return getattr(one, "__wrapped__", one) is getattr(other, "__wrapped__", other)
