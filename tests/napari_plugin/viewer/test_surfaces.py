"""Surfaces of lesions: where they lie, how bright they are, from where they are seen; on `ViewerModel`."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from monai_unet.geometry import Grid
from monai_unet.interaction.session.objects import SegmentObject
from monai_unet.interaction.session.session import EditSession
from napari_plugin.viewer.hanging import hang, placed
from napari_plugin.viewer.surfaces import light_on, look_at, surface_layer, surface_of

GRID = Grid((20, 30, 40), np.array([[0, 0, 1.5, -10], [0, 2.0, 0, 5], [2.5, 0, 0, 7], [0, 0, 0, 1.0]]))
CENTRE, RADIUS_MM = (10, 15, 20), 12.0


@pytest.fixture
def session() -> EditSession:
    made = EditSession(np.zeros(GRID.shape, np.float32), GRID)
    places = np.ogrid[tuple(slice(0, n) for n in GRID.shape)]
    squares = [((p - c) * mm) ** 2 for p, c, mm in zip(places, CENTRE, GRID.spacing, strict=True)]
    ball = (sum(squares) <= RADIUS_MM**2).astype(np.uint16)
    made.import_labels(ball, [SegmentObject(1, "lesion 1")], what="ball")
    return made


def test_surface_of_a_ball_lies_on_the_ball(session: EditSession) -> None:
    mesh = surface_of(session, 1)
    assert mesh is not None
    distances = np.linalg.norm(mesh[0] - np.multiply(CENTRE, GRID.spacing), axis=1)
    # within a voxel's diagonal of the radius
    assert np.abs(distances - RADIUS_MM).max() <= np.linalg.norm(GRID.spacing)
    assert surface_of(session, 7) is None
    assert surface_layer(session, 7, (1, 0, 0)) is None


def test_light_comes_from_in_front_and_above(session: EditSession) -> None:
    mesh = surface_of(session, 1)
    assert mesh is not None
    bright = light_on(session, 1, mesh[0])
    assert 0.3 <= bright.min() < bright.max() <= 1.0
    away = (mesh[0] - np.multiply(CENTRE, GRID.spacing)) / RADIUS_MM
    for axis in (0, 1):
        # towards superior and anterior against inferior and posterior
        assert bright[away[:, axis] > 0.8].mean() > bright[away[:, axis] < -0.8].mean() + 0.2
    layer = surface_layer(session, 1, (1.0, 0.5, 0.0))
    assert layer is not None
    np.testing.assert_allclose(layer.vertex_colors[:, 0], bright, atol=1e-5)
    np.testing.assert_allclose(layer.vertex_colors[:, 1], bright / 2, atol=1e-5)


def test_camera_looks_from_in_front_at_what_fills_the_canvas(session: EditSession) -> None:
    viewer = ViewerModel()
    hang(viewer)
    viewer.add_image(session.image, **placed(GRID))
    layer = surface_layer(session, 1, (1.0, 0.5, 0.0))
    viewer.layers.append(layer)
    viewer.dims.ndisplay = 3
    look_at(viewer, [layer])
    # (S, A, R): towards posterior, superior up
    assert viewer.scene.camera.view_direction[1] < -0.8
    assert viewer.scene.camera.up_direction[0] > 0.8
    np.testing.assert_allclose(viewer.scene.camera.center, np.multiply(CENTRE, GRID.spacing), atol=1.5)
    seen = 2 * RADIUS_MM * viewer.scene.camera.zoom
    assert 0.3 * min(viewer.canvas.size) < seen < min(viewer.canvas.size)
