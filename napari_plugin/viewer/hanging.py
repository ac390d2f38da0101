"""How a volume hangs in a napari viewer: planes in radiological convention, letters, millimetres (no Qt).

Arrays are in the working frame (S, A, R). napari gets their spacing and nothing else: under an oblique affine it shows
and paints wrong voxels. World coordinates of the viewer are therefore voxel index times spacing, in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.components._viewer_mouse_bindings import dims_scroll, double_click_to_zoom
from napari.components.overlays import TextOverlay
from numpy.typing import ArrayLike, NDArray

from monai_unet.geometry import PLANES, Grid, Plane
from monai_unet.mappings import Json
from napari_plugin.viewer.windows import AUTOMATIC, limits_of, range_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.types import LayerDataTuple

    from napari_plugin.case import OpenImage
    from napari_plugin.viewer.events import MouseEvent

CAMERA = ("away", "up", "left")
"""Orientation of the camera under which (S, A, R) is in radiological convention in all planes, unmirrored in 3D."""

AXES = ("S", "A", "R")
METADATA = "monai_unet"
ORIGINAL = "monai_unet_original"
"""In the metadata of a layer that shows another one again: that other one."""
_SAME_ZOOM, _ALIKE = 0.02, 0.1
_ZOOM = 1.15
"""By one notch of the wheel."""
_SIDES = ("middle_left", "middle_right", "top_center", "bottom_center")
_ENDS = (("S", "I"), ("A", "P"), ("R", "L"))
"""Of each axis of the working frame: the letter of its high end, of its low end."""


def hang(viewer: ViewerModel, *, letters: int = 15) -> None:
    """Prepare a viewer for volumes in (S, A, R): camera, letters, scale bar in mm, the wheel for slices.

    In slices Ctrl with the wheel zooms; in 3D the wheel does. `letters` is the size of R, L, A, P, S, I in points.
    """
    viewer.scene.camera.orientation = CAMERA
    bar = viewer.canvas.overlays.scale_bar
    bar.visible = True
    bar.position = "bottom_right"
    # in every theme: a bright margin around a scan blinds for what is dark in it
    viewer.canvas.background_color_override = "black"
    # a box would hide voxels; the letters stand on the black around the patient
    for side in _SIDES:
        if side not in viewer.canvas.overlays:
            viewer.canvas.overlays[side] = TextOverlay(position=side, color="#ffd75e", font_size=letters, box=False)
    _write_letters(viewer)
    if _on_wheel not in viewer.mouse_wheel_callbacks:
        # napari's own changes the slice with Ctrl, which here changes the scale
        viewer.mouse_wheel_callbacks[:] = [f for f in viewer.mouse_wheel_callbacks if f is not dims_scroll]
        viewer.mouse_wheel_callbacks.append(_on_wheel)
        # a double click enlarges the canvas, or brings the automatic window back
        doubles = viewer.mouse_double_click_callbacks
        doubles[:] = [f for f in doubles if f is not double_click_to_zoom]
        viewer.scene.camera.events.mouse_zoom.connect(lambda event: _keep_wheel_for_slices(viewer))
        viewer.dims.events.ndisplay.connect(lambda event: _keep_wheel_for_slices(viewer))
        _bind_letters(viewer)
        _keep_fit(viewer)
    _keep_wheel_for_slices(viewer)


def show_plane(viewer: ViewerModel, name: str, *, keep_zoom: bool = False) -> None:
    """Show the axial, coronal or sagittal plane through the present position, upright, the right on the left.

    It fills the canvas, or, with `keep_zoom`, keeps the scale that the user has chosen, around the present position.
    """
    zoom = _own_zoom(viewer) if keep_zoom else None
    viewer.dims.ndisplay = 2
    viewer.scene.camera.orientation = CAMERA
    if viewer.dims.ndim == 3:
        viewer.dims.order = PLANES[name].order
    viewer.reset_view()
    if zoom is not None:
        up, across = (viewer.dims.point[axis] for axis in viewer.dims.displayed)
        viewer.scene.camera.zoom = zoom
        viewer.scene.camera.center = (0.0, float(up), float(across))


def _own_zoom(viewer: ViewerModel) -> float | None:
    """The zoom, where it is not that at which the volume just fills the canvas."""
    if viewer.dims.ndisplay != 2 or viewer.dims.ndim != 3:
        return None
    camera = viewer.scene.camera
    zoom, center = camera.zoom, camera.center
    viewer.reset_view()
    fills = camera.zoom
    if abs(zoom / fills - 1) < _SAME_ZOOM:
        return None
    camera.zoom, camera.center = zoom, center
    return float(zoom)


def plane_of(viewer: ViewerModel) -> Plane:
    """The plane that a viewer shows, which may be turned or mirrored; see `upright`."""
    # a layer of four dimensions puts its own before the patient's
    axis = viewer.dims.order[-3:][0] - max(viewer.dims.ndim - 3, 0)
    return next((plane for plane in PLANES.values() if plane.axis == axis), PLANES["axial"])


def upright(viewer: ViewerModel) -> bool:
    """Whether the plane hangs in radiological convention: napari's own buttons turn it, its console mirrors it."""
    order = tuple(viewer.dims.order[-3:])
    return order == plane_of(viewer).order and _orientation(viewer) == CAMERA


