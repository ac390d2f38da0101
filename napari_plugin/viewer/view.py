"""What the viewer shows of a session besides the images: labels, candidate, marks, uncertainty, surfaces (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from monai_unet.geometry import Box, box_shape
from monai_unet.interaction.session import Atom, Change
from monai_unet.io import unit_rgb
from monai_unet.measurement import Lesion
from napari_plugin.viewer.hanging import METADATA, go_to, inside, placed, plane_of, show_plane
from napari_plugin.viewer.layers import SessionLayers
from napari_plugin.viewer.marks import MarkLayers
from napari_plugin.viewer.own_layers import Later, at_once
from napari_plugin.viewer.surfaces import look_at, surface_layer
from napari_plugin.viewer.tools import Stroke
from napari_plugin.viewer.uncertainty import uncertain_places

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer, Surface
    from napari.utils.events import Event

    from napari_plugin.case import Editing

UNCERTAINTY = "Uncertainty"


class CaseView:
    """Keeps the viewer's layers in step with the session."""

    def __init__(
        self,
        viewer: ViewerModel,
        editing: Editing,
        *,
        opacity: float,
        redrawn: Callable[[Labels], None],
        later: Later = at_once,
        hold: Callable[[bool], None] = lambda holds: None,
        allowed: Callable[[Box], NDArray[np.bool_] | None] = lambda box: None,
    ) -> None:
        """Args: `hold` keeps the canvases beside the main one as they are while that shows 3D; `allowed` is where in a
        box the brush may paint, None for anywhere."""
        self.viewer, self.editing, self._opacity, self._redrawn = viewer, editing, opacity, redrawn
        self._later, self._hold, self._allowed = later, hold, allowed
        self.layers: SessionLayers | None = None
        self.marks: MarkLayers | None = None
        self._doubt: Image | None = None
        self._places: list[tuple[tuple[int, int, int], float]] = []
        self._next = 0
        self._surfaces: list[Surface] = []
        # whoever leaves 3D, by a key of a plane or napari's own button, gets the slices back
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        editing.session_changed.connect(self._on_session)
        editing.edited.connect(self._on_change)
        editing.active_changed.connect(self._on_active)
        self._on_session()

    def remove(self) -> None:
        """Take everything out of the viewer."""
        self._hide_surfaces()
        self._remove_doubt()
        for shown in (self.marks, self.layers):
            if shown is not None:
                shown.remove()
        self.layers = self.marks = None

    def close(self) -> None:
        """The same, for good."""
        self.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self.remove()

    def own_layers(self) -> list[Layer]:
        """Every layer that was made here: they go with the case, unlike those of the user."""
        own: list[Layer] = [*self._surfaces]
        own += [self.layers.labels, self.layers.candidate] if self.layers is not None else []
        own += self.marks.own_layers() if self.marks is not None else []
        return [*own, self._doubt] if self._doubt is not None else own

    def label_at(self, voxel: tuple[int, int, int]) -> str:
        """Name of the object at a voxel (S, A, R); empty on background."""
        session = self.editing.session
        if session is None or not inside(voxel, session.grid):
            return ""
        value = int(session.labels[voxel])
        return session.object(value).name if value else ""

    def go_to(self, voxel: tuple[int, int, int]) -> None:
        """Show a voxel in all planes, in the middle of the main canvas."""
        go_to(self.viewer, voxel)
        session = self.editing.session
        if session is not None and self.viewer.dims.ndisplay == 2:
            world = np.multiply(voxel, session.grid.spacing)
            up, across = self.viewer.dims.displayed
            self.viewer.scene.camera.center = (0.0, float(world[up]), float(world[across]))

    def select_labels(self) -> None:
        """Make the segmentation the selected layer, so that napari's keys for the brush work."""
        if self.layers is not None and self.layers.labels in self.viewer.layers:
            self.viewer.layers.selection.active = self.layers.labels

    def toggle_labels(self) -> bool:
        """Hide or show the segmentation; whether it is shown now."""
        if self.layers is None:
            return False
        self.layers.labels.visible = not self.layers.labels.visible
        return bool(self.layers.labels.visible)

    def show_stroke(self, stroke: Stroke | None) -> None:
        """Show what is being drawn."""
        if self.marks is not None:
            self.marks.show_stroke(stroke)

    def show_axes(self, lesions: Iterable[Lesion]) -> None:
        """Draw the axes of these lesions."""
        if self.marks is not None:
            self.marks.show_axes(lesions)

    # -- uncertainty --------------------------------------------------------------------------------------------

    def show_uncertainty(self, uncertainty: NDArray[np.floating] | None) -> None:
        """Lay uncertainty (S, A, R), 0 to 1, over the image; None takes it away."""
        self._remove_doubt()
        session = self.editing.session
        if uncertainty is None or session is None:
            return
        layer = Image(
            uncertainty,
            name=UNCERTAINTY,
            colormap="inferno",
            blending="additive",
            opacity=0.5,
            contrast_limits=(0.0, 1.0),
            **placed(session.grid),
        )
        images = sum(METADATA in layer.metadata for layer in self.viewer.layers)
        self.viewer.layers.insert(images, layer)
        if self.layers is not None:
            self.viewer.layers.selection.active = self.layers.labels
        self._doubt = layer
        self._places, self._next = uncertain_places(uncertainty, session.grid.spacing), 0

    @property
    def has_uncertainty(self) -> bool:
        """Whether there is a map of uncertainty."""
        return self._doubt is not None

    def next_uncertain(self) -> str:
        """Go to the next place where the model is unsure; what to tell the user."""
        if self._doubt is None:
            return "Tick Uncertainty and segment first."
        if not self._places:
            return "The model is sure everywhere (uncertainty below 0.3)."
        voxel, uncertainty = self._places[self._next]
        self._next = (self._next + 1) % len(self._places)
        self.go_to(voxel)
        number = self._next or len(self._places)
        return f"Uncertain place {number} of {len(self._places)}, uncertainty {uncertainty:.2f} of 1."

    def _remove_doubt(self) -> None:
        if self._doubt is not None and self._doubt in self.viewer.layers:
            self.viewer.layers.remove(self._doubt)
        self._doubt, self._places, self._next = None, [], 0

    # -- surfaces -----------------------------------------------------------------------------------------------

    def toggle_surfaces(self) -> str:
        """From slices to surfaces of the visible objects and back; what to tell the user."""
        session = self.editing.session
        if self._surfaces:
            self._hide_surfaces()
            return "Back to slices."
        if session is None or not session.labels.any():
            return "There is no lesion to show yet."
        for item in session.objects:
            layer = surface_layer(session, item.value, unit_rgb(item.color)) if item.visible else None
            if layer is not None:
                self._surfaces.append(layer)
        if not self._surfaces:
            return "Every lesion is hidden; tick one in the table."
        # napari takes the slice to the end of a volume when the range of the axes changes with the layers
        self._place = tuple(self.viewer.dims.point)
        self._hold(True)
        self._set_layers_visible(False)
        for layer in self._surfaces:
            self.viewer.layers.append(layer)
        self.viewer.dims.ndisplay = 3
        look_at(self.viewer, self._surfaces)
        return "Seen from in front, the right on the left. Drag to turn; 3D surface again brings the slices back."

    def _hide_surfaces(self) -> None:
        if not self._surfaces:
            return
        for layer in self._surfaces:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self._surfaces = []
        self._set_layers_visible(True)
        self._hold(False)
        if self.viewer.dims.ndisplay == 3:
            show_plane(self.viewer, plane_of(self.viewer).name)
        self.viewer.dims.point = self._place
        self.select_labels()

    def _on_ndisplay(self, event: Event) -> None:
        if self.viewer.dims.ndisplay == 2:
            self._hide_surfaces()

    def _set_layers_visible(self, visible: bool) -> None:
        """A volume rendered on the processor takes seconds for each frame; the surfaces stand alone."""
        if not visible:
            self._shown = [layer for layer in self.viewer.layers if layer.visible and layer not in self._surfaces]
        for layer in self._shown:
            layer.visible = visible

    # -- session ------------------------------------------------------------------------------------------------

    def _on_session(self) -> None:
        self.remove()
        session = self.editing.session
        if session is None:
            return
        self.layers = SessionLayers(
            self.viewer,
            session,
            opacity=self._opacity,
            record=self._record,
            chosen=self._chosen,
            redrawn=self._redrawn,
            later=self._later,
            say=self.editing.controller.say,
        )
        self.marks = MarkLayers(self.viewer, session.grid)
        self._on_active(self.editing.active)

    def _on_change(self, change: Change) -> None:
        session = self.editing.session
        if self.layers is not None and session is not None:
            self.layers.show(change)
            if change.prompts and self.marks is not None:
                self.marks.show_prompts(session.prompts(self.editing.active) if self.editing.active else ())

    def _on_active(self, value: int) -> None:
        session = self.editing.session
        if self.layers is not None and self.marks is not None and session is not None:
            self.layers.choose(value)
            self.marks.show_prompts(session.prompts(value) if value else ())

    def _record(self, atoms: Sequence[Atom]) -> Change | None:

        def allowed(box: Box) -> NDArray[np.bool_]:
            found = self._allowed(box)
            return np.ones(box_shape(box), dtype=bool) if found is None else found

        change: Change | None = self.editing.do(lambda session: session.record_external_change(atoms, allowed=allowed))
        return change

    def _chosen(self, value: int) -> None:
        session = self.editing.session
        if session is not None and any(item.value == value for item in session.objects):
            self.editing.set_active(value)
