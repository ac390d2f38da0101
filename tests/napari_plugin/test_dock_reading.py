"""Reading at the window: grey levels, scale, crosshair, what moves and what stays, what is asked and what is not."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import opened
from plugin_cases import write_volume_file
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_plugin.case.work import sentence_of
from napari_plugin.viewer.layers import outline_voxels
from napari_plugin.viewer.planes import CROSSHAIR

pytestmark = pytest.mark.display
RIGHT, NONE = Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    return opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)


def right_drag(native: Any, start: QPoint, way: QPoint) -> None:
    drag(native, start, way, RIGHT)


def drag(native: Any, start: QPoint, way: QPoint, pressed: Any) -> None:
    QTest.mouseMove(native, start)
    QTest.mousePress(native, pressed, NONE, start)
    for share in (0.5, 1.0):
        QTest.qWait(40)
        place = QPointF(start) + QPointF(way) * share
        there = QPointF(native.mapToGlobal(place.toPoint()))
        QApplication.sendEvent(
            native, QMouseEvent(QEvent.Type.MouseMove, place, there, Qt.MouseButton.NoButton, pressed, NONE)
        )
    QTest.qWait(40)
    QTest.mouseRelease(native, pressed, NONE, start + way)


def ctrl_wheel(native: Any, notches: int) -> None:
    middle = QPointF(native.width() / 2, native.height() / 2)
    turn = QPoint(0, 120 * notches)
    control, phase = Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase
    there = native.mapToGlobal(middle)
    QApplication.sendEvent(
        native, QWheelEvent(middle, there, QPoint(), turn, Qt.MouseButton.NoButton, control, phase, False)
    )


def test_right_drag_is_the_window_and_ctrl_wheel_the_scale(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    viewer, layer = dock.viewer, dock.controller.layer_of(dock.controller.reference)
    camera, middle = viewer.scene.camera, QPoint(mouse.native.width() // 2, mouse.native.height() // 2)
    zoom, center = camera.zoom, tuple(camera.center)
    low, high = layer.contrast_limits
    right_drag(mouse.native, middle, QPoint(60, 0))
    wider = layer.contrast_limits
    assert wider[1] - wider[0] == pytest.approx((high - low) * 2 ** (60 / 200), rel=0.02)
    right_drag(mouse.native, middle, QPoint(0, -60))
    assert sum(layer.contrast_limits) < sum(wider), "up is brighter"
    assert "Window" in dock.status.text()
    assert (camera.zoom, tuple(camera.center)) == (zoom, center)
    assert dock.editing.session.objects == ()
    mouse.key(Qt.Key.Key_F1)
    assert layer.contrast_limits == pytest.approx([low, high])
    # the middle button does the same, also with the brush active; a double click goes back
    mouse.key(Qt.Key.Key_P)
    drag(mouse.native, middle, QPoint(60, 0), Qt.MouseButton.MiddleButton)
    assert layer.contrast_limits[1] - layer.contrast_limits[0] == pytest.approx(
        (high - low) * 2 ** (60 / 200), rel=0.02
    )
    mouse.key(Qt.Key.Key_Escape)
    QTest.mouseDClick(mouse.native, RIGHT, NONE, middle)
    wait(seconds=0.05)
    assert layer.contrast_limits == pytest.approx([low, high])
    assert camera.zoom == zoom
    assert not dock.editing.session.labels.any()
    here = tuple(viewer.dims.current_step)
    ctrl_wheel(mouse.native, 1)
    assert camera.zoom > zoom
    assert tuple(viewer.dims.current_step) == here
    # the key of a plane keeps the scale that was chosen, and the place
    chosen = camera.zoom
    mouse.key(Qt.Key.Key_9)
    wait(seconds=0.05)
    assert camera.zoom == pytest.approx(chosen)
    assert tuple(viewer.dims.current_step) == here


def test_crosshair_follows_a_prompt_and_is_thin_on_thick_slices(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    array = np.random.default_rng(0).normal(size=(60, 60, 8)).astype(np.float32)
    thick = nibabel.Nifti1Image(array, np.diag([0.43, 0.43, 6.5, 1]))
    nibabel.save(thick, tmp_path / "thick.nii.gz")
    mouse = opened(dock, tmp_path / "thick.nii.gz", wait)
    assert outline_voxels((6.5, 0.43, 0.43)) == 2
    dock.case.planes_button.click()
    wait(seconds=0.4)
    dock.view.go_to((4, 30, 30))
    for model in dock.planes.models:
        line = model.layers[CROSSHAIR]
        assert model.layers[-1] is line, "above the image"
        assert len(set(line.scale)) == 1, "as thick across as along"
        pixels = line.edge_width * line.scale[0] * model.scene.camera.zoom
        assert 1 <= pixels <= 2.5
        ends = np.stack([line.data[:, 0], line.data[:, 0] + line.data[:, 1]]) * line.scale
        np.testing.assert_allclose(np.ptp(ends, axis=0).max(axis=1) > 20, True)
    mouse.key(Qt.Key.Key_G)
    voxel = (4, 20, 41)
    mouse.click(voxel)
    wait(lambda: not dock.editing.answers.running)
    assert tuple(dock.viewer.dims.current_step) == voxel
    mouse.key(Qt.Key.Key_U)
    dock.editing.unsaved = False
    opened(dock, write_volume_file(tmp_path / "second.nii.gz", "RAS"), wait)
    wait(seconds=0.2)
    assert all(model.layers[-1].name == CROSSHAIR for model in dock.planes.models)
    # in 3D the other planes stay as they are
    session = dock.editing.session
    session.paint(dock.editing.new_object(), (slice(4, 8), slice(5, 9), slice(6, 12)))
    dock.view.toggle_surfaces()
    assert all(layer.visible for model in dock.planes.models for layer in model.layers)
    dock.view.toggle_surfaces()
    dock.case.planes_button.click()
    assert dock.planes is None


def test_series_and_planes_take_turns(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("T1", "flair"):
        write_volume_file(folder / f"{name}.nii.gz", "RAS")
    mouse = opened(dock, folder, wait)
    for row in range(2):
        item = dock.case.series.item(row)
        if item.checkState() == Qt.CheckState.Unchecked:
            item.setCheckState(Qt.CheckState.Checked)
            wait(lambda: not dock.controller.jobs.running)
            wait(seconds=0.1)
    height = dock.height()
    dock.case.side_by_side.click()
    wait(seconds=0.3)
    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.3)
    assert dock.canvases.series is None
    assert dock.canvases.planes is not None
    assert dock.case.planes_button.isChecked()
    assert not dock.case.side_by_side.isChecked()
    assert dock.height() == pytest.approx(height, abs=4)
    dock.case.side_by_side.click()
    wait(seconds=0.3)
    assert dock.canvases.planes is None
    dock.case.side_by_side.click()


def test_what_cannot_be_saved_is_said_before_a_file_is_named(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    save = (Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    session = dock.editing.session
    mouse.key(*save)
    assert "nothing to save" in dock.status.text()
    assert not dock.save.menu.isVisible()
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)
    mouse.click(centre)
    wait(lambda: session.candidate is not None)
    mouse.key(*save)
    assert "still open" in dock.status.text()
    mouse.key(Qt.Key.Key_U)
    mouse.key(*save)
    wait(dock.save.menu.isVisible)
    usable = {action.text(): action.isEnabled() for action in dock.save.menu.actions() if action.text()}
    assert not any(enabled for text, enabled in usable.items() if "DICOM" in text)
    assert all("needs DICOM images" in text for text, enabled in usable.items() if not enabled)
    assert sum(usable.values()) == 4
    QTest.keyClick(dock.save.menu, Qt.Key.Key_Escape)


def test_only_work_that_would_be_missed_is_asked_about(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    pressed: list[str] = []

    def press(text: str) -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, lambda: press(text))
            return
        made = next(b for b in box.buttons() if b.text().replace("&", "").startswith(text))
        pressed.append(text)
        QTest.mouseClick(made, Qt.MouseButton.LeftButton)

    dock.editing.new_object()
    assert dock.may_lose_work(), "an empty lesion is no work"
    session = dock.editing.session
    session.paint(dock.editing.active, (slice(0, 2),) * 3)
    other = write_volume_file(tmp_path / "other.nii.gz", "RAS")
    for answer in ("Stay", "Save"):
        QTimer.singleShot(0, lambda answer=answer: press(answer))
        dock.controller.open_paths([other])
        wait(lambda: not dock.controller.jobs.running)
        assert dock.editing.session is session
    assert dock.save.menu.isVisible()
    QTest.keyClick(dock.save.menu, Qt.Key.Key_Escape)
    QTimer.singleShot(0, lambda: press("Leave"))
    dock.controller.open_paths([other])
    wait(lambda: dock.editing.session is not session and not dock.controller.jobs.running)
    assert pressed == ["Stay", "Save", "Leave"]
    assert dock.controller.reference.name == "other"


def test_file_dropped_on_the_canvas_asks_for_no_reader(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    path = write_volume_file(tmp_path / "dropped.nii.gz", "RAS")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    canvas = dock.viewer.window._qt_viewer
    left = Qt.MouseButton.LeftButton
    entered = QDragEnterEvent(QPoint(30, 30), Qt.DropAction.CopyAction, data, left, NONE)
    QApplication.sendEvent(canvas, entered)
    assert entered.isAccepted()
    event = QDropEvent(QPointF(30, 30), Qt.DropAction.CopyAction, data, left, NONE)
    QApplication.sendEvent(canvas, event)
    wait(lambda: dock.editing.session is not None)
    assert dock.controller.reference.name == "dropped"


def test_nothing_moves_under_the_mouse(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    dock.tabs.show_panel(dock.refine)
    session = dock.editing.session
    watched = (dock.refine.accept, dock.findings.table, dock.save.button)
    wait(seconds=0.1)

    def places() -> list[tuple[int, int]]:
        wait(seconds=0.05)
        return [(made.mapTo(dock, QPoint()).x(), made.mapTo(dock, QPoint()).y()) for made in watched]

    before = places()
    dock.controller.say("One word.")
    assert places() == before
    dock.controller.say("A sentence that goes on for as long as it takes to fill three lines of the dock. " * 3)
    assert places() == before
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)
    mouse.click(centre)
    wait(lambda: session.candidate is not None)
    assert places() == before
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_Escape)
    assert places() == before


def test_window_is_for_the_picture_and_says_what_is_open(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    from napari_plugin.widget import Dock

    window = dock.viewer.window._qt_window
    controls = dock.viewer.window._qt_viewer.dockLayerControls
    assert not controls.isVisible(), "napari's controls take a quarter of the window"
    size = window.size()
    window.resize(1280, 800)
    wait(seconds=0.3)
    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.5)
    camera, extent = dock.viewer.scene.camera, dock.viewer.layers.extent.world
    width, height = mouse.native.width(), mouse.native.height()
    shown = [(extent[1][axis] - extent[0][axis]) * camera.zoom for axis in dock.viewer.dims.displayed]
    assert shown[1] <= width
    assert shown[0] <= height
    mouse.key(Qt.Key.Key_F8)
    window.resize(size)
    wait(seconds=0.2)
    # a dock that comes later says what is open, and not to open something
    dock.editing.unsaved = False
    image = dock.controller.reference
    second = Dock(dock.viewer)
    assert image.name in second.status.text()
    assert "Open a study" not in second.status.text()
    second.release()


def test_wording_of_a_read_only_and_of_a_full_disk() -> None:
    assert "free some space" not in sentence_of(OSError(errno.EROFS, "Read-only file system", "/x"))
    assert "free some space" in sentence_of(OSError(errno.ENOSPC, "No space left on device", "/x"))
