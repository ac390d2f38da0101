"""The two other planes beside the main canvas: they navigate, show, and take prompts; painting is for the main canvas.

Each is a `ViewerModel` of its own whose layers share the arrays of the main one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import QTimer

from monai_unet.geometry import PLANES
from napari_plugin.viewer.canvas_stack import LETTER_SIZE, CanvasStack
from napari_plugin.viewer.hanging import AXES, hang, plane_of, show_plane
from napari_plugin.viewer.mirrors import Mirror

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer
    from napari.utils.events import Event

    from napari_plugin.viewer.events import MouseEvent
    from napari_plugin.viewer.tools import PromptTool

CROSSHAIR = "Crosshair"
_CROSSHAIR_COLOR = "#4fc3f7"
_CROSSHAIR_PIXELS = 1.5
_CLICK_PIXELS = 3


class SidePlanes(CanvasStack):
    """Two small canvases with the planes that the main canvas does not show, linked by a crosshair."""

    def __init__(self, viewer: napari.Viewer, tool: PromptTool) -> None:
        super().__init__(2)
        self.viewer, self.tool = viewer, tool
        self._mirrors: list[dict[Layer, Mirror]] = [{}, {}]
        self._moving = self._due = self._closed = False
        for model in self.models:
            hang(model, letters=LETTER_SIZE)
            model.canvas.overlays.scale_bar.visible = False
            tool.attach(model)
            model.mouse_drag_callbacks.append(self._on_click)
            model.dims.events.current_step.connect(self._on_side_step)
            model.canvas.events.size.connect(self._fitter(model))
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.dims.events.current_step.connect(self._on_main_step)
        viewer.dims.events.order.connect(self._on_order)
        self._follow_layers()

    def close_planes(self) -> None:
        """Let go of the main viewer; call before the widget goes."""
        self._closed = True
        events = self.viewer.layers.events
        events.inserted.disconnect(self._on_layers)
        events.removed.disconnect(self._on_layers)
        self.viewer.dims.events.current_step.disconnect(self._on_main_step)
        self.viewer.dims.events.order.disconnect(self._on_order)
        for model, mirrors in zip(self.models, self._mirrors, strict=True):
            for mirror in mirrors.values():
                mirror.release()
            mirrors.clear()
            model.layers.clear()
        for canvas in self.canvases:
            canvas.close()

    def refresh(self, layer: Layer) -> None:
        """Draw a label layer of the main viewer anew where its array has changed."""
        for mirrors in self._mirrors:
            if layer in mirrors:
                mirrors[layer].redraw()

    def _on_layers(self, event: Event | None = None) -> None:
        """Once for all that changes now: another case takes three layers away and brings three."""
        if not self._due:
            self._due = True
            QTimer.singleShot(0, self._follow_layers)

    def _follow_layers(self) -> None:
        """The same images and label maps as the main viewer, in its order, below the crosshair."""
        self._due = False
        if self._closed:
            return
        # a first layer moves a viewer to its middle slice, which the main viewer must not follow
        self._moving = True
        try:
            self._mirror_layers()
        finally:
            self._moving = False
        self._on_order()

    def _mirror_layers(self) -> None:
        wanted = [layer for layer in self.viewer.layers if isinstance(layer, (Image, Labels)) and layer.ndim == 3]
        for model, mirrors in zip(self.models, self._mirrors, strict=True):
            left = {layer: mirrors.pop(layer) for layer in list(mirrors) if layer not in wanted}
            for layer in wanted:
                if layer in mirrors:
                    continue
                # a layer takes napari long to make and to take away: one that shows nothing any more shows this
                free = next((old for old in left if type(old) is type(layer)), None)
                if free is None:
                    mirrors[layer] = Mirror(layer)
                    model.layers.append(mirrors[layer].layer)
                else:
                    mirrors[layer] = left.pop(free)
                    mirrors[layer].show(layer)
            for mirror in left.values():
                mirror.release()
                model.layers.remove(mirror.layer)
            if mirrors and CROSSHAIR not in model.layers:
                self._add_crosshair(model, wanted[0])
            if mirrors:
                model.layers[CROSSHAIR].scale = _crosshair_scale(wanted[0])
                order = [mirrors[layer].layer for layer in wanted] + [model.layers[CROSSHAIR]]
                for place, layer in enumerate(order):
                    if model.layers.index(layer) != place:
                        model.layers.move(model.layers.index(layer), place)

    def hold(self, holds: bool) -> None:
        """Keep showing what is shown while the main viewer shows 3D."""
        for mirrors in self._mirrors:
            for mirror in mirrors.values():
                mirror.holds = holds

    def _on_order(self, event: Event | None = None) -> None:
        if self.viewer.dims.ndim != 3:
            return
        others = [plane for plane in PLANES.values() if plane.axis != plane_of(self.viewer).axis]
        for model, plane in zip(self.models, others, strict=True):
            if model.dims.ndim == 3 and model.layers:
                show_plane(model, plane.name)
        self._on_main_step()

    def _on_main_step(self, event: Event | None = None) -> None:
        if self._moving or self.viewer.dims.ndim != 3:
            return
        self._moving = True
        try:
            for model in self.models:
                if model.dims.ndim == 3:
                    model.dims.point = self.viewer.dims.point
                    self._draw_crosshair(model)
        finally:
            self._moving = False

    def _on_side_step(self, event: Event) -> None:
        if not self._moving and event.source.ndim == 3 == self.viewer.dims.ndim:
            self.viewer.dims.point = event.source.point

    def _fitter(self, model: ViewerModel) -> Callable[[Event], None]:
        def fit(event: Event | None = None) -> None:
            if model.layers:
                model.reset_view()
                self._draw_crosshair(model)

        return fit

    def _on_click(self, model: ViewerModel, event: MouseEvent) -> Generator[None, None, None]:
        """A click without an active tool moves the crosshair there; a drag pans, as in the main canvas."""
        if self.tool.kind is not None or event.button != 1 or len(event.modifiers):
            return
        start = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.asarray(event.pos) - start).max() <= _CLICK_PIXELS:
            self.viewer.dims.set_point(range(3), list(event.position[-3:]))

    def _add_crosshair(self, model: ViewerModel, image: Image) -> None:
        # as coarse as the image's thickest slice: a finer one would change what napari counts as a step of the slider;
        # the same along each axis, or one line would be thick and the other thin
        model.add_vectors(
            np.zeros((2, 2, 3)),
            name=CROSSHAIR,
            edge_color=_CROSSHAIR_COLOR,
            opacity=0.7,
            vector_style="line",
            scale=_crosshair_scale(image),
            units=("mm",) * 3,
            axis_labels=AXES,
        )

    def _draw_crosshair(self, model: ViewerModel) -> None:
        """Two lines in the shown plane through the present position, from edge to edge of the volume."""
        if CROSSHAIR not in model.layers:
            return
        layer = model.layers[CROSSHAIR]
        here = np.asarray(model.dims.point) / layer.scale
        lines = []
        for axis in model.dims.displayed:
            start, way = here.copy(), np.zeros(3)
            start[axis], way[axis] = 0, model.dims.range[axis].stop / layer.scale[axis]
            lines.append((start, way))
        layer.edge_width = _CROSSHAIR_PIXELS / max(model.scene.camera.zoom * float(np.mean(layer.scale)), 1e-6)
        layer.data = np.array(lines)


def _crosshair_scale(image: Image | Labels) -> tuple[float, float, float]:
    """As coarse as the thickest voxel edge, and the same along each axis."""
    coarsest = float(np.max(image.scale))
    return coarsest, coarsest, coarsest
