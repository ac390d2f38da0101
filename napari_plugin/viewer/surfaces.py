"""Lesions as surfaces: a mesh, the light on it, and where to look from (no Qt)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Surface
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes

from monai_unet.geometry import bounding_box, grow
from monai_unet.interaction.session import EditSession
from napari_plugin.viewer.hanging import AXES, CAMERA

if TYPE_CHECKING:
    from napari.components import ViewerModel

SURFACE = "Surface"
_LIGHT = np.array([0.5, 0.8, -0.35])
"""Where the light comes from, (S, A, R): from in front, above and the patient's left."""
_DARKEST = 0.3
_SMOOTH_MM = 1.5


def surface_of(session: EditSession, value: int) -> tuple[NDArray[np.float64], NDArray[np.integer]] | None:
    """Vertices (napari world mm) and faces of an object's surface; None where it has no voxel."""
    found = _padded(session, value)
    if found is None:
        return None
    part, start = found
    vertices, faces, _, _ = marching_cubes(part, 0.5)
    return (vertices + start) * np.asarray(session.grid.spacing), faces


def light_on(session: EditSession, value: int, vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How bright each vertex (napari world mm) of an object's surface is, 0 to 1: dark only where it looks away.

    napari's own light comes from behind under a camera with flipped axes.

    Vertices (n, 3) along (S, A, R), brightness (n,).
    """
    found = _padded(session, value)
    assert found is not None
    part, start = found
    spacing = np.asarray(session.grid.spacing)
    # the slope of the smoothed mask: steps of voxels are not seen as terraces
    smooth = ndimage.gaussian_filter(part, _SMOOTH_MM / spacing)
    places = (vertices / spacing - start).T
    slope = [-ndimage.map_coordinates(g, places, order=1) for g in np.gradient(smooth, *spacing)]
    normals = np.stack(slope, axis=-1)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    towards = normals @ (_LIGHT / np.linalg.norm(_LIGHT))
    return _DARKEST + (1 - _DARKEST) * (0.5 + 0.5 * towards) ** 1.5


def surface_layer(session: EditSession, value: int, color: Sequence[float]) -> Surface | None:
    """A napari layer of an object's surface in a colour (RGB 0 to 1); None where it has no voxel."""
    mesh = surface_of(session, value)
    if mesh is None:
        return None
    vertices, faces = mesh
    bright = light_on(session, value, vertices)
    colors = np.concatenate([bright[:, None] * np.asarray(color), np.ones((len(vertices), 1))], axis=1)
    return Surface(
        (vertices, faces),
        name=SURFACE,
        vertex_colors=colors,
        shading="none",
        units=("mm",) * 3,
        axis_labels=AXES,
    )


def look_at(viewer: ViewerModel, layers: Sequence[Surface]) -> None:
    """Turn the camera to the surfaces, from in front of the patient and a little above; they fill the canvas."""
    corners = np.concatenate([layer.data[0] for layer in layers])
    low, high = corners.min(axis=0), corners.max(axis=0)
    camera = viewer.scene.camera
    # under another orientation napari shows the mirror image
    camera.orientation = CAMERA
    viewer.reset_view()
    camera.set_view_direction((-0.25, -1.0, 0.15), (1.0, 0.0, 0.0))
    camera.center = tuple((low + high) / 2)
    camera.zoom = 0.75 * min(viewer.canvas.size) / max(float(np.linalg.norm(high - low)), 1.0)


def _padded(session: EditSession, value: int) -> tuple[NDArray[np.float32], NDArray[np.int_]] | None:
    """An object's mask with a margin of background, which closes what ends at the edge, and its first voxel's index."""
    mask = session.labels == value
    box = bounding_box(mask)
    if box is None:
        return None
    box = grow(box, (1, 1, 1), session.grid.shape)
    return np.pad(mask[box], 1).astype(np.float32), np.array([edge.start for edge in box]) - 1
