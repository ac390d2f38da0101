"""What lies under the cursor: patient position in mm, value of each image, name of the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_plugin.viewer.hanging import inside, patient_of, voxel_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_plugin.case import Controller
    from napari_plugin.viewer.events import MouseEvent

_DIRECTIONS = (("R", "L"), ("A", "P"), ("S", "I"))


class Readout:
    """Follows the mouse over any number of viewers."""

    def __init__(
        self,
        controller: Controller,
        show: Callable[[str], None],
        label_at: Callable[[tuple[int, int, int]], str] = lambda voxel: "",
    ) -> None:
        self._controller, self._show, self._label_at = controller, show, label_at
        self._viewers: list[ViewerModel] = []
        self._place: Sequence[float] | None = None

    def forget(self) -> None:
        """Nothing of the last case stays."""
        self._place = None
        self._show("")

    @property
    def place(self) -> tuple[float, ...] | None:
        """Where the cursor was last seen in a slice, in napari's world (mm); None where it was not."""
        return None if self._place is None else tuple(self._place)

    def refresh(self) -> None:
        """Say anew what lies under the cursor: it may have been changed or deleted."""
        if self._place is not None:
            self._show(self.text_at(self._place))

    def attach(self, viewer: ViewerModel) -> None:
        """Follow the mouse over a viewer."""
        viewer.mouse_move_callbacks.append(self._on_move)
        self._viewers.append(viewer)

    def detach(self) -> None:
        """Stop following."""
        for viewer in self._viewers:
            if self._on_move in viewer.mouse_move_callbacks:
                viewer.mouse_move_callbacks.remove(self._on_move)
        self._viewers = []

    def text_at(self, world: Sequence[float]) -> str:
        """One line for a napari world position; empty outside the image."""
        reference = self._controller.reference
        if reference is None:
            return ""
        voxel = voxel_of(world, reference.grid)
        if not inside(voxel, reference.grid):
            return ""
        mm = patient_of(world, reference.grid)
        place = " ".join(
            f"{positive if value >= 0 else negative} {abs(value):.1f}"
            for value, (positive, negative) in zip(mm, _DIRECTIONS, strict=True)
        )
        values = [
            f"{image.array[voxel]:.5g}{' HU' if image.modality == 'CT' else ''}" for image in self._controller.images
        ]
        return "   ".join(filter(None, [f"{place} mm", " / ".join(values), self._label_at(voxel)]))

    def _on_move(self, viewer: ViewerModel, event: MouseEvent) -> None:
        if viewer.dims.ndisplay == 2 and viewer.dims.ndim == 3:
            self._place = tuple(event.position)
            self._show(self.text_at(event.position))
