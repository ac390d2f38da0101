"""Lines compiled before the first is drawn, in a process of its own, once."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

pytest.importorskip("numba")
# the face gives the function of this name
compile_ahead = importlib.import_module("napari_plugin.viewer.compile_ahead")


def test_a_process_fills_the_cache_and_is_not_started_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setattr(compile_ahead, "_running", None)
    process = compile_ahead.compile_ahead()
    assert process is not None
    assert compile_ahead.compile_ahead() is None
    assert process.wait(300) == 0
    assert compile_ahead.done_file().is_file()
    assert any("generate_2D_edge_meshes" in path.name for path in (tmp_path / "numba").rglob("*.nbi"))
    monkeypatch.setattr(compile_ahead, "_running", None)
    assert compile_ahead.compile_ahead() is None
