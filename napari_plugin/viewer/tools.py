"""Prompts by mouse: one tool at a time, the same on the main canvas and on the side canvases (no Qt).

A tool listens to the viewer, not to a layer, so that it works whichever layer is selected; while it is active the
mouse buttons do not move the picture, and the wheel changes the slice as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Grid
from monai_unet.interaction import Prompt, PromptKind
from napari_plugin.viewer.hanging import patient_of, plane_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_plugin.viewer.events import MouseEvent

TOOLS: tuple[PromptKind, ...] = ("point", "scribble", "box", "lasso")
_LEAST_MM = 1e-3


@dataclass(eq=False)
class Stroke:
    """What is being drawn: napari world positions (N, 3), shown until the button is released."""

    kind: PromptKind
    world: NDArray[np.float64]


class PromptTool:
    """Turns mouse strokes on viewers into prompts.

    Attributes:
        kind: the active tool, None for none.
        positive: whether it says "belongs to it" or "does not".
        radius_mm: half width of a scribble.
        region: when set, the next box goes there as two patient positions (2, 3) and not to the session.
    """

    def __init__(
        self,
        grid: Callable[[], Grid | None],
        submit: Callable[[Prompt], None],
        *,
        drawing: Callable[[Stroke | None], None] = lambda stroke: None,
        series_in: Callable[[ViewerModel], str | None] = lambda viewer: "",
    ) -> None:
        """Args: `series_in` names the series that a viewer shows, which a prompt is about; None where it shows none."""
        self._grid, self._submit, self._drawing, self._series_in = grid, submit, drawing, series_in
        self.kind: PromptKind | None = None
        self.positive = True
        self.radius_mm = 0.0
        self.region: Callable[[NDArray[np.float64]], None] | None = None
        self._viewers: list[ViewerModel] = []

    def attach(self, viewer: ViewerModel) -> None:
        """Listen to a viewer's mouse."""
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.scene.camera.events.mouse_pan.connect(self._on_mouse_pan)
        self._viewers.append(viewer)
        self._hold_camera(viewer)

    def detach(self) -> None:
        """Give every viewer its mouse back."""
        self.choose(None)
        for viewer in self._viewers:
            if self._on_press in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._on_press)
                viewer.scene.camera.events.mouse_pan.disconnect(self._on_mouse_pan)
        self._viewers = []

    def choose(self, kind: PromptKind | None) -> None:
        """Make a tool the active one, or put it away."""
        self.kind = kind
        if kind != "box":
            self.region = None
        for viewer in self._viewers:
            self._hold_camera(viewer)

    def _hold_camera(self, viewer: ViewerModel) -> None:
        viewer.scene.camera.mouse_pan = self.kind is None
        viewer.cursor.style = "standard" if self.kind is None else "cross"

    def _on_mouse_pan(self, event: Event) -> None:
        # napari lets the camera go whenever another layer is selected
        if self.kind is not None and event.source.mouse_pan:
            event.source.mouse_pan = False

    def _on_press(self, viewer: ViewerModel, event: MouseEvent) -> Generator[None, None, None] | None:
        grid = self._grid()
        if self.kind is None or grid is None or event.button != 1 or viewer.dims.ndisplay != 2:
            return None
        if "Control" in event.modifiers:
            # takes the lesion under the cursor
            return None
        return self._stroke(viewer, event, grid, self.kind)

    def _stroke(
        self, viewer: ViewerModel, event: MouseEvent, grid: Grid, kind: PromptKind
    ) -> Generator[None, None, None]:
        # Shift turns include into exclude for one stroke, as in nnInteractive and micro-sam
        positive = self.positive != ("Shift" in event.modifiers)
        path = [np.asarray(event.position, dtype=float)]
        yield
        while event.type == "mouse_move":
            path.append(np.asarray(event.position, dtype=float))
            if kind != "point":
                self._drawing(Stroke(kind, outline_of(kind, np.array(path), plane_of(viewer).axis)))
            yield
        self._drawing(None)
        path.append(np.asarray(event.position, dtype=float))
        prompt = self._prompt(kind, positive, _distinct(np.array(path)), plane_of(viewer).axis, grid)
        series = None if prompt is None else self._series_in(viewer)
        if prompt is None or series is None:
            return
        prompt = replace(prompt, series=series)
        if self.region is not None and kind == "box":
            region, self.region = self.region, None
            region(prompt.world)
        else:
            self._submit(prompt)

    def _prompt(
        self, kind: PromptKind, positive: bool, path: NDArray[np.float64], axis: int, grid: Grid
    ) -> Prompt | None:
        """None for a stroke too short to mean anything: a box or lasso that is a mere click."""
        if kind == "point":
            # where the button went down: the hand may slip before it is released
            return Prompt("point", positive, patient_of(path[:1], grid))
        if kind == "box":
            return Prompt("box", positive, patient_of(path[[0, -1]], grid), axis) if len(path) > 1 else None
        if kind == "lasso":
            return Prompt("lasso", positive, patient_of(path, grid), axis) if len(path) > 2 else None
        return Prompt("scribble", positive, patient_of(path, grid), axis, self.radius_mm)


def outline_of(kind: PromptKind, path: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The line to draw for a stroke (N, 3) in the plane across `axis`: a box's four corners, a closed lasso.

    Positions are napari's world, mm along (S, A, R).
    """
    if kind == "box":
        first, last = path[0], path[-1]
        across = [a for a in range(3) if a != axis]
        corners = np.repeat(first[None], 5, axis=0)
        corners[1:3, across[0]] = last[across[0]]
        corners[2:4, across[1]] = last[across[1]]
        return corners
    return np.concatenate([path, path[:1]]) if kind == "lasso" else path


def _distinct(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without positions that repeat the one before."""
    kept = np.ones(len(path), dtype=bool)
    kept[1:] = np.linalg.norm(np.diff(path, axis=0), axis=1) > _LEAST_MM
    return path[kept]
