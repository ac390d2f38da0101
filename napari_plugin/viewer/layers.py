"""The session's label map and candidate as napari layers, and napari's own brush as session steps (no Qt).

The label layer and the session share one array. napari's undo history is never used: the dock's keys undo in the
session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from monai_unet.geometry import Box, union
from monai_unet.interaction.session import Atom, Change, EditSession
from monai_unet.io import unit_rgb
from napari_plugin.viewer.hanging import METADATA, placed
from napari_plugin.viewer.own_layers import Later, at_once, hold_in_place

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

SEGMENTATION, CANDIDATE = "Segmentation", "Candidate"
_OUTLINE_MM = 0.8
CANDIDATE_COLOR = "#ff4fd8"
MOVED = "Images and segmentation share their voxels and were put back; with no tool active a drag moves the picture."


def bring_to_sight(layer: Layer) -> None:
    """Show a layer that is hidden.

    napari takes `visible = True` for a change of a layer that is seen too: it draws all of it anew, and puts the brush
    away.
    """
    if not layer.visible:
        layer.visible = True


class SessionLayers:
    """Shows a session in a viewer until `remove`."""

    def __init__(
        self,
        viewer: ViewerModel,
        session: EditSession,
        *,
        opacity: float,
        record: Callable[[Sequence[Atom]], Change | None],
        chosen: Callable[[int], None],
        redrawn: Callable[[Labels], None] = lambda layer: None,
        later: Later = at_once,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Args: `record` makes one session step of a stroke's atoms; `chosen` hears which label the user picked;
        `redrawn` is called with each layer whose array has changed; `say` tells what was put right."""
        self.viewer, self.session, self._later, self._say = viewer, session, later, say
        self._gone = False
        self._record, self._chosen, self._redrawn = record, chosen, redrawn
        self._quiet = False
        place = placed(session.grid)
        self.labels = Labels(session.labels, name=SEGMENTATION, opacity=opacity, colormap=self._colormap(), **place)
        # allocated by the system page by page: an empty candidate costs next to nothing
        self._outline = np.zeros(session.grid.shape, dtype=np.uint8)
        colors = {None: "transparent", 0: "transparent", 1: CANDIDATE_COLOR}
        self.candidate = Labels(self._outline, name=CANDIDATE, colormap=DirectLabelColormap(color_dict=colors), **place)
        self.candidate.contour = outline_voxels(session.grid.spacing)
        self.candidate.editable = False
        self._drawn: Box | None = None
        for layer in (self.labels, self.candidate):
            viewer.layers.append(layer)
        viewer.layers.selection.active = self.labels
        self._holds = [
            hold_in_place(layer, session.grid.spacing, lambda: say(MOVED)) for layer in (self.labels, self.candidate)
        ]
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.reordered.connect(self._on_reordered)
        self._strokes: list[Atom] = []
        self.labels.events.paint.connect(self._on_paint)
        self.labels.events.labels_update.connect(self._record_strokes)
        self.labels.events.selected_label.connect(self._on_selected_label)
        self._show_candidate()

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        self._gone = True
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.layers.events.reordered.disconnect(self._on_reordered)
        for release in self._holds:
            release()
        self.labels.events.paint.disconnect(self._on_paint)
        self.labels.events.labels_update.disconnect(self._record_strokes)
        self.labels.events.selected_label.disconnect(self._on_selected_label)
        for layer in (self.labels, self.candidate):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _on_removed(self, event: Event) -> None:
        """A segmentation out of the viewer would be edited unseen."""
        if event.value in (self.labels, self.candidate):
            self._later(self._put_back)

    def _put_back(self) -> None:
        missing = [layer for layer in (self.labels, self.candidate) if layer not in self.viewer.layers]
        if self._gone or not missing:
            return
        for layer in missing:
            self.viewer.layers.append(layer)
        self.viewer.layers.selection.active = self.labels
        self._say(f"{' and '.join(layer.name for layer in missing)} belongs to the case and is back; W hides it.")

    def _on_reordered(self, event: Event) -> None:
        self._later(self._raise)

    def _raise(self) -> None:
        """Above the images: below them nobody sees what is marked."""
        layers = self.viewer.layers
        own = [layer for layer in (self.labels, self.candidate) if layer in layers]
        images = [index for index, layer in enumerate(layers) if METADATA in layer.metadata]
        if not self._gone and own and images and min(layers.index(layer) for layer in own) < max(images):
            layers.move_multiple([layers.index(layer) for layer in own], len(layers))
            self._say("The segmentation lies above the images, where it is seen.")

    def choose(self, value: int) -> None:
        """Paint with this object's label from now on."""
        if value:
            self._quiet = True
            self.labels.selected_label = value
            self._quiet = False

    def show(self, change: Change) -> None:
        """Draw what a session's change has touched."""
        if change.objects and self._looks() != self._shown_looks:
            # napari makes a table of all 65536 labels of it
            self.labels.colormap = self._colormap()
        if change.box is not None and self.viewer.dims.ndisplay == 2:
            # what is changed is seen
            bring_to_sight(self.labels)
        if change.box is not None:
            self._redraw(self.labels, change.box)
        if change.candidate or self._drawn is not None:
            self._show_candidate()

    def _redraw(self, layer: Labels, box: Box) -> None:
        shown = layer.ndim - len(self.viewer.dims.displayed)
        hidden = self.viewer.dims.not_displayed
        here = [self.viewer.dims.current_step[axis] for axis in hidden]
        touched = all(box[axis].start <= step < box[axis].stop for axis, step in zip(hidden, here, strict=True))
        if shown == 0 or touched:
            layer.refresh(extent=False, highlight=False, thumbnail=False)
        self._redrawn(layer)

    def _show_candidate(self) -> None:
        # an outline through another lesion would promise what is not taken
        candidate = self.session.candidate_taken()
        box = self._drawn
        if box is not None:
            self._outline[box] = 0
        self._drawn = None
        if candidate is not None:
            self._drawn, mask = candidate
            self._outline[self._drawn] = mask
            if self.viewer.dims.ndisplay == 2:
                bring_to_sight(self.candidate)
            box = union(box, self._drawn)
        if box is not None:
            self._redraw(self.candidate, box)

    def _looks(self) -> list[tuple[int, tuple[int, int, int], bool]]:
        return [(item.value, item.color, item.visible) for item in self.session.objects]

    def _colormap(self) -> DirectLabelColormap:
        self._shown_looks = self._looks()
        colors: dict[int | None, str | NDArray[np.float32]] = {None: "transparent", 0: "transparent"}
        for item in self.session.objects:
            colors[item.value] = np.array([*unit_rgb(item.color), 1.0 if item.visible else 0.0], dtype=np.float32)
        return DirectLabelColormap(color_dict=colors)

    def _on_paint(self, event: Event) -> None:
        """A stroke: recorded now, or, where napari tells of it before it writes (polygons), once it is written."""
        self._strokes += event.value
        if _is_written(self.session.labels, event.value[-1]):
            self._record_strokes()

    def _record_strokes(self, event: Event | None = None) -> None:
        if not self._strokes:
            return
        strokes, self._strokes = self._strokes, []
        change = self._record(strokes)
        if str(self.labels.mode) != "erase":
            # painting with a label that had no object has made one
            self._chosen(int(self.labels.selected_label))
        if change is None or change.box is None:
            # nothing was recorded: show what the session holds
            self.labels.refresh(extent=False, highlight=False, thumbnail=False)

    def _on_selected_label(self, event: Event | None = None) -> None:
        if not self._quiet:
            self._chosen(int(self.labels.selected_label))


def outline_voxels(spacing: Sequence[float]) -> int:
    """How many voxels wide an outline is: about 0.8 mm, so that it is seen on the finest of them."""
    return max(1, round(_OUTLINE_MM / min(spacing)))


def _is_written(labels: NDArray[np.integer], atom: Atom) -> bool:
    """Whether the label map holds what a change of napari's `Labels.events.paint` says it does."""
    if len(atom) == 4:
        place, mask, _, new = atom
        part = labels[tuple(place)]
        return bool(np.all((part if mask is None else part[mask]) == new))
    place, _, new = atom
    return bool(np.all(labels[place] == new))
