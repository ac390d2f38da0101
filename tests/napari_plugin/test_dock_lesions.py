"""Lesions against classes in the table of the dock: what is summed, what is in parts, what is one tumour."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import FakeSegmenter, opened, with_model
from plugin_cases import write_volume_file
from qtpy.QtCore import QRect, Qt
from qtpy.QtTest import QTest

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.segmentation.segmenter import Segmentation

pytestmark = pytest.mark.display
_TARGET, _NAME, _AXES = 5, 0, 2


class Glioma(FakeSegmenter):
    """Core in the enhancing rim in the oedema, and a speck of oedema far away."""

    def steps(self, volume: Any) -> Any:
        yield from ()
        labels = volume[:1] * 0
        labels[0, 4:10, 4:16, 4:16] = 2
        labels[0, 5:9, 6:14, 6:14] = 3
        labels[0, 6:8, 8:12, 8:12] = 1
        labels[0, 6, 22, 17] = 2
        names = find_bundle("brain_tumor_mri").description.label_names
        return Segmentation(labels.to(int), names, {}, {"bundle": "brain_tumor_mri"}, None)


def tick(table: Any, row: int, column: int) -> None:
    """A click on the little box of a cell."""
    place: QRect = table.visualItemRect(table.item(row, column))
    style = table.style()
    from qtpy.QtWidgets import QStyle, QStyleOptionViewItem

    option = QStyleOptionViewItem()
    option.initFrom(table)
    option.rect = place
    option.features = QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator
    box = style.subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, table)
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, box.center())


def test_one_tumour_is_measured_as_one_and_summed_only_when_chosen(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse = opened(dock, write_volume_file(tmp_path / "t1c.nii.gz", "RAS"), wait)
    with_model(dock, Glioma())
    dock.model.choose(find_bundle("brain_tumor_mri"))
    mouse.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not dock.controller.jobs.running and len(dock.findings.findings) == 3)
    wait(lambda: len(dock.findings.wholes) == 2)
    wait(seconds=0.1)
    table = dock.findings.table
    names = [table.item(row, _NAME).text() for row in range(table.rowCount())]
    assert names[3:] == ["whole tumour", "tumour core"]
    voxel_ml = 1.5 * 2.0 * 2.5 / 1000
    volumes = [float(table.item(row, 1).text()) for row in range(5)]
    assert volumes == pytest.approx(
        [32 * voxel_ml, (6 * 144 - 256 + 1) * voxel_ml, (256 - 32) * voxel_ml, 865 * voxel_ml, 256 * voxel_ml], abs=0.01
    )
    # three classes are not three lesions
    assert "Sum of" not in dock.findings.total.text()
    assert "2 parts" in dock.findings.total.text()
    assert table.item(3, _AXES).text().endswith("*")
    assert not table.item(4, _AXES).text().endswith("*")

    # the box of Σ, by mouse; of one tumour only one part counts
    for row in (0, 2):
        tick(table, row, _TARGET)
        wait(seconds=0.05)
    assert [item.target for item in dock.editing.session.objects] == [False, False, True]
    assert "parts of one tumour" in dock.status.text()
    long = dock.findings.findings[3].long_axis.length_mm
    assert f"Sum of long axes: {long:.1f} mm, of products" in dock.findings.total.text()
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not any(item.target for item in dock.editing.session.objects)

    dock.save.save("table", tmp_path / "findings.csv")
    wait(lambda: not dock.controller.jobs.running)
    rows = list(csv.DictReader((tmp_path / "findings.csv").open()))
    assert [row["name"] for row in rows][3:] == ["whole tumour", "tumour core"]
    assert [row["parts"] for row in rows] == ["1", "2", "1", "2", "1"]
    assert {row["target"] for row in rows} == {"no"}
    dock.save.save("page", tmp_path / "page.html")
    wait(lambda: not dock.controller.jobs.running)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Sum of" not in page
    assert "oedema is in 2 parts" in page


def test_a_stray_dab_of_the_brush_is_said_and_stretches_no_axis(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse: CanvasMouse = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)
    session = dock.editing.session
    value = dock.editing.new_object()
    session.paint(value, (slice(9, 11), slice(8, 12), slice(4, 9)))
    wait(lambda: dock.findings.findings.get(value) is not None)
    before = dock.findings.table.item(0, _AXES).text()
    dock.view.go_to((9, 10, 6))
    mouse.key(Qt.Key.Key_P)
    dock.view.layers.labels.brush_size = 1
    mouse.click((9, 20, 14))
    wait(lambda: dock.findings.findings[value].parts == 2)
    wait(seconds=0.1)
    assert int(np.count_nonzero(session.labels)) > 40
    assert dock.findings.table.item(0, _AXES).text() == before + "*"
    assert "2 parts" in dock.findings.total.text()
