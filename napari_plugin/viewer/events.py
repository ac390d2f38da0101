"""What the viewer's callbacks use of napari's mouse events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class MouseEvent(Protocol):
    """A press, a move or a turn of the wheel over a canvas.

    Attributes:
        type: "mouse_press", "mouse_move", "mouse_release" or "mouse_wheel".
        position: under the cursor, in napari's world, mm.
        pos: under the cursor, in pixels of the canvas.
        button: 1 left, 2 right, 3 middle.
        modifiers: keys held.
        delta: of the wheel; the second is up and down.
        handled: whether somebody has taken care of it.
    """

    type: str
    position: Sequence[float]
    pos: Sequence[float]
    button: int
    modifiers: Sequence[str]
    delta: Sequence[float]
    handled: bool
