"""The canvases beside the main one, as docks of its window: the two other planes, the other series."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_plugin.viewer.hanging import plane_of, show_plane

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_plugin.viewer.canvas_stack import CanvasStack
    from napari_plugin.viewer.planes import SidePlanes
    from napari_plugin.viewer.series_views import SeriesViews
    from napari_plugin.viewer.tools import PromptTool

WIDTH = 270
_LAID_OUT_MS = 200
_SHARE = 0.17
"""Of the window, at most: the main picture needs the room."""


class SideCanvases(QObject):
    """Opens and closes them; what a change has touched is drawn in those that are open."""

    changed = Signal()
    """One was opened or closed, by whomever."""

    def __init__(
        self, viewer: napari.Viewer, tool: PromptTool, beside: QWidget, attach: Callable[[ViewerModel], None]
    ) -> None:
        """Args: they go to the left of the dock of `beside`; `attach` gets the model of each new canvas."""
        super().__init__(beside)
        self.viewer, self.tool, self._beside, self._attach = viewer, tool, beside, attach
        self.planes: SidePlanes | None = None
        self.series: SeriesViews | None = None
        self._holder: QDockWidget | None = None
        # plane of the large canvas and widths of small canvases and dock, while one canvas is alone
        self._before: tuple[str, list[int]] | None = None

    def toggle_planes(self) -> None:
        """Open or close the two other planes."""
        if self.planes is not None:
            planes = self.planes
            self.forget_planes()
            self.viewer.window.remove_dock_widget(planes)
        else:
            from napari_plugin.viewer.planes import SidePlanes

            # both beside each other would leave the main canvas no room
            self.close_series()

            self.planes = SidePlanes(self.viewer, self.tool)
            self.planes.closed.connect(self.forget_planes)
            self._show(self.planes, "Other planes")
        self.changed.emit()

    def toggle_series(self) -> None:
        """Show each ticked series in a canvas of its own, or all in the main canvas again."""
        if self.series is not None:
            series = self.series
            self.forget_series()
            self.viewer.window.remove_dock_widget(series)
        else:
            from napari_plugin.viewer.series_views import SeriesViews

            if self.planes is not None:
                self.toggle_planes()

            self.series = SeriesViews(self.viewer, self.tool)
            self.series.closed.connect(self.forget_series)
            self._show(self.series, "Other series")
        self.changed.emit()

    def forget_planes(self) -> None:
        """Let go of the planes' canvases."""
        if self.planes is not None:
            planes, self.planes, self._before = self.planes, None, None
            planes.close_planes()
            keep_width(self._beside)
            self.changed.emit()

    def forget_series(self) -> None:
        """Let go of the series' canvases."""
        if self.series is not None:
            series, self.series = self.series, None
            series.close_views()
            keep_width(self._beside)
            self.changed.emit()

    def maximise(self, viewer: ViewerModel) -> None:
        """Show one canvas alone, the plane of a small one in the large one; once more: all as they were."""
        planes = self.planes
        if planes is None or self._holder is None or self.viewer.dims.ndisplay != 2:
            return
        if self._before is not None:
            (plane, widths), self._before = self._before, None
            self._holder.setVisible(True)
            show_plane(self.viewer, plane)
            put_beside(self._holder, self._beside, widths)
            return
        self._before = plane_of(self.viewer).name, [self._holder.width(), self._beside.width()]
        keep_width(self._beside)
        self._holder.setVisible(False)
        if viewer in planes.models:
            show_plane(self.viewer, plane_of(viewer).name)

    def refresh(self, layer: Labels) -> None:
        """Draw a label layer of the main viewer anew where its array has changed."""
        for shown in (self.planes, self.series):
            if shown is not None:
                shown.refresh(layer)

    def hold(self, holds: bool) -> None:
        """Keep showing the other planes while the main canvas shows 3D."""
        if self.planes is not None:
            self.planes.hold(holds)

    def close_series(self) -> None:
        """Close the series' canvases where they are open: what they show has changed."""
        if self.series is not None:
            self.toggle_series()

    def close(self) -> None:
        """Close all."""
        self.close_series()
        if self.planes is not None:
            self.toggle_planes()

    def _show(self, widget: CanvasStack, name: str) -> None:
        for model in widget.models:
            self._attach(model)
        holder = self.viewer.window.add_dock_widget(widget, area="right", name=name, tabify=False)
        # a plugin's viewer hands out proxies, which Qt does not take
        self._holder = getattr(holder, "__wrapped__", holder)
        self._share_out()

    def _share_out(self) -> None:
        width = min(WIDTH, round(_SHARE * self._beside.window().width()))
        if self._holder is not None:
            put_beside(self._holder, self._beside, [width, self._beside.minimumWidth()])


def put_beside(holder: QDockWidget, widget: QWidget, widths: list[int]) -> None:
    """Give a dock widget a column of its own, left of the dock that holds `widget`; widths in pixels of both."""
    window, own = widget.window(), _dock_of(widget)
    if isinstance(window, QMainWindow) and own is not None:
        window.splitDockWidget(holder, own, Qt.Orientation.Horizontal)
        # once the window has laid out the new dock: before, Qt gives it the least width it can have
        QTimer.singleShot(0, lambda: window.resizeDocks([holder, own], widths, Qt.Orientation.Horizontal))


def keep_width(widget: QWidget) -> None:
    """The dock that holds `widget` stays as wide as it is when the one beside it goes; the canvas takes the room."""
    window, own = widget.window(), _dock_of(widget)
    if isinstance(window, QMainWindow) and own is not None:
        width = own.width()
        # at once, and again when a busy machine has laid the window out at last
        for later in (0, _LAID_OUT_MS):
            QTimer.singleShot(later, lambda: window.resizeDocks([own], [width], Qt.Orientation.Horizontal))


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """The dock in which a widget lies, None where it floats or there is none."""
    own = widget.parent()
    while own is not None and not isinstance(own, QDockWidget):
        own = own.parent()
    return own if own is not None and not own.isFloating() else None
