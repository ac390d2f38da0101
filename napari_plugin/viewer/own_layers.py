"""Layers of the plugin stay where they belong, whatever napari, its console or a slip of the mouse does (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event

Later = Callable[[Callable[[], None]], None]
"""Runs something once napari has told everyone of what is happening now."""


def at_once(what: Callable[[], None]) -> None:
    """A `Later` where there is no event loop."""
    what()


def hold_in_place(layer: Layer, spacing: Sequence[float], moved: Callable[[], None]) -> Callable[[], None]:
    """Put a layer back onto its voxels whenever it is moved, turned or scaled, and call `moved`.

    napari's transform tool, which every layer has a button for, would otherwise part image and segmentation. What is
    returned ends it.
    """
    busy = False

    def put_back(event: Event | None = None) -> None:
        nonlocal busy
        if busy or _in_place(layer, spacing):
            return
        busy = True
        try:
            layer.affine, layer.rotate, layer.shear = np.eye(layer.ndim + 1), np.eye(layer.ndim), np.zeros(3)
            layer.translate, layer.scale = np.zeros(layer.ndim), spacing
        finally:
            busy = False
        moved()

    emitters = [getattr(layer.events, name) for name in ("affine", "rotate", "shear", "translate", "scale")]
    for emitter in emitters:
        emitter.connect(put_back)

    def release() -> None:
        for emitter in emitters:
            emitter.disconnect(put_back)

    return release


def _in_place(layer: Layer, spacing: Sequence[float]) -> bool:
    same = np.allclose(layer.scale, spacing) and np.allclose(layer.translate, 0) and np.allclose(layer.shear, 0)
    unturned = np.allclose(layer.rotate, np.eye(layer.ndim))
    return bool(same and unturned and np.allclose(layer.affine.affine_matrix, np.eye(layer.ndim + 1)))
