"""Hand tools by mouse and keys: the lesion under the cursor, a grey range, millimetres; one canvas alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import opened
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

pytestmark = pytest.mark.display
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CENTRE = (10, 30, 30)


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    """A bright cube of 20 × 20 × 12 voxels in a dark volume; voxels of 1 × 1 × 2 mm."""
    array = np.full((60, 60, 20), 10, np.float32)
    array[20:40, 20:40, 4:16] = 100
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), tmp_path / "cube.nii.gz")
    made = opened(dock, tmp_path / "cube.nii.gz", wait)
    dock.view.go_to(CENTRE)
    return made


def marked(dock: Any, *places: tuple[slice, slice, slice]) -> list[int]:
    values = []
    for place in places:
        values.append(dock.editing.new_object())
        dock.editing.session.paint(values[-1], place)
    return values


def press(made: Any) -> None:
    QTest.mouseClick(made, LEFT, NONE, QPoint(8, made.height() // 2))


def test_lesion_under_the_cursor_by_key_and_by_ctrl_click(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    session = dock.editing.session
    first, second = marked(dock, np.s_[8:12, 20:26, 20:26], np.s_[8:12, 34:40, 34:40])
    before = session.labels.copy()
    for tool in (Qt.Key.Key_Escape, Qt.Key.Key_P, Qt.Key.Key_G):
        mouse.key(tool)
        dock.editing.set_active(second)
        QTest.mouseMove(mouse.native, mouse.pixel((10, 22, 22)))
        wait(seconds=0.05)
        QTest.mouseClick(mouse.native, LEFT, Qt.KeyboardModifier.ControlModifier, mouse.pixel((10, 22, 22)))
        wait(seconds=0.05)
        assert dock.editing.active == first
        # background: what was worked on stays, also for the brush
        QTest.mouseClick(mouse.native, LEFT, Qt.KeyboardModifier.ControlModifier, mouse.pixel((10, 50, 10)))
        wait(seconds=0.05)
        assert dock.editing.active == first
        assert dock.view.layers.labels.selected_label == first
        assert "stays" in dock.status.text()
    np.testing.assert_array_equal(session.labels, before)
    assert session.prompts(first) == ()
    mouse.key(Qt.Key.Key_Escape)
    QTest.mouseMove(mouse.native, mouse.pixel((10, 36, 36)))
    wait(seconds=0.1)
    mouse.key(Qt.Key.Key_L)
    assert dock.editing.active == second


def test_brush_limited_to_a_grey_range_and_threshold_in_a_box(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    session = dock.editing.session
    bright = dock.controller.reference.array > 50
    dock.tabs.show_panel(dock.edit)
    dock.edit.low.setValue(50)
    dock.edit.high.setValue(200)
    press(dock.edit.limited)
    assert dock.edit.limited.isChecked()
    mouse.key(Qt.Key.Key_P)
    dock.refine.brush_size.setValue(15)
    mouse.click((10, 30, 20))
    wait(seconds=0.1)
    painted = session.labels > 0
    assert painted.any()
    assert not (painted & ~bright).any()
    np.testing.assert_array_equal(dock.view.layers.labels.data > 0, painted)
    # the eraser is free, and without the limit the brush is too
    press(dock.edit.limited)
    wait(seconds=0.001 * QApplication.doubleClickInterval() + 0.1)
    mouse.click((10, 30, 20))
    wait(seconds=0.1)
    assert ((session.labels > 0) & ~bright).any()
    for _ in range(2):
        mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not session.labels.any()
    mouse.key(Qt.Key.Key_Escape)
    press(dock.edit.threshold_button)
    # from outside the cube into it, 16 by 20 voxels
    mouse.drag([(10, 12, 12), (10, 20, 20), (10, 28, 32)])
    wait(lambda: bool(session.labels.any()))
    found = np.argwhere(session.labels)
    assert not ((session.labels > 0) & ~bright).any()
    np.testing.assert_allclose(found.min(axis=0)[1:], (20, 20), atol=1)
    np.testing.assert_allclose(found.max(axis=0)[1:], (28, 32), atol=1)
    # nothing in the range is said
    dock.edit.low.setValue(500)
    dock.edit.high.setValue(600)
    press(dock.edit.threshold_button)
    mouse.drag([(10, 12, 12), (10, 20, 20), (10, 28, 32)])
    wait(lambda: "grey range" in dock.status.text())


def test_grow_shrink_and_smooth_by_millimetres(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    value, other = marked(dock, np.s_[8:12, 20:30, 20:30], np.s_[8:12, 31:35, 20:30])
    dock.editing.set_active(value)
    dock.findings.table.selectRow(0)
    own = session.labels.copy()
    dock.tabs.show_panel(dock.edit)
    dock.edit.mm.setValue(2)
    press(dock.edit.grow_button)
    grown = session.labels == value
    # 2 mm: one slice of 2 mm, two voxels in the plane, and the other lesion is left alone
    assert grown[7, 25, 25]
    assert not grown[6, 25, 25]
    assert grown[10, 18, 25]
    assert not grown[10, 17, 25]
    assert ((session.labels == other) == (own == other)).all()
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(session.labels, own)
    press(dock.edit.shrink_button)
    assert np.argwhere(session.labels == value).min(axis=0).tolist() == [9, 22, 22]
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    press(dock.edit.smooth_button)
    assert session.labels[10, 25, 25] == value
    assert session.labels[8, 20, 20] == 0, "a corner goes"
    dock.edit.mm.setValue(40)
    press(dock.edit.shrink_button)
    assert "would be left" in dock.status.text()
    assert (session.labels == value).any()


def test_double_click_shows_one_canvas_alone_and_all_again(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.5)
    planes, width, side = dock.planes, mouse.native.width(), dock.planes.width()
    QTest.mouseDClick(mouse.native, LEFT, NONE, mouse.pixel((10, 30, 30)))
    wait(seconds=0.5)
    assert not planes.isVisible()
    assert mouse.native.width() >= width + side - 6, "the picture gets the room, not the dock"
    QTest.mouseDClick(mouse.native, LEFT, NONE, mouse.pixel((10, 30, 30)))
    wait(seconds=0.5)
    assert planes.isVisible()
    assert mouse.native.width() == pytest.approx(width, abs=6)
    # a small canvas: its plane in the large one
    small = CanvasMouse(planes.canvases[0].canvas, planes.models[0], (2, 1, 1))
    QTest.mouseDClick(small.native, LEFT, NONE, QPoint(40, 40))
    wait(seconds=0.3)
    assert not planes.isVisible()
    assert dock.viewer.dims.order[0] == 1
    QTest.mouseDClick(mouse.native, LEFT, NONE, mouse.pixel((10, 30, 30)))
    wait(seconds=0.3)
    assert planes.isVisible()
    assert dock.viewer.dims.order[0] == 0
    # with a tool active a double click is two prompts or strokes, and nothing else
    mouse.key(Qt.Key.Key_G)
    QTest.mouseDClick(mouse.native, LEFT, NONE, mouse.pixel((10, 30, 30)))
    wait(seconds=0.2)
    assert planes.isVisible()
    mouse.key(Qt.Key.Key_F8)
    assert dock.planes is None


def test_outline_ends_where_another_lesion_begins(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    (other,) = marked(dock, np.s_[8:12, 28:40, 33:40])
    dock.editing.new_object()
    mouse.key(Qt.Key.Key_G)
    mouse.click((10, 30, 29))
    wait(lambda: session.candidate is not None)
    outline, asked = dock.view.layers.candidate.data > 0, session.candidate[2].sum()
    assert outline.any()
    assert outline.sum() < asked, "the answer reached into the other lesion"
    assert not (outline & (session.labels == other)).any()
    mouse.key(Qt.Key.Key_U)
    np.testing.assert_array_equal(session.labels == dock.editing.active, outline)
