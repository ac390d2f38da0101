"""Texts that fit, keys that reach everything, both themes, tabs, drag and drop, recovery, closing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import FakeSegmenter, opened, with_model
from plugin_cases import write_volume_file
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QColor, QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QWidget,
)

from monai_unet.interaction.session.objects import SegmentObject

pytestmark = pytest.mark.display
CONTROLS = (QPushButton, QComboBox, QCheckBox, QLineEdit, QListWidget, QTableWidget, QPlainTextEdit, QAbstractSpinBox)


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    made = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)
    labels = np.zeros(dock.editing.session.grid.shape, np.uint16)
    labels[4:9, 6:12, 7:12], labels[12:14, 6:9, 7:9] = 1, 2
    objects = [SegmentObject(1, "glioblastoma", "tumour"), SegmentObject(2, "metastasis", "tumour")]
    dock.editing.import_labels(labels, objects, "test", {})
    wait(lambda: len(dock.findings.findings) == 2)
    return made


def controls(dock: Any) -> list[Any]:
    """What the user can work with, shown now."""
    return [
        widget
        for widget in dock.findChildren(QWidget)
        if isinstance(widget, CONTROLS)
        and widget.isVisible()
        and not isinstance(widget.parent(), (QComboBox, QAbstractSpinBox))
    ]


def test_texts_of_buttons_and_names_of_lesions_fit(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    from napari_plugin.widget import WIDTH

    dock.model._warn(["the volume is CT, the model was trained on MR."])
    dock.resize(WIDTH, dock.height())
    cut = {}
    for panel in dock.tabs.panels:
        dock.tabs.show_panel(panel)
        wait(seconds=0.1)
        for made in dock.findChildren(QPushButton):
            if made.isVisible():
                needed = made.fontMetrics().horizontalAdvance(made.text()) + 6
                if needed > made.width():
                    cut[made.text()] = (needed, made.width())
    assert cut == {}
    table = dock.findings.table
    # the name beside its tick and its colour, in the width that is left of the columns of numbers
    name = table.fontMetrics().horizontalAdvance("glioblastoma") + 45
    assert table.columnWidth(0) >= name
    assert sum(table.columnWidth(column) for column in range(table.columnCount())) <= table.width()


def test_every_control_says_what_it_does(dock: Any, mouse: CanvasMouse) -> None:
    shown = set()
    for panel in dock.tabs.panels:
        dock.tabs.show_panel(panel)
        shown |= set(controls(dock))
    assert len(shown) > 30
    assert [widget for widget in shown if not widget.toolTip()] == []


def test_tab_reaches_every_control(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    for panel in dock.tabs.panels:
        dock.tabs.show_panel(panel)
        wait(seconds=0.05)
        wanted = {widget for widget in controls(dock) if widget.isEnabled()}
        first = next(made for made in panel.findChildren(QPushButton) if made in wanted)
        first.setFocus()
        wait(first.hasFocus)
        reached = {first}
        # once around the window, whatever of napari's is shown in it
        for _ in range(1000):
            QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
            if first.hasFocus():
                break
            reached.add(QApplication.focusWidget())
        assert first.hasFocus(), "Tab is held fast somewhere"
        assert {widget.toolTip() for widget in wanted - reached} == set(), panel.name


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_are_legible_and_the_canvas_stays_black(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None], theme: str
) -> None:
    from napari.settings import get_settings

    appearance = get_settings().appearance
    before = appearance.theme
    try:
        dock.tabs.show_panel(dock.case)
        appearance.theme = theme
        wait(seconds=0.2)
        for widget in (dock.case.file_button, dock.findings.table.viewport(), dock.status):
            assert contrast_in(widget) >= 4.5, widget
        np.testing.assert_allclose(dock.viewer.canvas.background_color[:3], 0)
    finally:
        appearance.theme = before


def contrast_in(widget: Any) -> float:
    """Contrast ratio (WCAG 2) between the brightest and the darkest pixel."""
    image = widget.grab().toImage()
    colors = [QColor(image.pixel(x, y)) for x in range(image.width()) for y in range(image.height())]
    bright = [luminance(color) for color in colors]
    return (max(bright) + 0.05) / (min(bright) + 0.05)


def luminance(color: QColor) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_tabs_by_mouse_move_nothing_below_and_are_remembered(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    from napari_plugin.settings import setting

    tabs = dock.tabs
    places = set()
    for index in range(tabs.count()):
        QTest.mouseClick(tabs.tabBar(), Qt.MouseButton.LeftButton, pos=tabs.tabBar().tabRect(index).center())
        wait(seconds=0.05)
        assert [panel.isVisible() for panel in tabs.panels] == [i == index for i in range(tabs.count())]
        assert setting("tab") == tabs.panels[index].name
        places.add((dock.findings.table.mapTo(dock, QPoint()).y(), dock.save.button.mapTo(dock, QPoint()).y()))
    assert len(places) == 1
    # what has to be read comes forward
    dock.model._done(["the volume is CT, the model was trained on MR."])
    assert dock.model.warning.isVisible()


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000)])
def test_picture_first_and_nothing_scrolls(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None], size: tuple[int, int]
) -> None:
    window, before = dock.window(), dock.window().size()
    window.resize(*size)
    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.5)
    try:
        assert mouse.native.width() >= 0.55 * window.width()
        for panel in dock.tabs.panels:
            dock.tabs.show_panel(panel)
            wait(seconds=0.05)
            area = dock.tabs.currentWidget()
            assert area.verticalScrollBar().maximum() == 0, panel.name
            for made in (*panel.findChildren(QPushButton), *dock.findings.findChildren(QPushButton), dock.save.button):
                if made.isVisible():
                    assert dock.rect().contains(made.mapTo(dock, made.rect().bottomRight())), made.text()
        assert dock.findings.table.viewport().height() >= 3 * 22
        column = [dock.tabs, dock.findings, dock.save, dock.position_line, dock.status]
        rows = [dock.findings.rows.itemAt(index).widget() for index in range(dock.findings.rows.count())]
        for widgets in (column, rows):
            for above, below in pairwise(widgets):
                gap = below.mapTo(dock, QPoint()).y() - above.mapTo(dock, above.rect().bottomLeft()).y()
                assert 0 < gap < 20, "nothing lies over another, and no room is left over"
        # napari's own list and controls by one key, and away again
        shown = dock.viewer.window._qt_viewer.dockLayerList
        assert not shown.isVisible()
        mouse.key(Qt.Key.Key_F9)
        assert shown.isVisible()
        assert dock.viewer.window._qt_viewer.dockLayerControls.isVisible()
        mouse.key(Qt.Key.Key_F9)
        assert not shown.isVisible()
    finally:
        mouse.key(Qt.Key.Key_F8)
        window.resize(before)
        wait(seconds=0.2)


def test_file_dropped_on_the_dock_is_opened(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    path = write_volume_file(tmp_path / "dropped.nii.gz", "RAS")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(QPoint(20, 20), Qt.DropAction.CopyAction, data, left, none)
    QApplication.sendEvent(dock, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(dock, QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, data, left, none))
    wait(lambda: dock.editing.session is not None)
    assert dock.controller.reference.name == "dropped"


def test_file_dropped_on_the_window_goes_to_the_dock(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    # what napari's window does with a dropped file once the user has chosen the reader
    dock.viewer.open(write_volume_file(tmp_path / "named.nii.gz", "RAS"), plugin="monai-unet")
    wait(lambda: dock.editing.session is not None)
    assert dock.controller.reference.name == "named"
    assert dock.viewer.layers[0].name == "named"


def test_work_that_was_not_saved_is_offered_and_comes_back(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    kept = dock.editing.session.labels.copy()
    assert dock.editing.unsaved
    dock.controller.close_case()
    assert dock.editing.session is None
    opened(dock, tmp_path / "volume.nii.gz", wait)
    assert not dock.editing.session.labels.any()
    assert dock.recovery.isVisibleTo(dock)
    assert "was not saved" in dock.recovery.line.text()
    dock.recovery.recover.click()
    np.testing.assert_array_equal(dock.editing.session.labels, kept)
    np.testing.assert_array_equal(dock.view.layers.labels.data, kept)
    assert not dock.recovery.isVisibleTo(dock)
    dock.editing.undo()
    assert not dock.editing.session.labels.any()


def test_the_dock_stays_narrow_when_the_other_planes_go(dock: Any, wait: Callable[..., None]) -> None:
    window = dock.window()
    size = window.size()
    window.resize(1500, 900)
    wait(seconds=0.5)
    before = dock.width()
    dock.canvases.toggle_planes()
    wait(seconds=0.5)
    dock.canvases.toggle_planes()
    wait(seconds=0.5)
    after = dock.width()
    window.resize(size)
    wait(seconds=0.2)
    assert after <= before + 5


def test_surfaces_stand_alone_and_a_plane_brings_the_slices_back(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    viewer = dock.viewer
    shown = {layer.name for layer in viewer.layers if layer.visible}
    place = tuple(low + 2 * step for low, _, step in viewer.dims.range)
    viewer.dims.point = place
    dock.view.toggle_surfaces()
    assert viewer.dims.ndisplay == 3
    assert {layer.name.partition(" [")[0] for layer in viewer.layers if layer.visible} == {"Surface"}
    # radiological in 3D too: from in front the patient's right, where array indices are high, is on the left
    assert viewer.scene.camera.view_direction[1] < -0.8
    mouse.key(Qt.Key.Key_9)
    assert viewer.dims.ndisplay == 2
    assert {layer.name for layer in viewer.layers if layer.visible} == shown
    np.testing.assert_allclose(viewer.dims.point, place)


def test_closing_asks_for_unsaved_work_and_ends_a_running_model(
    dock: Any, tmp_path: Path, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari

    from napari_plugin.widget import Dock

    second = napari.Viewer(show=True)
    other = Dock(second)
    second.window.add_dock_widget(other, area="right")
    opened(other, write_volume_file(tmp_path / "other.nii.gz", "RAS"), wait)
    other.editing.session.paint(other.editing.new_object(), (slice(0, 2),) * 3)
    segmenter = FakeSegmenter(tiles=100_000)
    with_model(other, segmenter)
    other.model.segment_button.click()
    wait(lambda: other.progress.value() > 2)
    window = second.window._qt_window
    answers = iter(("stay", "leave"))
    monkeypatch.setattr("napari_plugin.widget.ask_unsaved", lambda parent: next(answers))
    assert not window.close()
    assert window.isVisible()
    assert other.controller.jobs.running
    session = other.editing.session
    second.close()
    wait(lambda: segmenter.closed)
    # kept for recovery, although the user left it
    assert dock.editing.journals.left_behind(session) is not None
    dock.viewer.window._qt_window.activateWindow()
