"""A first click on tissue that is like everything around it: a smaller piece and a sentence, not half of the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dock_cases import opened
from qtpy.QtCore import Qt

from monai_unet.interaction import build_answerer
from monai_unet.interaction.answering import CLASSICAL

pytestmark = pytest.mark.display


def test_click_on_plain_tissue_says_what_to_draw_and_shows_a_piece(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    r, a, s = np.ogrid[:48, :56, :40]
    head = ((r - 24) / 20) ** 2 + ((a - 28) / 24) ** 2 + ((s - 20) / 17) ** 2 < 1
    image = np.where(head, 400.0, 0.0) + np.random.default_rng(3).normal(0, 4, head.shape)
    nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), np.diag([3.0, 3, 3, 1])), tmp_path / "head.nii.gz")
    dock.editing.set_answerer(lambda: build_answerer(CLASSICAL), CLASSICAL)
    mouse = opened(dock, tmp_path / "head.nii.gz", wait)
    session = dock.editing.session
    dock.view.go_to((20, 30, 22))
    mouse.key(Qt.Key.Key_G)
    mouse.click((20, 30, 22))
    wait(lambda: session.candidate is not None and not dock.editing.answers.running)
    said = dock.status.text()
    assert "of the image" in said
    assert "a box (J)" in said
    assert "a line (H)" in said
    piece = session.candidate[2].sum()
    # unbounded, the same method outlines 64 % of it
    assert 0 < piece < 0.4 * head.sum(), "the smaller alternative is what is shown"
    # the box that the sentence asks for is one key and one drag away
    mouse.key(Qt.Key.Key_J)
    assert dock.tool.kind == "box"
