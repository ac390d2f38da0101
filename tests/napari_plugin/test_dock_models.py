"""Models are offered by what they need; sequences of a study are recognised and shown together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dock_cases import FakeSegmenter, opened, with_model
from monai.data import MetaTensor
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.io.datasets import skull_warnings

pytestmark = pytest.mark.display


def write_head(path: Path, *, skull: bool, seed: int = 0) -> Path:
    """RAS+ NIfTI of 4 mm voxels: a brain on air that is exactly 0, or with bone, bright scalp and noise in the air."""
    r, a, s = np.ogrid[:50, :56, :44]
    radius = np.sqrt(((r - 25) / 17) ** 2 + ((a - 28) / 21) ** 2 + ((s - 22) / 17) ** 2)
    random = np.random.default_rng(seed)
    array = np.where(radius < 1, 400 + 60 * random.standard_normal(radius.shape), 0.0)
    if skull:
        array += np.where((radius > 1.1) & (radius < 1.2), 1200, 0)
        array = np.abs(array + 6 * random.standard_normal(radius.shape))
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([4.0, 4, 4, 1])), path)
    return path


def offered(dock: Any) -> tuple[list[str], list[str]]:
    """What stands above and below the line."""
    box = dock.model.bundle
    line = next((i for i in range(box.count()) if box.itemData(i) is None), box.count())
    return [box.itemText(i) for i in range(line)], [box.itemText(i) for i in range(line + 1, box.count())]


def test_skull_is_seen_in_the_voxels(tmp_path: Path) -> None:
    for skull in (True, False):
        image = nibabel.load(write_head(tmp_path / f"{skull}.nii.gz", skull=skull))
        array = image.get_fdata(dtype=np.float32).transpose(2, 1, 0)[None]
        affine = np.array([[0, 0, 4.0, 0], [0, 4, 0, 0], [4, 0, 0, 0], [0, 0, 0, 1.0]])
        assert bool(skull_warnings(MetaTensor(array, affine=affine))) is skull


def test_models_that_do_not_suit_stand_below_a_line_with_the_reason(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    if not all(find_bundle(name).has_weights for name in ("brain_tumor_mri", "head_neck_ct")):
        pytest.skip("the bundles have no weights here")
    opened(dock, write_head(tmp_path / "flair.nii.gz", skull=False), wait)
    suited, others = offered(dock)
    assert "brain_tumor_mri" in suited
    assert dock.model.chosen.name in suited
    assert any(text.startswith("head_neck_ct: needs CT") for text in others)
    opened(dock, write_head(tmp_path / "t1c.nii.gz", skull=True), wait)
    suited, others = offered(dock)
    assert "brain_tumor_mri: needs a brain without its skull" in others
    assert dock.model.chosen.name in suited
    # a CT
    lung = nibabel.load(tmp_path / "t1c.nii.gz")
    nibabel.save(nibabel.Nifti1Image(lung.get_fdata(dtype=np.float32) - 1024, lung.affine), tmp_path / "thorax.nii.gz")
    opened(dock, tmp_path / "thorax.nii.gz", wait)
    _, others = offered(dock)
    assert "brain_tumor_mri: needs MR, this is CT" in others
    # what the user chooses all the same stays chosen
    dock.model.choose(find_bundle("brain_tumor_mri"))
    dock.controller.images_changed.emit()
    assert dock.model.chosen.name == "brain_tumor_mri"


def test_sequences_of_a_study_are_shown_together(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for seed, name in enumerate(("flair", "t1", "t1c", "localizer")):
        write_head(folder / f"{name}.nii.gz", skull=False, seed=seed)
    mouse = opened(dock, folder, wait)
    dock.tabs.show_panel(dock.model)
    with_model(dock, FakeSegmenter())
    dock.model.choose(find_bundle("brain_tumor_mri"))
    wait(seconds=0.1)
    QTest.mouseClick(dock.model.tick_button, Qt.MouseButton.LeftButton)
    wait(lambda: not dock.controller.jobs.running)
    wait(seconds=0.1)
    assert {image.name for image in dock.controller.images} >= {"flair", "t1", "t1c"}
    assert [combo.currentText() for combo in dock.model.channels] == ["flair", "t1", "t1c", "– none –"]
    assert not dock.model.tick_button.isVisible()
    # any subset does, and it is said so
    for combo in dock.model.channels:
        combo.setCurrentIndex(0)
    mouse.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert "any of FLAIR, T1, T1c, T2" in dock.status.text()
    assert not dock.controller.jobs.running
