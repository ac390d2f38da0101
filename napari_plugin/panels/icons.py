"""Small pictures drawn here, so that they need no files and no font with symbols."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

_SIZE = 12
_GREY = QColor("#9aa0a8")
"""Seen on the light and on the dark theme."""


def swatch(color: tuple[int, int, int]) -> QIcon:
    """A square of a lesion's colour, RGB 0 to 255."""
    pixels = QPixmap(_SIZE, _SIZE)
    pixels.fill(QColor(*color))
    return QIcon(pixels)


def padlock() -> QIcon:
    """A closed padlock."""
    pixels = QPixmap(_SIZE, _SIZE)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(_GREY, 1.6))
    painter.drawArc(QRectF(3.2, 1.0, 5.6, 8.0), 0, 180 * 16)
    painter.fillRect(QRectF(1.5, 5.2, 9.0, 6.0), _GREY)
    painter.end()
    return QIcon(pixels)
