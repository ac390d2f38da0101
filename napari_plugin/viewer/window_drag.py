"""Window and level by a drag with the right button, as in every reading station (no Qt)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np

from napari_plugin.viewer.hanging import shown_layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_plugin.viewer.events import MouseEvent

_PAN = "pan_zoom"
_DOUBLES = 200.0
"""Pixels to the right that make the window twice as wide."""
_LEVELS = 300.0
"""Pixels down that raise the level by the width of the window: the picture gets darker."""


class WindowDrag:
    """Right button: to the right less contrast, up brighter; on any number of canvases, of the series that is seen."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._viewers: list[ViewerModel] = []

    def attach(self, viewer: ViewerModel) -> None:
        """Listen to a viewer's mouse."""
        viewer.mouse_drag_callbacks.append(self._on_press)
        self._viewers.append(viewer)

    def detach(self) -> None:
        """Give every viewer its mouse back."""
        for viewer in self._viewers:
            if self._on_press in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._on_press)
        self._viewers = []

    def _on_press(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None] | None:
        if event.button != 2 or viewer.dims.ndisplay != 2 or shown_layer(viewer) is None:
            return None
        active = viewer.layers.selection.active
        if active is not None and str(getattr(active, "mode", _PAN)) != _PAN:
            # napari's brush does something of its own with this button
            return None
        return self._drag(viewer, event)

    def _drag(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None]:
        layer = shown_layer(viewer)
        assert layer is not None
        low, high = layer.contrast_limits
        start = np.asarray(event.pos, dtype=float)
        camera = viewer.scene.camera
        # the right button zooms in napari, as part of what moves the picture
        moves, camera.mouse_pan = camera.mouse_pan, False
        yield
        while event.type == "mouse_move":
            right, down = np.asarray(event.pos, dtype=float) - start
            width = max((high - low) * math.pow(2.0, right / _DOUBLES), 1e-6)
            level = (low + high) / 2 + down / _LEVELS * (high - low)
            ends = layer.contrast_limits_range
            limits = (level - width / 2, level + width / 2)
            layer.contrast_limits_range = (min(limits[0], ends[0]), max(limits[1], ends[1]))
            layer.contrast_limits = limits
            self._say(f"Window {width:.4g}, level {level:.4g}; F1 is automatic.")
            yield
        camera.mouse_pan = moves
