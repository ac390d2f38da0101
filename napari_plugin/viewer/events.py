"""What the viewer's callbacks use of napari's mouse events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from napari.components import ViewerModel


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


def keep_from_layer(viewer: ViewerModel) -> Callable[[], None]:
    """The press that a viewer has just heard is not heard by its selected layer, whose brush would paint.

    napari asks the layer whatever a viewer's callback has made of the event. Call the result at the next event.
    """
    layer = viewer.layers.selection.active
    if layer is None:
        return lambda: None
    kept = list(layer.mouse_drag_callbacks)
    layer.mouse_drag_callbacks[:] = []

    def give_back() -> None:
        if not layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks[:] = kept

    return give_back
