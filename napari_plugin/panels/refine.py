"""Refine: prompts that are answered, the candidate, napari's brush, undo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QListWidget, QListWidgetItem, QPushButton

from monai_unet.interaction import Answerer, Prompt, PromptKind
from monai_unet.interaction.answering import CLASSICAL, build_answerer
from monai_unet.io import plain
from napari_plugin.case import Editing
from napari_plugin.panels.icons import swatch
from napari_plugin.panels.layout import NumberBox, Panel, button, tip
from napari_plugin.panels.server import ServerPicker
from napari_plugin.settings import remember, setting
from napari_plugin.viewer import EXCLUDE, INCLUDE, TOOLS, Tool, ToolState

_TIPS = {
    "point": "Click into the lesion; Shift+click on what does not belong to it",
    "scribble": "Draw a line through the lesion; with Shift through what does not belong to it",
    "box": "Drag a box around the lesion in this slice",
    "lasso": "Draw around the lesion in this slice",
    "pan": "No tool: a drag moves the picture, a click marks nothing (Esc)",
    "brush": "Paint the lesion",
    "eraser": "Erase what is painted",
    "fill": "Fill the connected area under a click",
}
_NAMES = {"pan": "Pan  Esc"}
_NUMBER = Qt.ItemDataRole.UserRole
_SERVER = "server…"


class RefinePanel(Panel):
    """Tools, the prompts given, accept and drop, undo and redo."""

    def __init__(self, editing: Editing, state: ToolState) -> None:
        super().__init__("Refine")
        self.editing, self.state, self.tool = editing, state, state.prompts
        self.include = button("+ Include", "What I mark belongs to it", lambda: self.set_sign(True), checkable=True)
        self.exclude = button("− Exclude", "What I mark does not", lambda: self.set_sign(False), checkable=True)
        for made in (self.include, self.exclude):
            made.setText(f"{made.text()}  Q")
            made.setToolTip(f"{made.toolTip()}; Q changes it, Shift changes it for one stroke")
        tools: tuple[Tool, ...] = (*TOOLS, "pan", "brush", "eraser", "fill")
        self.tools = {
            kind: button(
                _NAMES.get(kind, kind.capitalize()), _TIPS[kind], partial(self.take, kind), name=kind, checkable=True
            )
            for kind in tools
        }
        self.brush_size = NumberBox()
        self.brush_size.setRange(0.1, 100.0)
        self.brush_size.setDecimals(1)
        self.brush_size.setSuffix(" mm")
        self.brush_size.setToolTip("Diameter of brush and eraser; [ and ] change it")
        self.brush_size.setAccessibleName("Brush size")
        self.brush_size.valueChanged.connect(lambda mm: state.set_brush(mm))
        self.ball = QCheckBox("Ball")
        self.ball.setToolTip("Brush and eraser are a ball, which reaches into the slices beside, and not a disc")
        self.ball.toggled.connect(lambda ball: state.set_brush(state.brush_mm, ball=ball))
        self.method = QComboBox()
        self.method.setToolTip("What answers the prompts")
        for name, title in _methods():
            self.method.addItem(title, name)
        self.method.activated.connect(lambda index: self._on_method())
        self.method.addItem("Server…", _SERVER)
        self._answerers: dict[str, Callable[[], Answerer]] = {}
        self.server = ServerPicker(editing.controller, self._use_server)
        self.at_once = QCheckBox("Answer after each prompt")
        self.at_once.setToolTip("Otherwise prompts wait, several of them, until Answer is pressed")
        self.at_once.setChecked(bool(setting("run_after_prompt")))
        self.at_once.toggled.connect(self._on_at_once)
        self.answer = button("Answer", "Answer the prompts that wait", editing.answer_waiting)
        self.list = QListWidget()
        self.list.setFixedHeight(44)
        self.list.setToolTip("The prompts of this lesion; select one and remove it: the others are answered again")
        self.remove = button("Remove", "Remove the selected prompt and answer the others again", self._remove)
        self.accept = button("Accept", "Take the outline into the segmentation", editing.accept, name="accept")
        self.drop = button("Drop", "Forget the outline and its prompts", editing.drop, name="drop")
        self.undo = button("Undo", "Take the last step back", editing.undo, name="undo")
        self.redo = button("Redo", "Make it again", editing.redo, name="redo")
        self.add(self.include, self.exclude)
        self.add(self.tools["point"], self.tools["scribble"], self.tools["box"], stretch=(4, 5, 4))
        self.add(self.tools["lasso"], self.tools["brush"], self.tools["eraser"], stretch=(4, 4, 5))
        self.add(self.tools["fill"], self.tools["pan"], self.brush_size, self.ball, stretch=(3, 4, 5, 3))
        self.add(self.method)
        self.add(self.server)
        self.add(self.at_once, self.answer)
        self.add(self.list, self.remove, stretch=(3, 2))
        self.add(self.accept, self.drop)
        self.add(self.undo, self.redo, stretch=(2, 3))
        editing.session_changed.connect(self.refresh)
        editing.edited.connect(lambda change: self.refresh())
        editing.active_changed.connect(lambda value: self.refresh())
        editing.waiting_changed.connect(lambda count: self.answer.setEnabled(count > 0 and not editing.answer_at_once))
        self._on_at_once(self.at_once.isChecked())
        state.on_change(self.show_tool)
        self.show_tool()
        self.refresh()

    def choose(self, kind: PromptKind | None) -> None:
        """Make a prompt tool the active one, or none."""
        self.take(kind or "pan")

    def take(self, name: Tool) -> None:
        """Make a tool the active one; taken again it stays, Esc puts it away."""
        self.state.take(name)
        self.show_tool()

    def show_tool(self) -> None:
        """Which tool is active, how large the brush is, and whether prompts include."""
        for name, made in self.tools.items():
            made.setChecked(name == self.state.name)
        for widget, value in ((self.brush_size, self.state.brush_mm), (self.ball, self.state.ball)):
            widget.blockSignals(True)
            widget.setChecked(bool(value)) if isinstance(widget, QCheckBox) else widget.setValue(float(value))
            widget.blockSignals(False)
        self.set_sign(self.tool.positive)

    def set_sign(self, positive: bool) -> None:
        """Whether prompts include or exclude."""
        self.tool.positive = positive
        self.include.setChecked(positive)
        self.exclude.setChecked(not positive)

    def toggle_sign(self) -> None:
        """From include to exclude and back."""
        self.set_sign(not self.tool.positive)

    def refresh(self) -> None:
        """Show the prompts of the active object, and which buttons make sense."""
        session = self.editing.session
        prompts = session.prompts(self.editing.active) if session is not None and self.editing.active else ()
        self.list.clear()
        for number, prompt in enumerate(prompts, start=1):
            self.list.addItem(_item(number, prompt))
        # never hidden: what lies below would move under the mouse
        self.remove.setEnabled(bool(prompts))
        open_candidate = session is not None and session.candidate is not None
        self.accept.setEnabled(open_candidate)
        self.drop.setEnabled(open_candidate)
        self._name_step(self.undo, "Undo", session.undo_text if session is not None else "")
        self._name_step(self.redo, "Redo", session.redo_text if session is not None else "")

    def _name_step(self, made: QPushButton, verb: str, step: str) -> None:
        made.setEnabled(bool(step))
        made.setToolTip(tip(f"{verb} {step}") if step else f"Nothing to {verb.lower()}")

    def _on_method(self) -> None:
        name = self.method.currentData()
        self.server.setVisible(name == _SERVER)
        if name == _SERVER:  # until the user has agreed, the former method answers
            self.method.setCurrentIndex(max(0, self.method.findData(self.editing.method)))
            self.server.address.setFocus()
            return
        self.editing.set_answerer(self._answerers.get(name, lambda: build_answerer(name)), name)

    def _use_server(self, build: Callable[[], Answerer], address: str) -> None:
        self._answerers[address] = build
        if self.method.findData(address) < 0:
            self.method.insertItem(self.method.count() - 1, plain(f"Server: {address}"), address)
        self.method.setCurrentIndex(self.method.findData(address))
        self._on_method()

    def _on_at_once(self, checked: bool) -> None:
        self.editing.answer_at_once = checked
        self.answer.setEnabled(False)
        remember("run_after_prompt", checked)
        if checked:
            self.editing.answer_waiting()

    def _remove(self) -> None:
        item = self.list.currentItem() or (self.list.item(self.list.count() - 1) if self.list.count() else None)
        if item is not None:
            self.editing.remove_prompt(int(item.data(_NUMBER)))


def default_answerer() -> Answerer:
    """What answers where the user has not chosen: the network where it is there, else the classical method."""
    return build_answerer(default_method())


def default_method() -> str:
    """Its name."""
    return _methods()[0][0]


def _methods() -> list[tuple[str, str]]:
    """(name, title) of what can answer prompts, the best first."""
    from napari_plugin.case import editor_bundles

    networks = [(bundle.name, f"Network: {bundle.name}") for bundle in editor_bundles()]
    return [*networks, (CLASSICAL, "Classical (no network)")]


def _item(number: int, prompt: Prompt) -> QListWidgetItem:
    from qtpy.QtGui import QColor

    color = QColor(INCLUDE if prompt.positive else EXCLUDE)
    # a swatch: coloured letters are pale in one theme or the other
    sign = "+" if prompt.positive else "−"
    item = QListWidgetItem(swatch((color.red(), color.green(), color.blue())), f"{number}  {sign}  {prompt.kind}")
    item.setData(_NUMBER, prompt.number)
    return item
