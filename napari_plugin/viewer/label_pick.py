"""The lesion under the cursor becomes the one that is worked on (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from napari_plugin.viewer.events import keep_from_layer
from napari_plugin.viewer.hanging import inside, voxel_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from monai_unet.interaction.session import EditSession
    from napari_plugin.viewer.events import MouseEvent

_CONTROL = "Control"


class LabelPick:
    """Ctrl+click on any canvas, or a key where the cursor is; on background the lesion that is worked on stays."""

    def __init__(
        self, session: Callable[[], EditSession | None], choose: Callable[[int], None], say: Callable[[str], None]
    ) -> None:
        self._session, self._choose, self._say = session, choose, say
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

    def take(self, world: tuple[float, ...] | None) -> None:
        """Choose the lesion at a napari world position; None: the cursor is on no canvas."""
        session = self._session()
        if session is None:
            self._say("Open an image first.")
            return
        voxel = voxel_of(world, session.grid) if world is not None else (-1, -1, -1)
        value = int(session.labels[voxel]) if inside(voxel, session.grid) else 0
        if value:
            self._choose(value)
            self._say(f"{session.object(value).name} is worked on now.")
        else:
            self._say("No lesion lies under the cursor; the one that was worked on stays.")

    def _on_press(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None] | None:
        if event.button != 1 or tuple(event.modifiers) != (_CONTROL,) or viewer.dims.ndisplay != 2:
            return None
        return self._press(viewer, event)

    def _press(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None]:
        give_back = keep_from_layer(viewer)
        self.take(tuple(event.position))
        try:
            yield
        finally:
            give_back()
