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

sys.path.insert(0, str(Path(__file__).parent))
from canvas_mouse import CanvasMouse

from napari_plugin.sample_data import SECOND_MM, SPACING, TUMOUR_MM

WINDOW = (1500, 940)


def walk(viewer: Any, dock: Any, folder: Path, wait: Callable[..., None]) -> None:
    """Open the sample, outline both tumours, correct, measure, look in 3D; a picture at each stop."""
    viewer.window.resize(*WINDOW)
    wait(seconds=0.2)

    def idle() -> bool:
        return not dock.controller.jobs.running and not dock.editing.answers.running

    def picture(name: str) -> None:
        wait(seconds=0.6)
        shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
        shot.quantize(256).save(folder / f"radiologist_{name}.png", optimize=True)

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
    picture("corrected")
    mouse.key(Qt.Key.Key_U)
    mouse.key(Qt.Key.Key_Escape)

    dock.findings.axes.setChecked(True)
    wait(lambda: sum(lesion is not None for lesion in dock.findings.findings.values()) == 2)
    for panel in (dock.model, dock.refine):
        panel.setChecked(False)
    dock.findings.table.cellClicked.emit(0, 1)
    picture("findings")

    dock.case.planes_button.click()
    dock.controller.say(dock.view.toggle_surfaces())
    viewer.scene.camera.angles = (0.0, 20.0, 70.0)
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
