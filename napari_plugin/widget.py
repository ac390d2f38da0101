"""The dock: panels in reading order, one status line, the keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import (
    QMainWindow,
    QVBoxLayout,
    QWidget,
)

from monai_unet.geometry import Box, Grid
from monai_unet.interaction import Prompt
from monai_unet.io import RESEARCH_USE, plain
from napari_plugin.actions import actions_of
from napari_plugin.case import ERROR, WARNING, Controller, Editing, region_of
from napari_plugin.host_window import HostWindow
from napari_plugin.panels import (
    CasePanel,
    EditPanel,
    FindingsPanel,
    LearnPanel,
    ModelPanel,
    RecoveryPanel,
    RefinePanel,
    SavePanel,
    Tabs,
    default_answerer,
    default_method,
    sentence,
    tip,
)
from napari_plugin.progress import ProgressBar
from napari_plugin.questions import ask_layers, ask_unsaved
from napari_plugin.settings import remember, setting
from napari_plugin.shortcuts import bind, key_of
from napari_plugin.viewer import (
    CaseView,
    LabelPick,
    PromptTool,
    Readout,
    SideCanvases,
    ToolState,
    WindowDrag,
    clicks_land_true,
    compile_ahead,
    go_to,
    plane_of,
    shown_image,
)

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel

    from napari_plugin.viewer import MouseEvent, SidePlanes

WIDTH = 320
_CHECKS, _CHECK_MS = 5, 200
_DOCKS: WeakSet[Dock] = WeakSet()
_COLORS = {WARNING: "#e69f00", ERROR: "#ff6b5e"}


class Dock(QWidget):
    """The plugin's dock widget; one for each viewer."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._main_window: QMainWindow | None = None
        self._closed = self._checked = False
        self.host: HostWindow | None = None
        self._failures = 0
        self.viewer = napari_viewer
        self.controller = Controller(napari_viewer, self)
        self.editing = Editing(self.controller, default_answerer, method=default_method())
        self.tool = PromptTool(
            self._grid,
            self._submit,
            drawing=lambda stroke: self.view.show_stroke(stroke),
            series_in=self._series_in,
        )
        self.tool.attach(napari_viewer)
        self.canvases = SideCanvases(napari_viewer, self.tool, self, self._attach_canvas)
        self.window_drag = WindowDrag(self.controller.say)
        self.label_pick = LabelPick(lambda: self.editing.session, self.editing.set_active, self.controller.say)
        self.view = CaseView(
            napari_viewer,
            self.editing,
            opacity=float(setting("opacity")),
            redrawn=self.canvases.refresh,
            later=lambda what: QTimer.singleShot(0, what),
            hold=self.canvases.hold,
            allowed=lambda box: self.edit.allowed(box),
        )
        self.case = CasePanel(self.controller, self.canvases.toggle_planes, self.canvases.toggle_series)
        self.model = ModelPanel(
            self.controller, self.editing, ask_region=self._ask_region, show_uncertainty=self._show_uncertainty
        )
        self.tools = ToolState(
            napari_viewer,
            self.tool,
            lambda: self.view.layers.labels if self.view.layers is not None else None,
            say=self.controller.say,
            brush_mm=float(setting("brush_mm")),
        )
        self.refine = RefinePanel(self.editing, self.tools)
        self.findings = FindingsPanel(
            self.editing,
            go_to=self.view.go_to,
            draw_axes=self.view.show_axes,
            show_surface=lambda value: self.controller.say(self.view.toggle_surfaces()),
            plane_axis=lambda: plane_of(napari_viewer).axis,
        )
        self.edit = EditPanel(
            self.controller,
            self.editing,
            ask_region=self._ask_region,
            selected=self.findings.selected,
            take_label=lambda: self.label_pick.take(self.readout.place),
        )
        self.save = SavePanel(self.editing, self.next_uncertain)
        self.learn = LearnPanel(self.controller, lambda: self.model.chosen, self.model.choose)
        self.position_line = sentence()
        self.readout = Readout(self.controller, self.position_line.setText, self.view.label_at)
        self._attach_canvas(napari_viewer)
        self.controller.reference_changed.connect(self._forget_last)
        self.editing.edited.connect(lambda change: self.readout.refresh())
        self.status = sentence("Open a study, drop it here, or try File > Open Sample.")
        self.status.setAccessibleName("Status")
        self.progress = ProgressBar()
        self.recovery = RecoveryPanel(self.editing)
        self.panels = (self.case, self.model, self.refine, self.edit, self.findings, self.save, self.learn)
        self._lay_out()
        self.controller.said.connect(self._say)
        self.controller.progressed.connect(self.progress.show_step)
        self.editing.session_changed.connect(self._on_session)
        # napari selects an inserted layer only after it has told everyone of it
        self.controller.images_changed.connect(lambda: QTimer.singleShot(0, self.view.select_labels))
        self.controller.images_changed.connect(self.canvases.close_series)
        self.canvases.changed.connect(self._mark_canvases)
        self._shortcuts = bind(self, actions_of(self))
        self.controller.may_replace = self.may_lose_work
        self.controller.may_remove = partial(ask_layers, self)
        self.controller.own_layers = self.view.own_layers
        self.setAcceptDrops(True)
        _DOCKS.add(self)
        compile_ahead()
        self._on_session()
        # what was opened before the dock was there to say so
        self.controller.describe()

    def _attach_canvas(self, viewer: ViewerModel) -> None:
        viewer.mouse_double_click_callbacks.append(self._on_double)
        self.readout.attach(viewer)
        self.window_drag.attach(viewer)
        self.label_pick.attach(viewer)

    def _on_double(self, viewer: ViewerModel, event: MouseEvent) -> None:
        """A double click with the left button and no tool: that canvas alone, and all of them again."""
        if event.button == 1 and self.tools.name == "pan":
            self.canvases.maximise(viewer)

    def _submit(self, prompt: Prompt) -> None:
        """The other planes show where it was marked."""
        reference = self.controller.reference
        if self.planes is not None and reference is not None:
            places = np.rint(prompt.voxels(reference.grid))
            voxel = places.mean(axis=0) if prompt.kind in ("box", "lasso") else places[-1]
            go_to(self.viewer, np.clip(np.rint(voxel), 0, np.array(reference.grid.shape) - 1))
        self.editing.submit(prompt)

    def _make_room(self) -> None:
        """A picture beside the dock: napari's controls take a quarter of the window and more."""
        if self.host is not None:
            self.host.show_controls(self.editing.session is None or bool(setting("layer_controls")))

    def toggle_controls(self) -> None:
        """Bring napari's own list of layers and controls back, or make room for the picture again."""
        if self.host is None:
            return
        shown = not self.host.shows_controls
        self.host.show_controls(shown)
        does = "napari's own controls are shown; {} hides them." if shown else "{} brings napari's own controls back."
        self.controller.say(does.format(key_of("napari")))

    def _lay_out(self) -> None:
        self.case.rows.insertWidget(0, self.recovery)
        self.tabs = Tabs((self.case, self.model, self.refine, self.edit, self.learn), highest=self.refine)
        self.recovery.wanted.connect(lambda: self.tabs.show_panel(self.case))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.tabs)
        # a higher window shows more lesions
        layout.addWidget(self.findings, 1)
        # of one height whatever they say: nothing above them moves under the mouse
        for line, rows_shown in ((self.position_line, 2), (self.status, 3)):
            line.setFixedHeight(rows_shown * line.fontMetrics().lineSpacing() + 2)
            line.setAlignment(Qt.AlignmentFlag.AlignTop)
        for widget in (self.save, self.position_line, self.progress, self.status, sentence(f"{RESEARCH_USE}.")):
            layout.addWidget(widget)
        self.setMinimumWidth(WIDTH)

    def escape(self) -> None:
        """Stop what runs; where nothing runs, put the tool away."""
        if self.controller.jobs.running:
            self.controller.stop()
        else:
            self.refine.take("pan")

    def next_uncertain(self) -> None:
        """Go to the next place where the model is unsure."""
        self.controller.say(self.view.next_uncertain())

    def may_lose_work(self) -> bool:
        """Ask where work is unsaved; what is not saved stays recoverable all the same."""
        if not self.editing.has_unsaved_work:
            return True
        answer = ask_unsaved(self)
        if answer == "save":
            self.save.open_menu()
        return answer == "leave"

    def _forget_last(self) -> None:
        """Nothing of the last patient stays in a line."""
        self.readout.forget()
        self.viewer.status = "Ready"

    @property
    def planes(self) -> SidePlanes | None:
        """The two other planes, where they are open."""
        return self.canvases.planes

    def _mark_canvases(self) -> None:
        self.case.planes_button.setChecked(self.canvases.planes is not None)
        self.case.side_by_side.setChecked(self.canvases.series is not None)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.controller.open_paths([url.toLocalFile() for url in event.mimeData().urls()])

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow) and self._main_window is not window:
            self._main_window = window
            self.host = HostWindow(
                self.viewer,
                window,
                unsaved=lambda: self.editing.has_unsaved_work,
                may_close=self.may_lose_work,
                closed=lambda: self.release(window_goes=True),
                opened=self.controller.open_paths,
            )
            self._make_room()
            # those of a dock that floats would be heard only while it has the focus
            for shortcut in self._shortcuts:
                shortcut.setParent(window)
        QTimer.singleShot(0, self._check_clicks)

    def _check_clicks(self) -> None:
        """Once, as soon as the canvas is seen: a napari in which clicks do not land where they are seen is not used."""
        if self._checked or self._closed:
            return
        true = clicks_land_true(self.viewer)
        # a canvas that has not been drawn yet has another scale than its camera says
        self._failures = 0 if true is None else self._failures + 1
        self._checked = bool(true) or self._failures >= _CHECKS
        if not self._checked:
            QTimer.singleShot(_CHECK_MS, self._check_clicks)
        elif not true:
            import napari

            self.setAcceptDrops(False)
            self.tool.detach()
            for part in (self.recovery, *self.panels, *self._shortcuts):
                part.setEnabled(False)
            self.controller.fail(
                f"In this napari ({napari.__version__}) clicks do not land where they are seen, so nothing can be "
                "segmented safely; install a napari that monai-unet names (pip install 'monai-unet[napari]')."
            )

    def event(self, event: QEvent) -> bool:
        """napari takes a closed dock's widget out of its window without closing it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._main_window is not None:
            self.release()
        return bool(super().event(event))

    def release(self, *, window_goes: bool = False) -> None:
        """Stop what runs and let go of the viewer; what is not saved stays recoverable."""
        if self._closed:
            return
        self._closed = True
        _DOCKS.discard(self)
        self.findings.release()
        self.learn.release()
        remember("brush_mm", self.tools.brush_mm)
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        if self.host is not None:
            self.host.release(window_goes=window_goes)
        self.controller.close()
        self.editing.close()
        if window_goes:
            return
        doubles = self.viewer.mouse_double_click_callbacks
        doubles[:] = [heard for heard in doubles if heard != self._on_double]
        self.readout.detach()
        self.window_drag.detach()
        self.label_pick.detach()
        self.tools.release()
        self.tool.detach()
        self.case.release()
        self.canvases.close()
        self.view.close()

    def _grid(self) -> Grid | None:
        reference = self.controller.reference
        return None if reference is None else reference.grid

    def _series_in(self, viewer: ViewerModel) -> str | None:
        if viewer.dims.ndim != 3:
            self.controller.say(
                f"A layer of {viewer.dims.ndim} dimensions lies over the case; remove it first.", WARNING
            )
            return None
        image = shown_image(viewer)
        if image is None or not any(image is known for known in self.controller.images):
            self.controller.say("No series is seen here, so that none can answer; show one, then mark again.", WARNING)
            return None
        return image.key

    def _ask_region(self, use: Callable[[Box], None]) -> None:
        """The next box drawn is a region for the model, not a prompt."""

        def take(corners_mm: NDArray[np.float64]) -> None:
            self.refine.choose(None)
            reference = self.controller.reference
            if reference is not None:
                index = np.ptp(reference.grid.to_index(corners_mm), axis=0)
                use(region_of(corners_mm, int(np.argmin(index)), reference.grid))

        self.refine.choose("box")
        self.tool.region = take

    def _show_uncertainty(self, uncertainty: NDArray[np.floating] | None) -> None:
        self.view.show_uncertainty(uncertainty)
        self.save.uncertain.setVisible(self.view.has_uncertainty)

    def _on_session(self) -> None:
        session = self.editing.session
        self.tools.follow_session()
        self.refine.show_tool()
        self.save.uncertain.setVisible(False)
        self._make_room()
        if session is not None and self.planes is None and setting("three_planes"):
            self.canvases.toggle_planes()

    def _say(self, text: str, kind: str) -> None:
        self.status.setText(plain(text, lines=True))
        self.status.setToolTip(tip(text))
        self.status.setStyleSheet(f"color: {_COLORS[kind]}" if kind in _COLORS else "")


def dock_of(viewer: napari.Viewer | None) -> Dock | None:
    """The open dock of a viewer, if there is one."""
    return next((dock for dock in _DOCKS if viewer is not None and _same(dock.viewer, viewer)), None)


def _same(one: napari.Viewer, other: napari.Viewer) -> bool:
    # plugins get viewers wrapped in a proxy
    return getattr(one, "__wrapped__", one) is getattr(other, "__wrapped__", other)
