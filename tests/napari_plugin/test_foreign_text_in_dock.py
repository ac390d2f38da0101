"""What a file says of itself is shown as text by every label and tooltip of the dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dicom_phantom import write_phantom
from dock_cases import opened
from pydicom import dcmread
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QListWidget, QWidget

from napari_plugin.panels.layout import one_line, sentence, tip

HOSTILE = '<img src="file:///s.png"><h1>X\x1b[31m\u202e'


def test_labels_are_plain_text_and_tooltips_escaped(qapp: Any) -> None:
    assert one_line(HOSTILE).textFormat() == Qt.TextFormat.PlainText
    assert sentence(HOSTILE).textFormat() == Qt.TextFormat.PlainText
    assert tip("a\nb") == "a\nb"
    assert tip(HOSTILE) == "<qt>&lt;img src=&quot;file:///s.png&quot;&gt;&lt;h1&gt;X</qt>"


@pytest.mark.display
def test_the_dock_shows_a_hostile_description_as_text(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    phantom = write_phantom(tmp_path / "ct")
    for path in phantom.folder.iterdir():
        dataset = dcmread(path)
        dataset.SeriesDescription = HOSTILE
        dataset.save_as(path)
    opened(dock, phantom.folder, wait)
    dock.controller.say(f"{HOSTILE} was read")
    assert "<img" in dock.case.geometry_line.text()
    assert not {"\x1b", "\u202e"} & set(dock.status.text())
    labels = dock.findChildren(QLabel)
    assert [label.text() for label in labels if label.textFormat() != Qt.TextFormat.PlainText] == []
    tips = [widget.toolTip() for widget in dock.findChildren(QWidget)]
    tips += [many.item(n).toolTip() for many in dock.findChildren(QListWidget) for n in range(many.count())]
    assert [text for text in tips if "<img" in text or "<h1" in text or "\x1b" in text] == []
