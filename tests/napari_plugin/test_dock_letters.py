"""Patient letters against what is seen: a photograph of the canvas says where right, front and top are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dock_cases import opened
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

from monai_unet.geometry import PLANES

pytestmark = pytest.mark.display
SIDES = ("middle_left", "middle_right", "top_center", "bottom_center")
_STEPS = {4.0: "RL", 2.0: "AP", 1.0: "SI"}
"""How much brighter the volume is on the first side than on the second."""


def write_lit_volume(path: Path) -> Path:
    """RAS+ NIfTI: 1 everywhere, 4 more in the right half, 2 in the front half, 1 in the upper half."""
    r, a, s = np.ogrid[:24, :24, :24]
    array = 1.0 + 4.0 * (r >= 12) + 2.0 * (a >= 12) + 1.0 * (s >= 12)
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.eye(4)), path)
    return path


def seen_letters(viewer: Any) -> str:
    """Letters left, right, top, bottom as the picture itself says."""
    names = [layer for layer in viewer.layers if layer.name != "volume"]
    shown = {layer: layer.visible for layer in names}
    for layer in names:
        layer.visible = False
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
    for layer, visible in shown.items():
        layer.visible = visible
    height, width = picture.shape
    reach = int(0.3 * min(height, width))
    middle = picture[height // 2 - reach : height // 2 + reach, width // 2 - reach : width // 2 + reach]
    across = middle[:, :reach].mean() - middle[:, reach:].mean()
    down = middle[:reach].mean() - middle[reach:].mean()
    brightest = 255 / 8
    letters = ""
    for difference in (across, down):
        first, second = _STEPS[min(_STEPS, key=lambda step: abs(step * brightest - abs(difference)))]
        letters += first + second if difference > 0 else second + first
    return letters


def written_letters(viewer: Any) -> str:
    return "".join(viewer.canvas.overlays[side].text for side in SIDES)


def test_letters_are_those_of_the_picture_however_it_is_turned(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse = opened(dock, write_lit_volume(tmp_path / "volume.nii.gz"), wait)
    viewer = dock.viewer
    viewer.layers["volume"].contrast_limits = (0, 8)
    control = Qt.KeyboardModifier.ControlModifier
    window = viewer.window._qt_window

    def by_button(name: str) -> Callable[[], None]:
        made = getattr(viewer.window._qt_viewer.viewerButtons, name)
        assert isinstance(made, QPushButton)
        return lambda: QTest.mouseClick(made, Qt.MouseButton.LeftButton)

    def mirror() -> None:
        viewer.scene.camera.orientation = ("away", "down", "right")

    def by_console() -> None:
        viewer.dims.order = (1, 2, 0)

    turns = {
        "as opened": lambda: None,
        "Ctrl+E": lambda: mouse.key(Qt.Key.Key_E, control),
        "Ctrl+E again": lambda: mouse.key(Qt.Key.Key_E, control),
        "Ctrl+T": lambda: mouse.key(Qt.Key.Key_T, control),
        "roll button": by_button("rollDimsButton"),
        "transpose button": by_button("transposeDimsButton"),
        "console order": by_console,
        "console mirror": mirror,
    }
    seen = {}
    for name, turn in turns.items():
        turn()
        wait(seconds=0.1)
        seen[name] = seen_letters(viewer)
        assert written_letters(viewer) == seen[name], name
        upright = [plane for plane, made in dock.case.plane_buttons.items() if made.isChecked()]
        assert upright == [plane for plane in PLANES if PLANES[plane].letters == seen[name]], name
    assert len(set(seen.values())) > 5, "the keys and buttons have turned it"
    # the key of a plane sets it upright again, also after a mirror
    for key, plane in ((Qt.Key.Key_8, "axial"), (Qt.Key.Key_9, "coronal"), (Qt.Key.Key_0, "sagittal")):
        mouse.key(key)
        wait(seconds=0.05)
        assert seen_letters(viewer) == PLANES[plane].letters == written_letters(viewer)
    assert window.isVisible()


def test_side_canvases_and_prompts_follow_a_turned_picture(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse = opened(dock, write_lit_volume(tmp_path / "volume.nii.gz"), wait)
    dock.case.planes_button.click()
    wait(seconds=0.3)
    mouse.key(Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    wait(seconds=0.1)
    # the main canvas shows the sagittal plane, the others the two that it does not show
    assert dock.viewer.dims.order[0] == 2
    assert [written_letters(model) for model in dock.planes.models] == ["RLAP", "RLSI"]
    dock.case.planes_button.click()


def test_no_letters_on_what_is_no_patient(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    dock.viewer.add_image(np.zeros((6, 8, 9)), name="photograph")
    assert written_letters(dock.viewer) == ""
    opened(dock, write_lit_volume(tmp_path / "volume.nii.gz"), wait)
    assert written_letters(dock.viewer) == "RLAP"
    dock.controller.close_case()
    assert written_letters(dock.viewer) == ""
