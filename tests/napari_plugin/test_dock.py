"""The dock in a real window, driven by mouse and keys at canvas pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas_mouse import CanvasMouse
from dock_cases import FakeSegmenter, opened, with_model
from plugin_cases import ORIENTATIONS, value_at, write_volume_file
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.errors import InputError
from napari_plugin.viewer.hanging import go_to, plane_of

pytestmark = pytest.mark.display


@pytest.fixture
def mouse(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> CanvasMouse:
    return opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)


def candidate_of(dock: Any, wait: Callable[..., None]) -> np.ndarray:
    """The open candidate on the whole grid, once nothing is being answered."""
    wait(lambda: not dock.editing.answers.running)
    mask = np.zeros(dock.editing.session.grid.shape, bool)
    if dock.editing.session.candidate is not None:
        _, box, part = dock.editing.session.candidate
        mask[box] = part
    return mask


@pytest.mark.parametrize("axcodes", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_click_marks_the_voxel_under_it_in_each_plane(
    dock: Any, tmp_path: Path, wait: Callable[..., None], axcodes: str
) -> None:
    path = write_volume_file(tmp_path / "volume.nii.gz", axcodes)
    mouse = opened(dock, path, wait)
    grid = dock.controller.reference.grid
    given: list[Any] = []
    dock.tool._submit = given.append
    for plane in ("axial", "coronal", "sagittal"):
        dock.case.plane_buttons[plane].click()
        wait(seconds=0.05)
        voxel = np.array(grid.shape) // 2 + [2, -3, 4]
        go_to(dock.viewer, voxel)
        dock.refine.choose("point")
        mouse.click(voxel)
        # the clicked place, looked up in the file by nibabel, holds the value that is shown at that voxel
        assert value_at(path, given[-1].world[0]) == dock.controller.reference.array[tuple(voxel)], plane
        dock.refine.choose(None)


def test_click_answer_accept_undo_by_keys(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session, centre = dock.editing.session, np.array(dock.editing.session.grid.shape) // 2
    go_to(dock.viewer, centre)
    mouse.key(Qt.Key.Key_G)
    assert dock.tool.kind == "point"
    mouse.click(centre)
    mask = candidate_of(dock, wait)
    # a ball of 8 mm around the click, by the formula of its volume
    assert mask[tuple(centre)]
    assert mask.sum() * 7.5 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.1)
    assert not session.labels.any()
    assert dock.refine.list.count() == 1
    mouse.key(Qt.Key.Key_U)
    np.testing.assert_array_equal(session.labels == 1, mask)
    side = np.add(centre, (0, 0, 6))
    mouse.click(side, shift=True)
    smaller = candidate_of(dock, wait)
    assert not smaller[tuple(side)]
    assert smaller.sum() < mask.sum()
    mouse.key(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert session.candidate is None
    np.testing.assert_array_equal(session.labels == 1, mask)
    while session.undo_text:
        mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not session.labels.any()
    while session.redo_text:
        mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(session.labels == 1, mask)


def test_removed_prompt_is_as_if_it_had_not_been_given(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    centre = np.array(dock.editing.session.grid.shape) // 2
    go_to(dock.viewer, centre)
    dock.refine.choose("point")
    mouse.click(centre)
    first = candidate_of(dock, wait)
    mouse.click(np.add(centre, (0, 6, 0)))
    assert candidate_of(dock, wait).sum() > first.sum()
    dock.refine.list.setCurrentRow(1)
    dock.refine.remove.click()
    np.testing.assert_array_equal(candidate_of(dock, wait), first)
    assert dock.refine.list.count() == 1


def test_brush_by_mouse_is_a_step_of_the_session(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session, centre = dock.editing.session, np.array(dock.editing.session.grid.shape) // 2
    go_to(dock.viewer, centre)
    dock.editing.new_object()
    labels = dock.view.layers.labels
    assert dock.viewer.layers.selection.active is labels
    mouse.key(Qt.Key.Key_P)
    assert str(labels.mode) == "paint"
    labels.brush_size = 3
    mouse.drag([centre, np.add(centre, (0, 0, 5)), np.add(centre, (0, 4, 5))])
    wait(seconds=0.05)
    assert session.labels[tuple(centre)] == 1
    assert session.labels[tuple(np.add(centre, (0, 4, 5)))] == 1
    assert session.undo_text.startswith("brush")
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not session.labels.any()
    dock.refine.choose("point")
    assert str(labels.mode) == "pan_zoom", "a prompt tool puts the brush away"


def test_side_canvas_takes_prompts_and_navigates(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    dock.case.planes_button.click()
    wait(seconds=0.3)
    centre = np.array(dock.editing.session.grid.shape) // 2
    go_to(dock.viewer, centre)
    wait(seconds=0.1)
    candidates = [layer for model in dock.planes.models for layer in model.layers if layer.name == "Candidate"]
    assert [layer.contour for layer in candidates] == [1, 1], "an outline there too, that hides nothing"
    given: list[Any] = []
    dock.tool._submit = given.append
    grid = dock.controller.reference.grid
    for model, canvas, plane in zip(dock.planes.models, dock.planes.canvases, ("coronal", "sagittal"), strict=True):
        assert plane_of(model).name == plane
        side = CanvasMouse(canvas.canvas, model, grid.spacing)
        dock.refine.choose("point")
        voxel = np.add(centre, (3, 0, 4)) if plane == "coronal" else np.add(centre, (3, 4, 0))
        side.click(voxel)
        np.testing.assert_array_equal(np.rint(given[-1].voxels(grid)[0]), voxel)
        dock.refine.choose(None)
        side.click(voxel)
        assert tuple(dock.viewer.dims.current_step) == tuple(voxel)
        go_to(dock.viewer, centre)
        wait(seconds=0.05)


def test_keys_switch_planes_and_text_fields_keep_their_letters(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    for key, plane in ((Qt.Key.Key_9, "coronal"), (Qt.Key.Key_0, "sagittal"), (Qt.Key.Key_8, "axial")):
        mouse.key(key)
        assert plane_of(dock.viewer).name == plane
    mouse.key(Qt.Key.Key_Q)
    assert not dock.tool.positive
    from qtpy.QtTest import QTest

    dock.editing.new_object()
    dock.findings.kind.setFocus()
    wait(dock.findings.kind.hasFocus)
    dock.findings.kind.clear()
    QTest.keyClicks(dock.findings.kind, "ghjk98")
    assert dock.findings.kind.text() == "ghjk98"
    assert dock.tool.kind is None


def test_wheel_goes_through_the_slices_of_the_shown_plane(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    zoom = dock.viewer.scene.camera.zoom
    go_to(dock.viewer, (10, 12, 14))
    mouse.wheel(2)
    assert tuple(dock.viewer.dims.current_step) == (12, 12, 14)
    dock.viewer.layers.selection.active = dock.viewer.layers[0]
    mouse.wheel(-1)
    assert tuple(dock.viewer.dims.current_step) == (11, 12, 14)
    assert dock.viewer.scene.camera.zoom == zoom
    dock.case.show_plane("sagittal")
    mouse.wheel(1)
    assert tuple(dock.viewer.dims.current_step) == (11, 12, 15)


def test_table_measures_renames_locks_and_goes_there(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    session = dock.editing.session
    value = dock.editing.new_object()
    session.paint(value, (slice(4, 6), slice(8, 12), slice(10, 20)))
    wait(lambda: dock.findings.findings.get(value) is not None)
    grid = session.grid
    table = dock.findings.table
    assert table.item(0, 1).text() == f"{2 * 4 * 10 * 7.5 / 1000:.2f}"
    table.cellClicked.emit(0, 1)
    assert dock.viewer.dims.current_step[0] in (4, 5)
    table.item(0, 0).setText("meningioma")
    assert session.object(value).name == "meningioma"
    table.item(0, 4).setCheckState(Qt.CheckState.Checked)
    assert session.object(value).locked
    before = session.labels.copy()
    dock.findings._delete()
    np.testing.assert_array_equal(session.labels, before)
    assert "locked" in dock.status.text()
    assert grid.shape == before.shape


def test_model_fills_the_label_map_in_the_background(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    with_model(dock, FakeSegmenter())
    mouse.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert dock.controller.jobs.running
    wait(lambda: not dock.controller.jobs.running)
    labels = dock.editing.session.labels
    assert (labels == 1).sum() == 3 * 5 * 6 == labels[3:6, 4:9, 5:11].sum()
    assert dock.editing.session.object(1).name == "tumour"
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not labels.any()


def test_cancel_midway_changes_nothing(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    segmenter = FakeSegmenter(tiles=100_000)
    with_model(dock, segmenter)
    dock.model.segment()
    wait(lambda: dock.progress.value() > 2)
    mouse.key(Qt.Key.Key_Escape)
    wait(lambda: not dock.controller.jobs.running)
    assert not dock.editing.session.labels.any()
    assert dock.editing.session.undo_text == ""
    assert "Cancelled" in dock.status.text()
    wait(lambda: segmenter.closed)
    with_model(dock, FakeSegmenter())
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert dock.editing.session.labels.any()


@pytest.mark.parametrize(
    ("error", "words"),
    [(InputError("The image has no contrast; open another."), "no contrast"), (MemoryError(), "not enough memory")],
)
def test_error_of_the_model_is_a_sentence_and_the_work_stays(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None], error: Exception, words: str
) -> None:
    session = dock.editing.session
    session.paint(dock.editing.new_object(), (slice(0, 2),) * 3)
    with_model(dock, FakeSegmenter(3, error))
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert words in dock.status.text()
    assert session.labels.sum() == 8
    dock.tabs.show_panel(dock.model)
    assert dock.model.segment_button.isEnabled()


def test_warning_of_the_input_gate_comes_before_the_run(
    dock: Any, mouse: CanvasMouse, wait: Callable[..., None]
) -> None:
    segmenter = FakeSegmenter()
    segmenter.warnings = lambda image: ["the volume is CT, the model was trained on MR."]  # type: ignore[method-assign]
    with_model(dock, segmenter)
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert not dock.editing.session.labels.any()
    assert "trained on MR" in dock.model.warning.text()
    assert dock.model.segment_button.text().startswith("Run anyway")
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert dock.editing.session.labels.any()


def test_closing_during_a_run_ends_it_quietly(dock: Any, mouse: CanvasMouse, wait: Callable[..., None]) -> None:
    segmenter = FakeSegmenter(tiles=100_000)
    with_model(dock, segmenter)
    dock.model.segment()
    wait(lambda: dock.progress.value() > 2)
    dock.editing.unsaved = False
    dock.release()
    wait(lambda: segmenter.closed)
    assert not [layer.name for layer in dock.viewer.layers if layer.name == "Segmentation"]


def test_files_that_cannot_be_read_are_said_and_the_case_stays(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    session = dock.editing.session
    (tmp_path / "text.nii.gz").write_text("not a volume")
    for path in (tmp_path / "text.nii.gz", tmp_path / "nothing"):
        dock.controller.open_paths([path])
        wait(lambda: not dock.controller.jobs.running)
        assert path.name in dock.status.text()
        assert dock.editing.session is session


def test_saving_into_a_read_only_folder_is_a_sentence(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    (tmp_path / "file").write_text("")
    dock.save.save("mask", tmp_path / "x.nii.gz")
    assert "nothing to save" in dock.status.text()
    dock.editing.session.paint(dock.editing.new_object(), (slice(0, 2),) * 3)
    dock.save.save("mask", tmp_path / "file" / "mask.nii.gz")
    wait(lambda: not dock.controller.jobs.running)
    assert "choose another folder" in dock.status.text()
    assert dock.editing.unsaved
    dock.save.save("mask", tmp_path / "mask.nii.gz")
    wait(lambda: not dock.controller.jobs.running)
    assert (tmp_path / "mask.nii.gz").is_file()
    assert not dock.editing.unsaved


def test_untrusted_bundle_does_not_run_before_consent(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    root = tmp_path / "foreign"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "metadata.json").write_text(
        '{"network_data_format": {"inputs": {"image": {"num_channels": 1}}}}'
    )
    dock.model.choose(Bundle("foreign", root, built_in=False))
    loads = []
    dock.model._load = lambda bundle, uncertainty: loads.append(bundle.name) or FakeSegmenter()
    dock.model.segment()
    assert "allow it first" in dock.status.text()
    assert not dock.controller.jobs.running
    assert not dock.model.trust_button.isHidden()
    dock.model.trust_button.click()
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert dock.editing.session.labels.any()
    # files that were changed need consent again, and are not run as they were loaded before
    (root / "configs" / "inference.json").write_text("{}")
    dock.model.segment()
    assert "allow it first" in dock.status.text()
    assert not dock.model.trust_button.isHidden()
    assert loads == ["foreign"]
    dock.model.trust_button.click()
    dock.model.segment()
    wait(lambda: not dock.controller.jobs.running)
    assert loads == ["foreign", "foreign"]


def test_own_folder_whose_metadata_is_broken_is_not_chosen(
    dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dock.model.chosen
    (tmp_path / "broken" / "configs").mkdir(parents=True)
    file = tmp_path / "broken" / "configs" / "metadata.json"
    file.write_text("[1]")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "broken"))
    dock.model._ask_folder()
    assert dock.status.text().startswith(f"{file} holds a list")
    assert dock.model.chosen == before


def test_two_viewers_do_not_take_each_others_keys(
    dock: Any, mouse: CanvasMouse, tmp_path: Path, wait: Callable[..., None]
) -> None:
    import napari

    from napari_plugin.widget import Dock, dock_of

    second = napari.Viewer(show=True)
    try:
        other = Dock(second)
        second.window.add_dock_widget(other, area="right")
        assert dock_of(second) is other
        assert dock_of(dock.viewer) is dock
        there = opened(other, write_volume_file(tmp_path / "other.nii.gz", "RAS"), wait)
        second.window._qt_window.activateWindow()
        wait(second.window._qt_window.isActiveWindow)
        there.key(Qt.Key.Key_9)
        assert (plane_of(second).name, plane_of(dock.viewer).name) == ("coronal", "axial")
        dock.editing.session.paint(dock.editing.new_object(), (slice(0, 2),) * 3)
        assert not other.editing.session.labels.any()
        other.editing.unsaved = False
    finally:
        other.release()
        second.close()
        dock.viewer.window._qt_window.activateWindow()


def test_surfaces_and_back(dock: Any, mouse: CanvasMouse) -> None:
    session = dock.editing.session
    value = dock.editing.new_object()
    session.paint(value, (slice(4, 8), slice(5, 9), slice(6, 12)))
    from napari_plugin.viewer.surfaces import surface_of

    vertices, faces = surface_of(session, value)
    # the box's corners in mm: half a voxel beyond its outer voxels
    np.testing.assert_allclose(vertices.min(axis=0), np.multiply([3.5, 4.5, 5.5], session.grid.spacing), atol=1e-4)
    np.testing.assert_allclose(vertices.max(axis=0), np.multiply([7.5, 8.5, 11.5], session.grid.spacing), atol=1e-4)
    assert faces.shape[1] == 3