def letters_of(viewer: ViewerModel) -> tuple[str, str, str, str]:
    """Patient letters at the left, right, top and bottom of what a viewer shows, whatever its axes and camera are.

    Empty strings where it shows no image of this plugin, 3D, or an axis that is none of the patient's.
    """
    shown = [axis - max(viewer.dims.ndim - 3, 0) for axis in viewer.dims.displayed]
    known = any(METADATA in layer.metadata for layer in viewer.layers)
    if not known or viewer.dims.ndim < 3 or len(shown) != 2 or min(shown) < 0:
        return ("",) * 4
    (up_high, up_low), (side_high, side_low) = (_ENDS[axis] for axis in shown)
    _, vertical, horizontal = _orientation(viewer)
    top, bottom = (up_high, up_low) if vertical == "up" else (up_low, up_high)
    left, right = (side_high, side_low) if horizontal == "left" else (side_low, side_high)
    return left, right, top, bottom


def shown_image(viewer: ViewerModel) -> OpenImage | None:
    """The image that a viewer shows: of those that are seen the one on top; None where none is seen."""
    layer = shown_layer(viewer)
    return None if layer is None else layer.metadata[METADATA]


def shown_layer(viewer: ViewerModel) -> Image | None:
    """Its layer; of a canvas beside the main one, that of the main one, which it follows."""
    for layer in reversed(viewer.layers):
        if METADATA in layer.metadata and layer.visible and layer.opacity > 0:
            found: Image = layer.metadata.get(ORIGINAL, layer)
            return found
    return None


def image_layer(image: OpenImage, *, window: str = AUTOMATIC) -> LayerDataTuple:
    """A napari layer-data tuple of an open image, sharing its memory."""
    data = image.array
    return (
        data,
        {
            "name": image.name,
            "colormap": "gray",
            "interpolation2d": "linear",
            # without them napari searches the whole volume
            "contrast_limits": limits_of(window, data, image.modality, image.grid.spacing),
            "metadata": {METADATA: image},
            **placed(image.grid),
        },
        "image",
    )


def placed(grid: Grid) -> Json:
    """Keywords that put any layer on the voxels of a grid (S, A, R) in napari's world of millimetres."""
    return {"scale": grid.spacing, "units": ("mm",) * 3, "axis_labels": AXES}


def show_between(layer: Image, limits: tuple[float, float]) -> None:
    """Black and white level of an image's layer, in its unit, wherever the ends of its slider are."""
    ends = layer.contrast_limits_range
    if limits[0] < ends[0] or limits[1] > ends[1]:
        layer.contrast_limits_range = (min(limits[0], ends[0]), max(limits[1], ends[1]))
    layer.contrast_limits = limits


def widen_contrast_range(layer: Image) -> None:
    """Let the contrast slider reach every value, which napari limits to the first window given."""
    low, high = range_of(layer.data)
    shown = layer.contrast_limits
    layer.contrast_limits_range = (min(low, shown[0]), max(high, shown[1]))
    layer.contrast_limits = shown


def voxel_of(world: Sequence[float], grid: Grid) -> tuple[int, int, int]:
    """Index (S, A, R) of the voxel at a napari world position; it may lie outside the grid."""
    index = np.rint(np.asarray(world[-3:], dtype=float) / np.asarray(grid.spacing)).astype(int)
    return int(index[0]), int(index[1]), int(index[2])


