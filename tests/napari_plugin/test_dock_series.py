"""Prompts are answered from the series that is seen where they are given, and the saved file says which."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import opened
from plugin_cases import BallAnswerer, write_volume_file
from qtpy.QtCore import Qt

from monai_unet.interaction.prompts import Answer, Prompt

pytestmark = pytest.mark.display


class Witness(BallAnswerer):
    """Remembers the mean of the image that each prompt was answered from."""

    seen: list[float]

    def start(self, image: Any, grid: Any) -> None:
        super().start(image, grid)
        self.mean = float(np.mean(image))

    def answer(self, prompts: Sequence[Prompt], current: Any) -> Answer:
        self.seen.append(self.mean)
        return super().answer(prompts, current)


def test_a_click_is_answered_from_the_series_that_is_seen(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    image = nibabel.load(write_volume_file(folder / "flair.nii.gz", "RAS"))
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) + 9000, image.affine), folder / "t1c.nii.gz")
    seen: list[float] = []

    class Method(Witness):
        pass

    Method.seen = seen
    dock.editing.set_answerer(Method, "lesion_editor")
    mouse = opened(dock, folder, wait)
    tick(dock, wait)
    viewer, means = dock.viewer, {image.name: float(image.array.mean()) for image in dock.controller.images}
    assert len(means) == 2
    top = viewer.layers[1].name
    below = viewer.layers[0].name
    centre = np.array(dock.editing.session.grid.shape) // 2
    dock.view.go_to(tuple(centre))
    mouse.key(Qt.Key.Key_G)

    def click(where: CanvasMouse, voxel: Sequence[int], name: str) -> None:
        count = len(seen)
        where.click(voxel)
        wait(lambda: len(seen) > count and not dock.editing.answers.running)
        assert seen[-1] == pytest.approx(means[name], rel=1e-5)
        assert name in dock.status.text()

    # the second series lies over the first: it is what the radiologist sees
    click(mouse, centre, top)
    viewer.layers[top].visible = False
    click(mouse, np.add(centre, (0, 3, 0)), below)
    viewer.layers[below].visible = False
    mouse.click(np.add(centre, (0, -3, 0)))
    wait(seconds=0.1)
    assert len(seen) == 2
    assert "No series is seen" in dock.status.text()
    viewer.layers[below].visible = viewer.layers[top].visible = True

    # each canvas of its own series answers from it
    dock.case.side_by_side.click()
    wait(seconds=0.3)
    (model,), (canvas,) = dock.canvases.series.models, dock.canvases.series.canvases
    grid = dock.controller.reference.grid
    click(CanvasMouse(canvas.canvas, model, grid.spacing), centre, top)
    click(mouse, np.add(centre, (0, 0, 3)), below)
    dock.case.side_by_side.click()
    wait(seconds=0.1)

    # without the third prompt the others are answered again, each from its own series
    del seen[:]
    dock.refine.list.setCurrentRow(2)
    dock.refine.remove.click()
    wait(lambda: not dock.editing.answers.running)
    assert seen == [pytest.approx(means[name], rel=1e-5) for name in (top, below, below)]

    mouse.key(Qt.Key.Key_U)
    dock.save.save("mask", tmp_path / "mask.nii.gz")
    wait(lambda: not dock.controller.jobs.running)
    stated = json.loads((tmp_path / "mask.json").read_text(encoding="utf-8"))
    assert stated["prompted"][0]["series"] == [top, below]
    assert stated["prompted"][0]["answered_by"][0]["bundle"] == "lesion_editor"
    assert len(stated["weights_sha256"]) == 64
    assert "lesion_editor" in stated["bundle"]

    # a series that is not shown any more answers nothing
    item = next(i for i in rows(dock) if top in i.text())
    item.setCheckState(Qt.CheckState.Unchecked)
    wait(lambda: len(dock.controller.images) == 1)
    dock.refine.list.setCurrentRow(1)
    dock.refine.remove.click()
    wait(lambda: not dock.editing.answers.running)
    assert f"given on {top}" in dock.status.text() or "given on" in dock.status.text()


def tick(dock: Any, wait: Callable[..., None]) -> None:
    for row in range(dock.case.series.count()):
        item = dock.case.series.item(row)
        if item.checkState() == Qt.CheckState.Unchecked:
            item.setCheckState(Qt.CheckState.Checked)
            wait(lambda: not dock.controller.jobs.running)
            wait(seconds=0.05)


def rows(dock: Any) -> list[Any]:
    return [dock.case.series.item(row) for row in range(dock.case.series.count())]
