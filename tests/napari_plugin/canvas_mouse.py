"""Real mouse and key events on a napari canvas, at the pixel where a voxel must be drawn by radiological convention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

_CUT = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
"""Axis that is cut → the axis upwards, the axis sideways; both grow upwards and to the LEFT of the picture."""


class CanvasMouse:
    """Mouse over one canvas that shows volumes of a spacing (S, A, R) in mm."""

    def __init__(self, canvas: Any, viewer: Any, spacing: Sequence[float]) -> None:
        self.native, self.viewer, self.spacing = canvas.native, viewer, np.asarray(spacing)

    def pixel(self, voxel: Sequence[float]) -> QPoint:
        """Where a voxel of the shown slice is drawn: the camera's centre is the middle of the canvas."""
        cut = int(self.viewer.dims.order[0])
        up, left = _CUT[cut]
        world = np.multiply(voxel, self.spacing)
        middle_up, middle_left = self.viewer.scene.camera.center[-2:]
        zoom = self.viewer.scene.camera.zoom
        x = self.native.width() / 2 - (world[left] - middle_left) * zoom
        y = self.native.height() / 2 - (world[up] - middle_up) * zoom
        return QPoint(round(x), round(y))

    def click(self, voxel: Sequence[float], *, shift: bool = False) -> None:
        modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        QTest.mouseMove(self.native, self.pixel(voxel))
        QTest.mouseClick(self.native, Qt.MouseButton.LeftButton, modifier, self.pixel(voxel))

    def drag(self, voxels: Sequence[Sequence[float]]) -> None:
        places = [self.pixel(voxel) for voxel in voxels]
        QTest.mouseMove(self.native, places[0])
        QTest.mousePress(self.native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[0])
        for place in places[1:]:
            # vispy and napari pass over moves that follow each other within 10 ms
            QTest.qWait(40)
            _move_pressed(self.native, place)
        QTest.qWait(40)
        QTest.mouseRelease(self.native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[-1])

    def key(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.native, key, modifier)

    def wheel(self, notches: int) -> None:
        middle = QPointF(self.native.width() / 2, self.native.height() / 2)
        for _ in range(abs(notches)):
            event = QWheelEvent(
                middle,
                self.native.mapToGlobal(middle),
                QPoint(),
                QPoint(0, 120 if notches > 0 else -120),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(self.native, event)


def _move_pressed(widget: Any, place: QPoint) -> None:
    """QTest's moves have no button; a drag has one."""
    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place),
        QPointF(widget.mapToGlobal(place)),
        Qt.MouseButton.NoButton,
        left,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)
