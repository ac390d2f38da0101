"""The walk through docs/radiologist.md, by mouse and keys, at both window sizes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from walkthrough import walk

pytestmark = [pytest.mark.display, pytest.mark.slow]


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000)])
def test_the_page_can_be_done_by_mouse_and_keys(
    dock: Any, viewer: Any, tmp_path: Path, wait: Callable[..., None], size: tuple[int, int]
) -> None:
    from napari_plugin.panels.refine import default_answerer

    dock.editing.set_answerer(default_answerer)
    window, before = viewer.window._qt_window, viewer.window._qt_window.size()
    try:
        walk(viewer, dock, wait, size=size, table=tmp_path / "findings.csv")
    finally:
        window.resize(before)
        wait(seconds=0.2)
    rows = list(csv.DictReader((tmp_path / "findings.csv").open()))
    assert [row["target"] for row in rows] == ["yes", "yes"]
    # half axes of 14, 17, 12 and 6, 6, 6 mm
    volumes = [float(row["volume_ml"]) for row in rows]
    assert volumes == pytest.approx([11.96, 0.905], rel=0.35)
    assert float(rows[0]["product_mm2"]) == pytest.approx(
        float(rows[0]["long_axis_mm"]) * float(rows[0]["short_axis_mm"]), rel=1e-4
    )
