"""A whole case on a real DICOM study: open, segment, three clicks, accept, measure, save, open again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from qtpy.QtCore import Qt

from monai_unet.io.dicom.seg import read_seg
from monai_unet.io.dicom.series import find_series
from monai_unet.io.dicom.sr import read_sr
from napari_plugin.viewer.hanging import go_to

pytestmark = [pytest.mark.display, pytest.mark.data]


@pytest.fixture
def study() -> Path:
    root = os.environ.get("MONAI_UNET_DATA")
    if not root or not (Path(root) / "dicom" / "brain_tumour_mr").is_dir():
        pytest.skip("needs $MONAI_UNET_DATA/dicom/brain_tumour_mr")
    return Path(root) / "dicom" / "brain_tumour_mr"


def settled(dock: Any, wait: Callable[..., None]) -> None:
    wait(lambda: not dock.controller.jobs.running and not dock.editing.answers.running)
    wait(seconds=0.05)


def test_study_to_seg_and_report_and_back(dock: Any, study: Path, tmp_path: Path, wait: Callable[..., None]) -> None:
    from napari_plugin.panels.refine import default_answerer

    dock.editing.set_answerer(default_answerer)
    dock.controller.open_paths([study])
    settled(dock, wait)
    titles = [dock.case.series.item(row).text() for row in range(dock.case.series.count())]
    assert ["HippoCrop" in title for title in titles] == [True, False]
    assert dock.controller.reference.name == "T1post"
    dock.case.series.itemDoubleClicked.emit(dock.case.series.item(0))
    settled(dock, wait)
    reference, session = dock.controller.reference, dock.editing.session
    assert reference.name == "HippoCrop"
    assert session.grid.shape == reference.array.shape

    if dock.model.bundle.findText("hippocampus_mri") >= 0:
        dock.model.bundle.setCurrentText("hippocampus_mri")
        dock.model._on_bundle()
        dock.model.segment()
        settled(dock, wait)
        if dock.model.warning.text():
            dock.model.segment()
            settled(dock, wait)
        assert {item.name for item in session.objects} == {"anterior hippocampus", "posterior hippocampus"}
        assert session.labels.any()

    lesion = dock.editing.new_object()
    mouse = CanvasMouse(dock.viewer.window._qt_viewer.canvas, dock.viewer, session.grid.spacing)
    free = np.argwhere(session.labels == 0)
    centre = free[np.argmin(np.abs(free - [6, 40, 28]).sum(axis=1))]
    go_to(dock.viewer, centre)
    mouse.key(Qt.Key.Key_G)
    for offset, exclude in (((0, 0, 0), False), ((0, 2, 0), False), ((0, -5, 0), True)):
        mouse.click(np.add(centre, offset), shift=exclude)
        settled(dock, wait)
    assert len(session.prompts(lesion)) == 3
    assert session.candidate is not None
    mouse.key(Qt.Key.Key_U)
    assert session.labels[tuple(centre)] == lesion
    assert session.labels[tuple(np.add(centre, (0, -5, 0)))] != lesion

    wait(lambda: len(dock.findings.findings) == len(session.objects))
    kept = session.labels.copy()
    for kind, name in (("SEG", "seg.dcm"), ("SR", "report.dcm"), ("RTSTRUCT", "rt.dcm"), ("page", "page.html")):
        dock.save.save(kind, tmp_path / name)
        settled(dock, wait)
        assert "Saved" in dock.status.text(), dock.status.text()
    assert not dock.editing.unsaved

    for name in ("seg.dcm", "rt.dcm"):
        session.delete_object(lesion)
        dock.save.load(tmp_path / name)
        settled(dock, wait)
        np.testing.assert_array_equal(session.labels, kept)
    assert [item.name for item in session.objects][-1] == f"lesion {lesion}"

    # read by the library alone, on the series as it lies on disk
    series = next(s for s in find_series(study) if s.id == reference.entry.series)
    stored = read_seg(tmp_path / "seg.dcm", source=series).label_map().numpy()[0]
    np.testing.assert_array_equal(stored, kept)
    report = {group.segment: group for group in read_sr(tmp_path / "report.dcm").lesions}
    # measured anew after loading, in the background
    wait(lambda: set(dock.findings.findings) == {item.value for item in session.objects})
    table = dock.findings.findings
    assert set(report) == set(range(1, len(session.objects) + 1))
    for number, item in enumerate(session.objects, start=1):
        assert report[number].volume_ml == pytest.approx(table[item.value].volume_ml, rel=1e-4)
        assert report[number].long_axis_mm == pytest.approx(table[item.value].long_axis.length_mm, rel=1e-4)
        # the voxels of this series are 1 mm cubes
        assert report[number].volume_ml == pytest.approx((kept == item.value).sum() / 1000, rel=1e-3)