def patient_of(world: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """napari world positions (..., 3) → patient RAS mm (..., 3).

    World axes (S, A, R), patient axes (R, A, S).
    """
    index = np.asarray(world, dtype=float)[..., -3:] / np.asarray(grid.spacing)
    return grid.to_world(index)


def world_of(patient: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """Patient RAS mm (..., 3) → napari world positions (..., 3).

    World axes (S, A, R), patient axes (R, A, S).
    """
    return grid.to_index(patient) * np.asarray(grid.spacing)


def inside(voxel: Sequence[int], grid: Grid) -> bool:
    """Whether an index (S, A, R) lies in the grid."""
    return all(0 <= i < n for i, n in zip(voxel, grid.shape, strict=True))


def go_to(viewer: ViewerModel, voxel: Sequence[int]) -> None:
    """Move the shown slice, and the crosshair of all planes, to a voxel (S, A, R)."""
    viewer.dims.current_step = tuple(int(i) for i in voxel)


def _on_wheel(viewer: ViewerModel, event: MouseEvent) -> None:
    """One slice for each notch, up is towards superior, anterior, right; with Ctrl the scale, about the cursor."""
    if viewer.dims.ndisplay != 2 or viewer.dims.ndim != 3:
        return
    step = int(np.sign(event.delta[1]))
    if tuple(event.modifiers) == ("Control",):
        camera, factor = viewer.scene.camera, _ZOOM**step
        here = np.asarray([event.position[axis] for axis in viewer.dims.displayed])
        middle = here + (np.asarray(camera.center[-2:]) - here) / factor
        camera.zoom *= factor
        camera.center = (0.0, float(middle[0]), float(middle[1]))
    if len(event.modifiers):
        return
    axis = viewer.dims.order[0]
    viewer.dims.set_current_step(axis, viewer.dims.current_step[axis] + step)


def _keep_wheel_for_slices(viewer: ViewerModel) -> None:
    # napari gives the wheel back to the camera whenever another layer is selected
    zooms = viewer.dims.ndisplay == 3
    if viewer.scene.camera.mouse_zoom != zooms:
        viewer.scene.camera.mouse_zoom = zooms


def _orientation(viewer: ViewerModel) -> tuple[str, str, str]:
    depth, vertical, horizontal = (str(way) for way in viewer.scene.camera.orientation)
    return depth, vertical, horizontal


def _keep_fit(viewer: ViewerModel) -> None:
    """A volume that fills the canvas fills it also when the canvas gets another size; a scale of the user's stays."""
    before = tuple(viewer.canvas.size)

    def fit(event: object = None) -> None:
        nonlocal before
        old, before = before, tuple(viewer.canvas.size)
        if viewer.dims.ndisplay != 2 or viewer.dims.ndim != 3 or not all(old) or shown_layer(viewer) is None:
            return
        camera, extent = viewer.scene.camera, viewer.layers.extent.world
        shown = np.maximum([extent[1][axis] - extent[0][axis] for axis in viewer.dims.displayed], 1e-6)
        zoom, center = camera.zoom, camera.center
        viewer.reset_view()
        filled = camera.zoom * float(np.min(old / shown) / np.min(before / shown))
        if abs(zoom / filled - 1) > _ALIKE:
            camera.zoom, camera.center = zoom, center

    viewer.canvas.events.size.connect(fit)


def _bind_letters(viewer: ViewerModel) -> None:
    """The letters follow whatever changes what is shown: keys and buttons of napari, its console, another layer."""

    def follow(event: object = None) -> None:
        _write_letters(viewer)

    dims, layers = viewer.dims.events, viewer.layers.events
    changes = (dims.order, dims.ndisplay, dims.ndim, viewer.scene.camera.events.orientation)
    for emitter in (*changes, layers.inserted, layers.removed):
        emitter.connect(follow)


def _write_letters(viewer: ViewerModel) -> None:
    for side, letter in zip(_SIDES, letters_of(viewer), strict=True):
        if side in viewer.canvas.overlays:
            viewer.canvas.overlays[side].text = letter
            viewer.canvas.overlays[side].visible = bool(letter)
