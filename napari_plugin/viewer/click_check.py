"""Whether a click lands where it is seen: a known place goes to the canvas and comes back through napari's own events.

A napari whose event positions ignore `camera.orientation` (0.10.0rc1 did) shows the patient in radiological convention
and takes every click mirrored, without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel

    from napari_plugin.viewer.events import MouseEvent

_PIXELS = 2.0
"""Farther than this from where it was sent, a place has not come back."""
_AWAY = {"up": -1.0, "down": 1.0, "left": -1.0, "right": 1.0}
"""The way on the canvas, whose pixels grow right and down, in which world coordinates grow."""

PositionAt = Callable[[Sequence[float]], Sequence[float] | None]
"""Pixel (x, y) of the canvas → world position as an event there carries it; None where no event came."""


def comes_back(viewer: ViewerModel, size: tuple[float, float], position_at: PositionAt) -> bool:
    """Whether places off the middle of a canvas (width, height in pixels) come back as what was sent there.

    The camera's centre is the middle of the canvas and its zoom is pixels for a mm; its orientation says which way the
    two shown axes grow.
    """
    camera, shown = viewer.scene.camera, list(viewer.dims.displayed[-2:])
    up, across = (_AWAY[str(way)] for way in camera.orientation[-2:])
    for right, down in ((0.25, 0.125), (-0.125, 0.25)):
        offset = np.array([down * size[1], right * size[0]])
        sent = np.asarray(camera.center[-2:]) + offset * (up, across) / camera.zoom
        position = position_at((size[0] / 2 + offset[1], size[1] / 2 + offset[0]))
        if position is None:
            return False
        got = np.asarray([position[axis] for axis in shown], dtype=float)
        if np.abs((got - sent) * camera.zoom).max() > _PIXELS:
            return False
    return True


def clicks_land_true(viewer: napari.Viewer) -> bool | None:
    """The same of a viewer's main canvas, by a wheel that does not turn; None where it is not seen, or
    shows 3D or a grid of layers."""
    # a plugin's viewer is a proxy that hides the canvas
    window = getattr(viewer, "__wrapped__", viewer).window
    canvas: QWidget = window._qt_viewer.canvas.native
    if not canvas.isVisible() or viewer.dims.ndisplay != 2 or viewer.canvas.grid.enabled:
        return None
    before = viewer.cursor.position
    try:
        return comes_back(viewer, (canvas.width(), canvas.height()), lambda pixel: _position_at(viewer, canvas, pixel))
    finally:
        viewer.cursor.position = before


def _position_at(viewer: napari.Viewer, canvas: QWidget, pixel: Sequence[float]) -> Sequence[float] | None:
    seen: list[Sequence[float]] = []

    def note(viewer: napari.Viewer, event: MouseEvent) -> None:
        seen.append(tuple(event.position))

    viewer.mouse_wheel_callbacks.append(note)
    try:
        QApplication.sendEvent(canvas, _still_wheel(canvas, QPointF(round(pixel[0]), round(pixel[1]))))
    finally:
        viewer.mouse_wheel_callbacks.remove(note)
    return seen[-1] if seen else None


def _still_wheel(canvas: QWidget, place: QPointF) -> QWheelEvent:
    """The only event over a canvas that napari handles at once and that changes nothing."""
    nowhere, none = QPoint(), Qt.MouseButton.NoButton
    modifier, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    return QWheelEvent(place, QPointF(canvas.mapToGlobal(place)), nowhere, nowhere, none, modifier, phase, False)
