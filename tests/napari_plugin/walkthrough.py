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
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

sys.path.insert(0, str(Path(__file__).parent))
from canvas_mouse import CanvasMouse

from napari_plugin.sample_data import SECOND_MM, SPACING, TUMOUR_MM

WINDOW = (1500, 940)


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


def walk(viewer: Any, dock: Any, folder: Path, wait: Callable[..., None]) -> None:
    """Open the sample, outline both tumours, correct, measure, look in 3D; a picture at each stop."""
    viewer.window.resize(*WINDOW)
    wait(seconds=0.2)

    def idle() -> bool:
        return not dock.controller.jobs.running and not dock.editing.answers.running

    def picture(name: str) -> None:
        # what a change has set off comes in several rounds, each of which takes long on a busy machine
        for _ in range(5):
            wait(seconds=0.2)
        shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        save_small(shot, folder / f"radiologist_{name}.png")

    viewer.open_sample("monai-unet", "head")
    wait(idle)
    mouse = CanvasMouse(viewer.window._qt_viewer.canvas, viewer, dock.controller.reference.grid.spacing)
    mouse.key(Qt.Key.Key_F8)
    wait(seconds=0.5)
    centre = np.rint(np.divide(TUMOUR_MM[0], SPACING)).astype(int)
    rim = np.add(centre, (0, 8, 0))
    dock.view.go_to(tuple(rim))
    picture("open")

    mouse.key(Qt.Key.Key_G)
    mouse.click(rim)
    wait(idle)
    picture("outline")

    mouse.click(np.add(centre, (0, -8, 0)))
    wait(idle)
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_N)
    second = np.rint(np.divide(SECOND_MM[0], SPACING)).astype(int)
    dock.view.go_to(tuple(second))
    wait(seconds=0.2)
    mouse.click(second)
    wait(idle)
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_Escape)
    dock.view.go_to(tuple(centre))
    dock.findings.table.cellClicked.emit(0, 1)
    dock.findings.table.selectRow(0)
    wait(seconds=0.2)
    next(b for b in dock.findings.findChildren(QPushButton) if b.text() == "Fill holes").click()
    # the outline stops a little short of the rim's ends
    mouse.key(Qt.Key.Key_P)
    dock.view.layers.labels.brush_size = 3
    for end in (9, -9):
        mouse.drag([np.add(centre, (0, end, -2)), np.add(centre, (0, end, 2))])
    mouse.key(Qt.Key.Key_Escape)
    picture("corrected")

    dock.findings.axes.setChecked(True)
    wait(lambda: sum(lesion is not None for lesion in dock.findings.findings.values()) == 2)
    for panel in (dock.model, dock.refine):
        panel.setChecked(False)
    dock.findings.table.cellClicked.emit(0, 1)
    picture("findings")

    dock.case.planes_button.click()
    dock.controller.say(dock.view.toggle_surfaces())
    picture("surface")
    dock.controller.say(dock.view.toggle_surfaces())


def main(folder: Path) -> None:
    """Start napari as a user does, and walk."""
    home = tempfile.mkdtemp()
    os.environ.update(HOME=home, NAPARI_CONFIG=f"{home}/settings.yaml")
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("monai-unet")

    def wait(condition: Callable[[], bool] = lambda: False, *, seconds: float = 0.0) -> None:
        end = time.monotonic() + (seconds or 600.0)
        while time.monotonic() < end and not condition():
            QApplication.processEvents()
            time.sleep(0.005)

    viewer.window._qt_window.activateWindow()
    wait(seconds=0.3)
    walk(viewer, dock, folder, wait)
    dock.editing.unsaved = False
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
