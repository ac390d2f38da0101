"""Layers deleted, moved, renamed, hidden or left over: the dock stays right, or says in one sentence what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import opened
from plugin_cases import write_volume_file
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

pytestmark = pytest.mark.display


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    return opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)


def delete_in_layer_list(dock: Any, layer: Any, wait: Callable[..., None]) -> None:
    """Select it in napari's layer list and press Del, as a slip does."""
    dock.viewer.layers.selection.active = layer
    view = dock.viewer.window._qt_viewer.layers
    view.setFocus()
    wait(view.hasFocus)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Delete)
    wait(seconds=0.2)


def test_a_deleted_segmentation_comes_back_and_works(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    value = dock.editing.new_object()
    session.paint(value, (slice(2, 4), slice(2, 4), slice(2, 4)))
    for layer in (dock.view.layers.labels, dock.view.layers.candidate):
        delete_in_layer_list(dock, layer, wait)
        assert layer in dock.viewer.layers
        assert "is back" in dock.status.text()
    assert session.labels.sum() == 8
    mouse.key(Qt.Key.Key_P)
    mouse.click(centre)
    wait(seconds=0.1)
    assert session.labels[tuple(centre)] == value
    mouse.key(Qt.Key.Key_G)
    mouse.click(np.add(centre, (0, 6, 0)))
    wait(lambda: session.candidate is not None)
    # the layer of the prompts, deleted, is made again with the next one
    delete_in_layer_list(dock, dock.viewer.layers["Prompts"], wait)
    mouse.click(np.add(centre, (0, 6, 3)))
    wait(lambda: len(session.prompts(value)) == 2 and not dock.editing.answers.running)
    assert len(dock.viewer.layers["Prompts"].data) == 2


def test_moved_hidden_and_renamed_layers(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    viewer, session, labels = dock.viewer, dock.editing.session, dock.view.layers.labels
    image = dock.controller.layer_of(dock.controller.reference)
    for layer in (image, labels):
        # what a drag with napari's transform tool does
        layer.affine = np.array([[1, 0, 0, 3], [0, 1, 0, 9], [0, 0, 1, -4], [0, 0, 0, 1.0]])
        np.testing.assert_allclose(layer.affine.affine_matrix, np.eye(4))
        layer.scale = (1, 1, 1)
        np.testing.assert_allclose(layer.scale, session.grid.spacing)
        assert "put back" in dock.status.text()
    viewer.layers.move(viewer.layers.index(labels), 0)
    wait(seconds=0.1)
    assert viewer.layers.index(labels) > viewer.layers.index(image)
    labels.name, image.name = "mask", "picture"
    labels.visible = dock.view.layers.candidate.visible = False
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)
    mouse.click(centre)
    wait(lambda: session.candidate is not None)
    assert dock.view.layers.candidate.visible
    mouse.key(Qt.Key.Key_U)
    assert labels.visible
    assert session.labels.any()


def test_image_closed_in_the_middle_of_an_answer_is_said(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    centre = np.array(dock.editing.session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)
    mouse.click(centre)
    delete_in_layer_list(dock, dock.controller.layer_of(dock.controller.reference), wait)
    wait(lambda: not dock.editing.answers.running)
    assert dock.editing.session is None
    assert [layer.name for layer in dock.viewer.layers] == []
    assert "was closed with its work" in dock.status.text()
    assert dock.case.geometry_line.text().startswith("Open a study")


def test_nothing_of_the_last_patient_stays(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, session = dock.viewer, dock.editing.session
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    # New points layer of napari, by its button, and a point far outside the next patient
    QTest.mouseClick(viewer.window._qt_viewer.layerButtons.newPointsButton, Qt.MouseButton.LeftButton)
    made = viewer.layers[-1]
    made.data = [[0, 0, 0], [400, 0, 0]]
    # a mouse that stands there already gives no event
    QTest.mouseMove(mouse.native, mouse.pixel(np.add(centre, (0, 1, 0))))
    QTest.mouseMove(mouse.native, mouse.pixel(centre))
    wait(lambda: dock.position_line.text() != "")
    dock.case.set_window("lung")
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]

    def question(parent: Any, title: str, text: str, *buttons: Any) -> Any:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", question)
    other = write_volume_file(tmp_path / "other.nii.gz", "RAS")
    dock.controller.open_paths([other])
    wait(lambda: not dock.controller.jobs.running)
    assert dock.editing.session is session, "Cancel stays with the case"
    opened(dock, other, wait)
    assert len(asked) == 2
    assert all(made.name in text for text in asked)
    assert dock.controller.reference.name == "other"
    assert made not in viewer.layers
    assert viewer.dims.nsteps == dock.controller.reference.grid.shape
    assert dock.position_line.text() == ""
    assert dock.case.grey_window.currentData() == "automatic"
    assert "volume" not in dock.status.text()


def test_readout_forgets_a_deleted_lesion(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    value = dock.editing.new_object()
    session.paint(value, tuple(slice(c - 2, c + 3) for c in centre))
    QTest.mouseMove(mouse.native, mouse.pixel(np.add(centre, (0, 1, 0))))
    QTest.mouseMove(mouse.native, mouse.pixel(centre))
    wait(lambda: "lesion 1" in dock.position_line.text())
    session.delete_object(value)
    assert "lesion 1" not in dock.position_line.text()
    # a layer of time over the case: prompts would not know where they are
    extra = dock.viewer.add_image(np.zeros((2, 3, 4, 5)), name="film")
    assert "film has 4 dimensions" in dock.status.text()
    dock.refine.choose("point")
    mouse.click(centre)
    wait(seconds=0.1)
    assert session.objects == ()
    dock.viewer.layers.remove(extra)
