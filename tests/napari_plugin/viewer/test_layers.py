"""napari's brush on the session's array, undone by the session, on `ViewerModel`."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from plugin_cases import BallAnswerer

from monai_unet.geometry import Grid
from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.session.session import EditSession
from napari_plugin.viewer.hanging import placed, show_plane
from napari_plugin.viewer.layers import SessionLayers
from napari_plugin.viewer.marks import AXES, LINES, POINTS, MarkLayers

GRID = Grid((10, 20, 24), np.array([[0, 0, 1.5, -10], [0, 2.0, 0, 5], [2.5, 0, 0, 7], [0, 0, 0, 1.0]]))


@pytest.fixture
def shown() -> tuple[ViewerModel, EditSession, SessionLayers]:
    viewer = ViewerModel()
    session = EditSession(np.zeros(GRID.shape, np.float32), GRID)
    viewer.add_image(session.image, **placed(GRID))
    session.add_object("lesion 1")
    layers = SessionLayers(
        viewer, session, opacity=0.4, record=session.record_external_change, chosen=lambda value: None
    )
    session.subscribe(layers.show)
    show_plane(viewer, "axial")
    return viewer, session, layers


def test_layer_and_session_share_one_array(shown: tuple[ViewerModel, EditSession, SessionLayers]) -> None:
    _, session, layers = shown
    assert layers.labels.data is session.labels


def test_brush_stroke_is_one_step_and_undone_to_the_bit(shown: tuple[ViewerModel, EditSession, SessionLayers]) -> None:
    _, session, layers = shown
    layers.choose(1)
    with layers.labels.block_history():
        layers.labels.paint((4, 8, 9), 1)
        layers.labels.paint((4, 8, 11), 1)
    painted = session.labels.copy()
    assert painted.any()
    assert session.undo_text.startswith("brush")
    session.undo()
    assert not session.labels.any()
    session.redo()
    np.testing.assert_array_equal(session.labels, painted)
    layers.labels.fill((4, 8, 9), 0)
    assert not session.labels.any()
    session.undo()
    np.testing.assert_array_equal(session.labels, painted)


def test_locked_lesion_survives_the_brush(shown: tuple[ViewerModel, EditSession, SessionLayers]) -> None:
    _, session, layers = shown
    session.paint(1, (slice(4, 5), slice(8, 10), slice(9, 12)))
    before = session.labels.copy()
    session.update_object(1, locked=True)
    layers.labels.selected_label = 2
    layers.labels.brush_size = 30
    layers.labels.paint((4, 9, 10), 2)
    np.testing.assert_array_equal(session.labels == 1, before == 1)
    assert (session.labels == 2).any()


def test_candidate_is_an_outline_and_leaves_the_label_map(
    shown: tuple[ViewerModel, EditSession, SessionLayers],
) -> None:
    _, session, layers = shown
    answerer = BallAnswerer()
    answerer.start(session.image, GRID)
    place = (GRID.affine @ [5, 10, 12, 1.0])[:3]
    session.add_prompt(1, Prompt("point", True, place[None]), answerer, candidate=True)
    assert not session.labels.any()
    assert layers.candidate.contour == 1
    shown_mask = layers.candidate.data.astype(bool)
    assert shown_mask[5, 10, 12]
    session.accept()
    assert not layers.candidate.data.any()
    np.testing.assert_array_equal(session.labels == 1, shown_mask)
    session.undo()
    np.testing.assert_array_equal(layers.candidate.data.astype(bool), shown_mask)


def test_hidden_object_is_transparent_and_colours_are_the_sessions(
    shown: tuple[ViewerModel, EditSession, SessionLayers],
) -> None:
    _, session, layers = shown
    session.update_object(1, color=(255, 0, 51))
    np.testing.assert_allclose(layers.labels.colormap.color_dict[1], [1, 0, 0.2, 1], atol=1e-6)
    session.set_visible(1, False)
    assert layers.labels.colormap.color_dict[1][3] == 0


def test_marks_lie_at_their_voxels(shown: tuple[ViewerModel, EditSession, SessionLayers]) -> None:
    viewer, _, _ = shown
    marks = MarkLayers(viewer, GRID)
    place = (GRID.affine @ [5, 10, 12, 1.0])[:3]
    line = np.array([(GRID.affine @ [5, 10, k, 1.0])[:3] for k in (3, 9)])
    marks.show_prompts([Prompt("point", True, place[None]), Prompt("scribble", False, line, 0)])
    np.testing.assert_allclose(viewer.layers[POINTS].data, [[5, 10, 12]], atol=1e-9)
    np.testing.assert_allclose(viewer.layers[LINES].data[0], [[5, 10, 3], [5, 10, 9]], atol=1e-9)
    assert viewer.layers.selection.active.name == "Segmentation"
    marks.remove()
    assert POINTS not in viewer.layers
    assert AXES not in viewer.layers
