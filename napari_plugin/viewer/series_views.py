"""Further series of the study beside the main canvas: the same plane, place and scale, with the same segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels

from napari_plugin.viewer.canvas_stack import LETTER_SIZE, CanvasStack
from napari_plugin.viewer.hanging import METADATA, hang
from napari_plugin.viewer.mirrors import Mirror

if TYPE_CHECKING:
    import napari
    from napari.utils.events import Event

    from napari_plugin.viewer.tools import PromptTool

MOST = 3
_TITLE = "top_left"


class SeriesViews(CanvasStack):
    """One canvas for each series but the first, which the main canvas shows alone meanwhile; prompts work in all."""

    def __init__(self, viewer: napari.Viewer, tool: PromptTool) -> None:
        images = [layer for layer in viewer.layers if METADATA in layer.metadata][1 : MOST + 1]
        super().__init__(len(images))
        self._moving = False
        self.viewer = viewer
        self._hidden = [layer for layer in images if layer.visible]
        self._mirrors: list[Mirror] = []
        for model, image in zip(self.models, images, strict=True):
            self._fill(model, image)
            tool.attach(model)
            model.dims.events.current_step.connect(self._on_side_step)
            model.scene.camera.events.zoom.connect(self._on_side_camera)
            model.scene.camera.events.center.connect(self._on_side_camera)
        for layer in self._hidden:
            layer.visible = False
        viewer.dims.events.current_step.connect(self._follow)
        viewer.dims.events.order.connect(self._follow)
        self._camera_events = [getattr(viewer.scene.camera.events, name) for name in ("zoom", "center", "orientation")]
        for emitter in self._camera_events:
            emitter.connect(self._follow)
        self._follow()

    def close_views(self) -> None:
        """Let go of the main viewer, which shows its series one over the other again."""
        events = self.viewer.dims.events
        for emitter in (events.current_step, events.order, *self._camera_events):
            emitter.disconnect(self._follow)
        for mirror in self._mirrors:
            mirror.release()
        self._mirrors.clear()
        for layer in self._hidden:
            layer.visible = True
        for model in self.models:
            model.layers.clear()
        for canvas in self.canvases:
            canvas.close()

    def refresh(self, layer: Labels) -> None:
        """Draw a label layer of the main viewer anew where its array has changed."""
        for mirror in self._mirrors:
            if mirror.original is layer:
                mirror.redraw()

    def _fill(self, model: ViewerModel, image: Image) -> None:
        hang(model, letters=LETTER_SIZE)
        model.canvas.overlays.scale_bar.visible = False
        model.canvas.overlays[_TITLE] = TextOverlay(
            position=_TITLE, color="#ffffff", font_size=LETTER_SIZE, box=False, text=image.name, visible=True
        )
        labels = [layer for layer in self.viewer.layers if isinstance(layer, Labels) and layer.ndim == 3]
        for original in (image, *labels):
            mirror = Mirror(original, always_shown=original is image)
            self._mirrors.append(mirror)
            model.layers.append(mirror.layer)

    def _follow(self, event: Event | None = None) -> None:
        """Plane, slice, place, scale (pixels for a mm) and any turn of the main canvas."""
        if self._moving or self.viewer.dims.ndim != 3 or self.viewer.dims.ndisplay != 2:
            return
        self._moving = True
        try:
            camera = self.viewer.scene.camera
            for model in self.models:
                model.dims.order, model.scene.camera.orientation = self.viewer.dims.order, camera.orientation
                model.dims.point = self.viewer.dims.point
                model.scene.camera.center, model.scene.camera.zoom = camera.center, camera.zoom
        finally:
            self._moving = False

    def _on_side_step(self, event: Event) -> None:
        if not self._moving and event.source.ndim == 3 == self.viewer.dims.ndim:
            self.viewer.dims.point = event.source.point

    def _on_side_camera(self, event: Event) -> None:
        if not self._moving:
            self.viewer.scene.camera.center = event.source.center
            self.viewer.scene.camera.zoom = event.source.zoom
