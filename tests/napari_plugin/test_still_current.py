"""What a worker brings is used only while what it was asked about is still open and chosen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dock_cases import FakeSegmenter, opened, with_model
from plugin_cases import BallAnswerer, write_volume_file
from qtpy.QtCore import Qt

from monai_unet.interaction.prompts import Answer, Prompt

pytestmark = pytest.mark.display


class Remembering(BallAnswerer):
    """Looks at an image for as long as its gate is closed; says which image it answers from."""

    def __init__(self, gate: threading.Event, answered_from: list[float]) -> None:
        self.gate, self.answered_from = gate, answered_from
        self.looking = threading.Event()

    def start(self, image: Any, grid: Any) -> None:
        super().start(image, grid)
        self.mean = float(np.mean(image))
        self.looking.set()
        assert self.gate.wait(60)

    def answer(self, prompts: Sequence[Prompt], current: Any) -> Answer:
        self.answered_from.append(self.mean)
        return super().answer(prompts, current)


def _brighter(path: Path, by: float) -> Path:
    image = nibabel.load(path)
    other = path.with_name("other.nii.gz")
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) + by, image.affine), other)
    return other


def _click(dock: Any) -> None:
    grid = dock.controller.reference.grid
    dock.editing.submit(Prompt("point", True, grid.to_world([[10, 10, 10]])))


def test_a_click_is_never_answered_from_the_image_that_was_open_before(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    first = write_volume_file(tmp_path / "first.nii.gz", "RAS")
    second = _brighter(first, 100_000.0)
    gate, seen, built = threading.Event(), [], []

    def build() -> Remembering:
        built.append(Remembering(gate, seen))
        return built[-1]

    opened(dock, first, wait)
    dock.editing.set_answerer(build)
    _click(dock)
    wait(lambda: bool(built) and built[0].looking.is_set())
    dock.editing.unsaved = False
    opened(dock, second, wait)
    gate.set()
    wait(lambda: not dock.editing.answers.running)
    _click(dock)
    wait(lambda: bool(seen) and not dock.editing.answers.running)
    assert seen == [pytest.approx(float(dock.controller.reference.array.mean()))]


def test_a_method_chosen_while_the_former_prepares_answers_the_next_click(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    opened(dock, write_volume_file(tmp_path / "image.nii.gz", "RAS"), wait)
    gate, former, later, built = threading.Event(), [], [], []

    def build() -> Remembering:
        built.append(Remembering(gate, former))
        return built[-1]

    dock.editing.set_answerer(build)
    _click(dock)
    wait(lambda: bool(built) and built[0].looking.is_set())
    dock.editing.set_answerer(lambda: Remembering(gate, later))
    gate.set()
    wait(lambda: not dock.editing.answers.running)
    _click(dock)
    wait(lambda: bool(later) and not dock.editing.answers.running)
    assert len(former) <= 1


def test_a_segmentation_of_an_image_taken_away_meanwhile_is_dropped(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    """The second image takes the first one's place; it has the same voxels, so nothing else would notice."""
    folder = tmp_path / "study"
    folder.mkdir()
    _brighter(write_volume_file(folder / "first.nii.gz", "RAS"), 1000.0)
    opened(dock, folder, wait)
    for row in range(2):
        item = dock.case.series.item(row)
        if item.checkState() == Qt.CheckState.Unchecked:
            item.setCheckState(Qt.CheckState.Checked)
            wait(lambda: not dock.controller.jobs.running)
    wait(lambda: len(dock.controller.images) == 2)
    with_model(dock, FakeSegmenter(tiles=60))
    dock.model.segment()
    dock.viewer.layers.remove(dock.controller.layer_of(dock.controller.reference))
    wait(lambda: not dock.controller.jobs.running)
    assert not dock.editing.session.labels.any()
    assert "not used" in dock.status.text()


def test_a_series_of_another_frame_of_reference_is_refused_and_taken_at_the_users_word(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    first = nibabel.load(write_volume_file(folder / "first.nii.gz", "RAS"))
    affine = first.affine @ np.diag([1.1, 1.0, 1.0, 1.0])
    second = nibabel.Nifti1Image(first.get_fdata(dtype=np.float32), affine)
    second.set_sform(affine, code="talairach")
    second.set_qform(affine, code="talairach")
    nibabel.save(second, folder / "second.nii.gz")
    opened(dock, folder / "first.nii.gz", wait)
    dock.controller.entries = []
    (entry,) = [e for e in _entries(folder) if e.path.endswith("second.nii.gz")]
    dock.controller.add_entry(entry)
    wait(lambda: not dock.controller.jobs.running)
    assert len(dock.controller.images) == 1
    assert "not known to agree" in dock.status.text()
    dock.controller.add_entry(entry)
    wait(lambda: len(dock.controller.images) == 2)
    dock.editing.session.paint(dock.editing.new_object(), (slice(2, 4), slice(3, 9), slice(4, 9)))
    dock.save.save("mask", tmp_path / "mask.nii.gz")
    wait(lambda: (tmp_path / "mask.json").exists())
    assert "at the user's word" in (tmp_path / "mask.json").read_text(encoding="utf-8")


def _entries(folder: Path) -> Any:
    from napari_plugin.case.opening import list_images

    return list_images(folder)
