"""Layers of the main viewer shown a second time in a side canvas (no Qt)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_plugin.viewer.hanging import METADATA, ORIGINAL

if TYPE_CHECKING:
    from napari.utils.events import Event

_FOLLOWED = {
    Image: ("contrast_limits", "visible", "opacity", "colormap", "gamma"),
    Labels: ("visible", "opacity", "colormap", "contour"),
}


class Mirror:
    """A layer on the same array as one of the main viewer, that follows its looks until released.

    While `holds`, it stays visible or hidden as it is: in 3D the main viewer hides its volumes.

    With `always_shown` it is seen although the original is hidden.
    """

    def __init__(self, original: Image | Labels, *, always_shown: bool = False) -> None:
        self.original = original
        self.holds = False
        data, state, kind = original.as_layer_data_tuple()
        # the open image that it shows, and nothing else of what hangs on the original
        state["metadata"] = {key: value for key, value in original.metadata.items() if key == METADATA}
        if METADATA in original.metadata:
            state["metadata"][ORIGINAL] = original
        if always_shown:
            state["visible"] = True
        self.layer = (Labels if kind == "labels" else Image)(data, **state)
        self.layer.editable = False
        names = next(names for layer_type, names in _FOLLOWED.items() if isinstance(original, layer_type))
        if kind == "labels":
            # not part of a layer's state: without it a candidate would hide what it outlines
            self.layer.contour = original.contour
        self._followed = [name for name in names if not (always_shown and name == "visible")]
        self._connect()

    def show(self, original: Image | Labels) -> None:
        """Show another layer of the same kind from now on."""
        self.release()
        self.original, self.layer.name = original, original.name
        if METADATA in original.metadata:
            self.layer.metadata = {METADATA: original.metadata[METADATA], ORIGINAL: original}
        self.layer.data, self.layer.scale = original.data, original.scale
        if isinstance(self.layer, Image) and isinstance(original, Image):
            self.layer.contrast_limits_range = original.contrast_limits_range
        for name in self._followed:
            setattr(self.layer, name, getattr(original, name))
        self._connect()

    def _connect(self) -> None:
        self._connected = [(getattr(self.original.events, name), self._follower(name)) for name in self._followed]
        if isinstance(self.original, Labels):
            self._connected.append((self.original.events.labels_update, self.redraw))
        for emitter, follow in self._connected:
            emitter.connect(follow)

    def redraw(self, event: Event | None = None) -> None:
        """Draw it anew where the array has changed."""
        self.layer.refresh(extent=False, highlight=False)

    def release(self) -> None:
        """Stop following."""
        for emitter, follow in self._connected:
            emitter.disconnect(follow)

    def _follower(self, name: str) -> Callable[[Event], None]:
        def follow(event: Event | None = None) -> None:
            if self.holds and name == "visible":
                return
            setattr(self.layer, name, getattr(self.original, name))

        return follow
