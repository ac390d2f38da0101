"""Prompts, the stroke being drawn, and the axes of lesions, as napari layers over the image (no Qt)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points, Shapes
from numpy.typing import NDArray

from monai_unet.geometry import Grid
from monai_unet.interaction import Prompt
from monai_unet.measurement import Lesion
from napari_plugin.viewer.hanging import placed, world_of
from napari_plugin.viewer.tools import Stroke, outline_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

POINTS, LINES, AXES = "Prompts", "Prompt lines", "Axes"
INCLUDE, EXCLUDE, DRAWING, AXIS_COLOR, AXIS_RIM = "#35d46a", "#ff5050", "#ffffff", "#ffffff", "#000000"
_POINT_MM, _LINE_MM = 5.0, 0.8
_RING = 0.16
"""Of its diameter."""
_RIM = 2.4


class MarkLayers:
    """Draws marks on one grid; layers are made when first needed and go with `remove`."""

    def __init__(self, viewer: ViewerModel, grid: Grid) -> None:
        self.viewer, self.grid = viewer, grid
        self._layers: dict[str, Points | Shapes] = {}
        self._prompts: tuple[Prompt, ...] = ()
        self._stroke: Stroke | None = None

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        for layer in self._layers.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self._layers.clear()

    def own_layers(self) -> list[Points | Shapes]:
        """Those that were made so far."""
        return list(self._layers.values())

    def show_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Show the prompts of one object: green belongs to it, red does not."""
        self._prompts = tuple(prompts)
        points = [prompt for prompt in prompts if prompt.kind == "point"]
        if points or POINTS in self._layers:
            layer = self._layer(POINTS)
            layer.data = np.array([p.voxels(self.grid)[0] for p in points]).reshape(-1, 3)
            layer.border_color = _colors(points) if points else INCLUDE
            layer.face_color = "transparent"
            layer.selected_data = set()
        self._draw_lines()

    def show_stroke(self, stroke: Stroke | None) -> None:
        """Show what is being drawn."""
        self._stroke = stroke
        self._draw_lines()

    def show_axes(self, lesions: Iterable[Lesion]) -> None:
        """Draw the long and the short axis of each lesion in its slice."""
        lines = []
        for lesion in lesions:
            for axis in (lesion.long_axis, lesion.short_axis):
                voxels = world_of(axis.ends_mm, self.grid) / np.asarray(self.grid.spacing)
                voxels[:, lesion.normal_axis] = lesion.slice_index
                lines.append(voxels)
        if lines or AXES in self._layers:
            # a dark rim below: seen on bright tumours and on every label's colour
            self._replace_shapes(
                AXES,
                lines * 2,
                [AXIS_RIM] * len(lines) + [AXIS_COLOR] * len(lines),
                widths=[_RIM] * len(lines) + [1.0] * len(lines),
            )

    def hide_axes(self) -> None:
        """Draw no axes."""
        if AXES in self._layers:
            self._replace_shapes(AXES, [], [])

    def _draw_lines(self) -> None:
        lines = [self._line(prompt) for prompt in self._prompts if prompt.kind != "point"]
        colors = _colors([prompt for prompt in self._prompts if prompt.kind != "point"])
        if self._stroke is not None:
            lines.append(_drawable(self._stroke.world / np.asarray(self.grid.spacing)))
            colors.append(DRAWING)
        if lines or LINES in self._layers:
            self._replace_shapes(LINES, lines, colors)

    def _line(self, prompt: Prompt) -> NDArray[np.float64]:
        path = world_of(prompt.world, self.grid)
        axis = 0 if prompt.axis is None else prompt.axis
        return _drawable(outline_of(prompt.kind, path, axis) / np.asarray(self.grid.spacing))

    def _replace_shapes(
        self, name: str, lines: list[NDArray[np.float64]], colors: list[str], widths: Sequence[float] | None = None
    ) -> None:
        layer = self._layer(name)
        layer.data = []
        if lines:
            wide = [self._width * width for width in widths or [1.0] * len(lines)]
            layer.add(lines, shape_type="path", edge_color=colors, face_color="transparent", edge_width=wide)
        layer.selected_data = set()

    @property
    def _width(self) -> float:
        # napari counts the width of a line in voxels
        return _LINE_MM / min(self.grid.spacing)

    def _layer(self, name: str) -> Points | Shapes:
        """The layer of that name; one that the user has removed is made again."""
        if name not in self._layers or self._layers[name] not in self.viewer.layers:
            active = self.viewer.layers.selection.active
            made: Points | Shapes
            if name == POINTS:
                size = _POINT_MM / min(self.grid.spacing)
                # an open ring: a small lesion is seen through it
                made = Points(
                    ndim=3, name=name, size=size, face_color="transparent", border_width=_RING, **placed(self.grid)
                )
            else:
                made = Shapes(ndim=3, name=name, **placed(self.grid))
            made.editable = False
            self._layers[name] = made
            self.viewer.layers.append(made)
            if active is not None:
                self.viewer.layers.selection.active = active
        return self._layers[name]


def _colors(prompts: Iterable[Prompt]) -> list[str]:
    return [INCLUDE if prompt.positive else EXCLUDE for prompt in prompts]


def _drawable(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """A path needs two different places."""
    if len(path) > 1 and np.ptp(path, axis=0).max() > 1e-6:
        return path
    return np.stack([path[0], path[0] + np.array([0, 0, 0.01])])
