"""Window and level by a drag with the right or the middle button, as in every reading station (no Qt)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np

from napari_plugin.viewer.events import keep_from_layer
from napari_plugin.viewer.hanging import METADATA, show_between, shown_layer
from napari_plugin.viewer.windows import AUTOMATIC, limits_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_plugin.viewer.events import MouseEvent

_PAN = "pan_zoom"
_RIGHT, _MIDDLE = _BUTTONS = (2, 3)
_DOUBLES = 200.0
"""Pixels to the right that make the window twice as wide."""
_LEVELS = 300.0
"""Pixels down that raise the level by the width of the window: the picture gets darker."""


class WindowDrag:
    """Right or middle button: to the right less contrast, up brighter; a double click goes back to automatic.

    On any number of canvases, each time of the series that is seen there.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._viewers: list[ViewerModel] = []

    def attach(self, viewer: ViewerModel) -> None:
        """Listen to a viewer's mouse."""
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_double_click_callbacks.append(self._on_double)
        self._viewers.append(viewer)

    def detach(self) -> None:
        """Give every viewer its mouse back."""
        for viewer in self._viewers:
            if self._on_press in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._on_press)
                viewer.mouse_double_click_callbacks.remove(self._on_double)
        self._viewers = []

    def _on_press(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None] | None:
        if event.button not in _BUTTONS or viewer.dims.ndisplay != 2 or shown_layer(viewer) is None:
            return None
        active = viewer.layers.selection.active
        if event.button == _RIGHT and active is not None and str(getattr(active, "mode", _PAN)) != _PAN:
            # napari's brush does something of its own with this button
            return None
        return self._drag(viewer, event)

    def _on_double(self, viewer: ViewerModel, event: MouseEvent) -> None:
        layer = shown_layer(viewer)
        if event.button in _BUTTONS and viewer.dims.ndisplay == 2 and layer is not None:
            image = layer.metadata[METADATA]
            show_between(layer, limits_of(AUTOMATIC, image.array, image.modality, image.grid.spacing))
            self._say("The automatic window.")

    def _drag(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None]:
        layer = shown_layer(viewer)
        assert layer is not None
        low, high = layer.contrast_limits
        start = np.asarray(event.pos, dtype=float)
        camera = viewer.scene.camera
        # the right button zooms in napari, as part of what moves the picture
        moves, camera.mouse_pan = camera.mouse_pan, False
        give_back = keep_from_layer(viewer)
        try:
            yield
        finally:
            give_back()
        while event.type == "mouse_move":
            right, down = np.asarray(event.pos, dtype=float) - start
            width = max((high - low) * math.pow(2.0, right / _DOUBLES), 1e-6)
            level = (low + high) / 2 + down / _LEVELS * (high - low)
            show_between(layer, (level - width / 2, level + width / 2))
            self._say(f"Window {width:.4g}, level {level:.4g}; a double click is automatic.")
            yield
        camera.mouse_pan = moves
