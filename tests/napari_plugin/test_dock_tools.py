"""One active tool, by keys that work wherever the focus is, and by the dock's and napari's own buttons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import FakeSegmenter, opened, with_model
from plugin_cases import write_volume_file
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget

pytestmark = pytest.mark.display
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    return opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)


def key(key: Any, modifier: Any = NONE) -> None:
    """To whatever has the focus."""
    QTest.keyClick(QApplication.focusWidget() or QApplication.activeWindow(), key, modifier)


def active_tool(dock: Any) -> list[str]:
    return [name for name, made in dock.refine.tools.items() if made.isChecked()]


def test_letters_take_tools_and_never_rename_or_jump(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    value = dock.editing.new_object()
    session.paint(value, (slice(4, 6), slice(8, 12), slice(10, 20)))
    table = dock.findings.table
    labels = dock.view.layers.labels
    for letter, name, mode in (("P", "brush", "paint"), ("E", "eraser", "erase"), ("F", "fill", "fill")):
        place = table.visualItemRect(table.item(0, 0)).center() + QPoint(20, 0)
        QTest.mouseClick(table.viewport(), LEFT, NONE, place)
        wait(table.hasFocus)
        key(getattr(Qt.Key, f"Key_{letter}"))
        wait(seconds=0.05)
        assert active_tool(dock) == [name]
        assert str(labels.mode) == mode
        assert table.state() != table.State.EditingState
        assert session.object(value).name == "lesion 1"
    # the focus in napari's layer list, another layer selected: the keys are the same
    view = dock.viewer.window._qt_viewer.layers
    image = dock.viewer.layers[0]
    dock.viewer.layers.selection.active = image
    view.setFocus()
    wait(view.hasFocus)
    key(Qt.Key.Key_P)
    wait(seconds=0.05)
    assert dock.viewer.layers.selection.active is labels
    assert str(labels.mode) == "paint"
    # a number box gets its digits, and no letter
    dock.refine.brush_size.setFocus()
    wait(dock.refine.brush_size.hasFocus)
    dock.refine.brush_size.selectAll()
    QTest.keyClicks(dock.refine.brush_size, "9")
    key(Qt.Key.Key_G)
    wait(seconds=0.05)
    assert active_tool(dock) == ["point"]
    assert dock.refine.brush_size.value() == 9
    # a class is typed; after Return letters are tools again
    dock.findings.kind.setFocus()
    wait(dock.findings.kind.hasFocus)
    dock.findings.kind.clear()
    QTest.keyClicks(dock.findings.kind, "glioma")
    key(Qt.Key.Key_Return)
    key(Qt.Key.Key_E)
    wait(seconds=0.05)
    assert session.object(value).class_name == "glioma"
    assert active_tool(dock) == ["eraser"]


def test_the_later_tool_puts_the_earlier_away(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session, labels, tool = dock.editing.session, dock.view.layers.labels, dock.tool
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)
    mouse.key(Qt.Key.Key_P)
    assert (active_tool(dock), tool.kind) == (["brush"], None)
    mouse.click(centre)
    wait(seconds=0.1)
    assert session.labels[tuple(centre)] == 1
    assert session.prompts(1) == ()
    mouse.key(Qt.Key.Key_G)
    mouse.key(Qt.Key.Key_G)
    assert (active_tool(dock), tool.kind, str(labels.mode)) == (["point"], "point", "pan_zoom"), "G again keeps it"
    # napari's own button for erasing
    dock.viewer.layers.selection.active = labels
    controls = dock.viewer.window._qt_viewer.controls.widgets[labels]
    QTest.mouseClick(controls.erase_button, LEFT)
    wait(seconds=0.05)
    assert (active_tool(dock), tool.kind) == (["eraser"], None)
    # a Points layer of the user's, in the mode that adds
    points = dock.viewer.add_points(ndim=3, scale=session.grid.spacing, name="mine")
    mouse.key(Qt.Key.Key_H)
    points.mode = "add"
    assert tool.kind is None
    assert active_tool(dock) == []
    mouse.key(Qt.Key.Key_G)
    assert str(points.mode) == "pan_zoom"
    count = len(points.data)
    mouse.click(np.add(centre, (0, 5, 0)))
    wait(lambda: not dock.editing.answers.running and bool(session.prompts(1)))
    assert len(points.data) == count
    # the brush works although another layer has been selected since
    mouse.key(Qt.Key.Key_P)
    dock.viewer.layers.selection.active = points
    place = np.add(centre, (0, -6, 0))
    mouse.click(place)
    wait(seconds=0.1)
    assert session.labels[tuple(place)] == 1
    mouse.key(Qt.Key.Key_Escape)
    assert active_tool(dock) == ["pan"]
    dock.viewer.layers.remove(points)


def test_brush_is_a_disc_or_a_ball_of_millimetres(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    QTest.mouseClick(dock.refine.tools["brush"], LEFT)
    dock.refine.brush_size.setValue(12)
    mouse.click(centre)
    wait(seconds=0.05)
    assert active_tool(dock) == ["brush"], "a stroke does not put the brush away"
    painted = np.argwhere(session.labels)
    assert set(painted[:, 0]) == {centre[0]}
    reach = (np.ptp(painted, axis=0)[1:] + 1) * session.grid.spacing[1:]
    assert (np.abs(reach - 12) <= 4).all(), "12 mm across, whatever the voxels"
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    QTest.mouseClick(dock.refine.ball, LEFT, NONE, QPoint(8, dock.refine.ball.height() // 2))
    assert dock.refine.ball.isChecked()
    # two presses in one place at once would be a double click, which paints nothing
    wait(seconds=0.001 * QApplication.doubleClickInterval() + 0.1)
    mouse.click(centre)
    wait(seconds=0.05)
    reach = (np.ptp(np.argwhere(session.labels), axis=0) + 1) * session.grid.spacing
    assert (np.abs(reach - 12) <= 4).all()
    size = dock.refine.brush_size.value()
    mouse.key(Qt.Key.Key_BracketRight)
    assert dock.refine.brush_size.value() > size
    mouse.key(Qt.Key.Key_BracketLeft)
    assert dock.refine.brush_size.value() == pytest.approx(size)


def test_keys_work_whichever_tab_is_seen(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    dock.tabs.show_panel(dock.learn)
    wait(seconds=0.1)
    segmenter = FakeSegmenter()
    segmenter.warnings = lambda image: ["the volume is CT, the model was trained on MR."]  # type: ignore[method-assign]
    with_model(dock, segmenter)
    mouse.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not dock.controller.jobs.running)
    # what has to be read is shown
    assert dock.model.warning.isVisible()
    dock.tabs.show_panel(dock.learn)
    mouse.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not dock.controller.jobs.running)
    session = dock.editing.session
    assert session.labels.any()
    for name, made in (("G", "point"), ("H", "scribble"), ("J", "box"), ("K", "lasso"), ("P", "brush")):
        mouse.key(getattr(Qt.Key, f"Key_{name}"))
        assert active_tool(dock) == [made]
    mouse.key(Qt.Key.Key_9)
    assert dock.viewer.dims.order[0] == 1
    mouse.key(Qt.Key.Key_8)
    mouse.key(Qt.Key.Key_G)
    centre = np.array(session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.click(centre)
    wait(lambda: session.candidate is not None)
    mouse.key(Qt.Key.Key_U)
    assert session.candidate is None


def test_keys_work_while_the_dock_floats_and_after_3d(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    holder = dock.parent()
    while not isinstance(holder, QDockWidget):
        holder = holder.parent()
    holder.setFloating(True)
    wait(seconds=0.2)
    try:
        mouse.key(Qt.Key.Key_G)
        assert active_tool(dock) == ["point"]
    finally:
        holder.setFloating(False)
        wait(seconds=0.2)
    dock.viewer.window._qt_window.activateWindow()
    wait(dock.viewer.window._qt_window.isActiveWindow)
    session = dock.editing.session
    session.paint(dock.editing.new_object(), (slice(4, 8), slice(5, 9), slice(6, 12)))
    dock.view.toggle_surfaces()
    mouse.key(Qt.Key.Key_P)
    assert active_tool(dock) == ["pan"]
    assert "slices" in dock.status.text()
    mouse.key(Qt.Key.Key_8)
    assert dock.viewer.layers.selection.active is dock.view.layers.labels
    mouse.key(Qt.Key.Key_P)
    assert str(dock.view.layers.labels.mode) == "paint"


def test_nothing_is_in_hand_when_another_case_is_opened(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse.key(Qt.Key.Key_G)
    mouse.key(Qt.Key.Key_Q)
    assert not dock.tool.positive
    other = opened(dock, write_volume_file(tmp_path / "other.nii.gz", "RAS"), wait)
    assert active_tool(dock) == ["pan"]
    assert dock.tool.positive
    assert dock.refine.include.isChecked()
    other.click(np.array(dock.editing.session.grid.shape) // 2)
    wait(seconds=0.1)
    assert dock.editing.session.objects == ()
