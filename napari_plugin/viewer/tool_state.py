"""The one active tool: a prompt tool, napari's brush, eraser or fill on the segmentation, or none (no Qt).

Whoever takes a tool puts the one before away, whether by the dock, by napari's own buttons and keys, or on another
layer: one click never does two things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from monai_unet.interaction import PromptKind
from napari_plugin.viewer.layers import bring_to_sight
from napari_plugin.viewer.tools import TOOLS, PromptTool

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer
    from napari.utils.events import Event

    from napari_plugin.viewer.events import MouseEvent

Tool = Literal["pan", PromptKind, "brush", "eraser", "fill", "other"]
"""The active tool; "pan" is none, "other" a tool of napari's that the dock does not have."""

_MODES: dict[Tool, str] = {"brush": "paint", "eraser": "erase", "fill": "fill"}
_PAN = "pan_zoom"
_LEAST_MM = 0.1


class ToolState:
    """Owns which tool is active, and how large the brush is.

    Attributes:
        name: the tool.
        brush_mm: diameter of brush and eraser.
        ball: whether they reach into the slices beside the shown one.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        prompts: PromptTool,
        labels: Callable[[], Labels | None],
        *,
        say: Callable[[str], None],
        brush_mm: float = 5.0,
    ) -> None:
        """Args: `labels` gives the layer that is painted, None where no case is open; `say` tells the user."""
        self.viewer, self.prompts, self._labels, self._say = viewer, prompts, labels, say
        self.name: Tool = "pan"
        self.brush_mm, self.ball = brush_mm, False
        self._quiet = False
        self._heard: list[Callable[[], None]] = []
        self._watched: list[Layer] = []
        for layer in viewer.layers:
            self._watch(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.order.connect(self._size_brush)
        # before napari hands the press to the selected layer, which may be another one by now
        viewer.mouse_drag_callbacks.insert(0, self._on_press)

    def release(self) -> None:
        """Let go of the viewer."""
        self.take("pan")
        for layer in list(self._watched):
            self._unwatch(layer)
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.dims.events.order.disconnect(self._size_brush)
        if self._on_press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_press)

    def on_change(self, hear: Callable[[], None]) -> None:
        """Call `hear` whenever tool or brush have changed."""
        self._heard.append(hear)

    @property
    def paints(self) -> bool:
        """Whether the segmentation is painted with the active tool."""
        return self.name in _MODES

    def take(self, name: Tool) -> None:
        """Make a tool the active one; the one before is put away, on whichever layer it was."""
        labels = self._labels()
        if name != "pan" and labels is None:
            self._say("Open an image first.")
            name = "pan"
        elif name != "pan" and self.viewer.dims.ndisplay != 2:
            self._say("Lesions are marked in slices: 8, 9 or 0 brings them back.")
            name = "pan"
        self._quiet = True
        try:
            for layer in self._watched:
                if str(layer.mode) != _PAN and not (layer is labels and name in _MODES):
                    layer.mode = _PAN
            self.prompts.choose(cast("PromptKind", name) if name in TOOLS else None)
            if labels is not None and name in _MODES:
                bring_to_sight(labels)
                self.viewer.layers.selection.active = labels
                labels.mode = _MODES[name]
        finally:
            self._quiet = False
        self._now(name)
        self._size_brush()

    def set_brush(self, mm: float, *, ball: bool | None = None) -> None:
        """How large brush and eraser are, mm across; a ball reaches into the slices beside."""
        self.brush_mm = max(_LEAST_MM, mm)
        self.ball = self.ball if ball is None else ball
        self._size_brush()
        self._tell()

    def step_brush(self, steps: int) -> None:
        """Make the brush larger (1) or smaller (-1) by two voxels, the least that napari can."""
        self.set_brush(self.brush_mm + 2 * steps * self._voxel_mm())

    def follow_session(self) -> None:
        """Another case is open: no tool is active, so that a click to look marks nothing, and prompts include."""
        self.prompts.positive = True
        self.take("pan")

    def _voxel_mm(self) -> float:
        """The finest voxel edge that the brush goes over: napari counts its size in them."""
        labels = self._labels()
        if labels is None:
            return 1.0
        axes = range(labels.ndim) if self.ball else self.viewer.dims.order[-2:]
        return float(min(labels.scale[axis] for axis in axes if axis < labels.ndim))

    def _size_brush(self, event: Event | None = None) -> None:
        labels = self._labels()
        if labels is None:
            return
        quiet, self._quiet = self._quiet, True
        try:
            labels.n_edit_dimensions = labels.ndim if self.ball else 2
            # napari's brush is an odd number of voxels wide
            labels.brush_size = 2 * int(self.brush_mm / self._voxel_mm() / 2) + 1
        finally:
            self._quiet = quiet

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        if event.value in self._watched:
            self._unwatch(event.value)

    def _watch(self, layer: Layer) -> None:
        if hasattr(layer.events, "mode"):
            layer.events.mode.connect(self._on_mode)
            self._watched.append(layer)
        if hasattr(layer.events, "brush_size"):
            layer.events.brush_size.connect(self._on_brush)

    def _unwatch(self, layer: Layer) -> None:
        self._watched.remove(layer)
        layer.events.mode.disconnect(self._on_mode)
        if hasattr(layer.events, "brush_size"):
            layer.events.brush_size.disconnect(self._on_brush)

    def _on_mode(self, event: Event) -> None:
        """napari's own buttons and keys have taken or put away a tool of a layer."""
        if self._quiet:
            return
        layer, labels = event.source, self._labels()
        mode = str(layer.mode)
        if mode == _PAN:
            if self.paints or self.name == "other":
                self._now("pan")
            return
        self._quiet = True
        try:
            self.prompts.choose(None)
            for other in self._watched:
                if other is not layer and str(other.mode) != _PAN:
                    other.mode = _PAN
        finally:
            self._quiet = False
        own = [name for name, of_napari in _MODES.items() if of_napari == mode] if layer is labels else []
        self._now(own[0] if own else "other")

    def _on_brush(self, event: Event) -> None:
        labels = self._labels()
        if not self._quiet and labels is not None and event.source is labels:
            self.brush_mm = labels.brush_size * self._voxel_mm()
            self._tell()

    def _on_press(self, viewer: ViewerModel, event: MouseEvent) -> None:
        labels = self._labels()
        if self.paints and labels is not None and viewer.layers.selection.active is not labels:
            viewer.layers.selection.active = labels

    def _now(self, name: Tool) -> None:
        if name != self.name:
            self.name = name
            self._tell()

    def _tell(self) -> None:
        for hear in self._heard:
            hear()
