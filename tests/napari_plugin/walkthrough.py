"""The walk through docs/radiologist.md, done in a real window; it makes the pictures of that page.

Usage: xvfb-run -a -s "-screen 0 1600x1000x24" python tests/napari_plugin/walkthrough.py docs/images
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton

sys.path.insert(0, str(Path(__file__).parent))
from canvas_mouse import CanvasMouse

from napari_plugin.sample_data import SECOND_MM, SPACING, TUMOUR_MM

WINDOW = (1280, 800)
SHARE = 0.55
"""Of the window's width, at least, for the large picture."""
LEFT = Qt.MouseButton.LeftButton


def save_small(shot: Image.Image, path: Path) -> None:
    """As a PNG of few colours: greys for the scan, and those of the marks, which a palette by frequency would lose."""
    pixels = np.asarray(shot).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels, axis=1) > 40]
    side = int(np.ceil(np.sqrt(max(len(coloured), 1))))
    square = np.zeros((side * side, 3), np.uint8)
    square[: len(coloured)] = coloured
    marks = Image.fromarray(square.reshape(side, side, 3)).quantize(92).getpalette()[: 92 * 3]
    few = shot.quantize(100).getpalette()[: 100 * 3]
    greys = np.repeat(np.linspace(0, 255, 64).round().astype(int), 3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(few + marks + greys)
    shot.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def walk(
    viewer: Any,
    dock: Any,
    wait: Callable[..., None],
    *,
    size: tuple[int, int] = WINDOW,
    picture: Callable[[str], None] = lambda name: None,
    table: Path | None = None,
) -> None:
    """Do the page by mouse and keys: open, outline both tumours, correct, measure, save, look in 3D."""
    window = viewer.window._qt_window
    window.resize(*size)
    wait(seconds=0.3)

    def idle() -> bool:
        return not dock.controller.jobs.running and not dock.editing.answers.running

    viewer.open_sample("monai-unet", "head")
    wait(lambda: idle() and dock.editing.session is not None)
    mouse = CanvasMouse(viewer.window._qt_viewer.canvas, viewer, dock.controller.reference.grid.spacing)
    session, table_view = dock.editing.session, dock.findings.table
    assert dock.status.text().startswith("head_with_tumour")

    def to_slice(place: Any) -> None:
        mouse.wheel(int(place[0]) - viewer.dims.current_step[0])
        wait(lambda: viewer.dims.current_step[0] == int(place[0]))

    def press(made: Any) -> None:
        assert made.isVisible(), made.text()
        assert dock.rect().contains(made.mapTo(dock, made.rect().center())), made.text()
        QTest.mouseClick(made, LEFT)
        wait(seconds=0.05)

    def tab(panel: Any) -> None:
        bar = dock.tabs.tabBar()
        QTest.mouseClick(bar, LEFT, pos=bar.tabRect(dock.tabs.panels.index(panel)).center())
        wait(panel.isVisible)

    def row(number: int) -> None:
        place = table_view.visualItemRect(table_view.item(number, 1)).center()
        QTest.mouseClick(table_view.viewport(), LEFT, pos=place)
        wait(seconds=0.2)

    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.5)
    assert mouse.native.width() >= SHARE * window.width()
    centre = np.rint(np.divide(TUMOUR_MM[0], SPACING)).astype(int)
    second = np.rint(np.divide(SECOND_MM[0], SPACING)).astype(int)
    to_slice(centre)
    picture("open")

    tab(dock.refine)
    mouse.key(Qt.Key.Key_G)
    mouse.click(np.add(centre, (0, 8, 0)))
    wait(lambda: idle() and session.candidate is not None)
    picture("outline")
    mouse.click(np.add(centre, (0, -8, 0)))
    wait(lambda: idle() and len(session.prompts(dock.editing.active)) == 2)
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_N)
    to_slice(second)
    mouse.click(second)
    wait(lambda: idle() and session.candidate is not None)
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_Escape)
    wait(lambda: table_view.rowCount() == 2 and len(dock.findings.findings) == 2)
    row(0)
    press(next(b for b in dock.findings.findChildren(QPushButton) if b.text() == "Fill holes"))
    # the outline stops a little short of the rim's ends
    to_slice(centre)
    mouse.key(Qt.Key.Key_P)
    dock.refine.brush_size.setFocus()
    dock.refine.brush_size.selectAll()
    QTest.keyClicks(dock.refine.brush_size, "4")
    QTest.keyClick(dock.refine.brush_size, Qt.Key.Key_Return)
    for end in (9, -9):
        mouse.drag([np.add(centre, (0, end, -2)), np.add(centre, (0, end, 2))])
    mouse.key(Qt.Key.Key_Escape)
    picture("corrected")

    QTest.mouseClick(dock.findings.axes, LEFT, pos=QPoint(8, dock.findings.axes.height() // 2))
    assert dock.findings.axes.isChecked()
    wait(lambda: sum(lesion is not None for lesion in dock.findings.findings.values()) == 2)
    wait(lambda: not dock.findings._stale and not dock.findings._measuring.running)
    for number in range(2):
        place = table_view.visualItemRect(table_view.item(number, 5))
        QTest.mouseClick(table_view.viewport(), LEFT, pos=QPoint(place.left() + 9, place.center().y()))
        wait(seconds=0.05)
    assert "2 lesions chosen" in dock.findings.total.text()
    row(0)
    picture("findings")
    if table is not None:
        _save_table(dock, mouse, table, wait)

    mouse.key(Qt.Key.Key_F8)
    press(next(b for b in dock.findings.findChildren(QPushButton) if b.text() == "3D surface"))
    assert viewer.dims.ndisplay == 3
    picture("surface")
    mouse.key(Qt.Key.Key_8)
    assert viewer.dims.ndisplay == 2


def _save_table(dock: Any, mouse: CanvasMouse, path: Path, wait: Callable[..., None]) -> None:
    """Ctrl+Shift+S shows the list; the dialog that asks for a name is the system's, and is passed over."""
    mouse.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    wait(dock.save.menu.isVisible)
    assert dock.save.actions_of["table"].isEnabled()
    QTest.keyClick(dock.save.menu, Qt.Key.Key_Escape)
    dock.save.save("table", path)
    wait(lambda: path.is_file() and "Saved" in dock.status.text())


def main(folder: Path) -> None:
    """Start napari as a user does, and walk."""
    home = tempfile.mkdtemp()
    os.environ.update(HOME=home, NAPARI_CONFIG=f"{home}/settings.yaml")
    import napari

    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("monai-unet")

    def wait(condition: Callable[[], bool] = lambda: False, *, seconds: float = 0.0) -> None:
        end = time.monotonic() + (seconds or 600.0)
        while time.monotonic() < end and not condition():
            QApplication.processEvents()
            time.sleep(0.005)

    viewer.window._qt_window.activateWindow()
    wait(seconds=0.3)

    def picture(name: str) -> None:
        # what a change has set off comes in several rounds, each of which takes long on a busy machine
        for _ in range(5):
            wait(seconds=0.2)
        shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        save_small(shot, folder / f"radiologist_{name}.png")

    walk(viewer, dock, wait, picture=picture)
    dock.editing.unsaved = False
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
