"""Studies as they come: zips, several sequences, what is no volume, full disks; and what a model is given of them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from canvas_mouse import CanvasMouse
from dicom_phantom import write_phantom
from dock_cases import FakeSegmenter, opened, with_model
from monai.data import MetaTensor
from plugin_cases import write_volume_file
from qtpy.QtCore import Qt

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.zoo import list_models
from napari_plugin.case import exporting
from napari_plugin.panels import zoo
from napari_plugin.viewer.hanging import plane_of

pytestmark = pytest.mark.display


def settled(dock: Any, wait: Callable[..., None]) -> None:
    wait(lambda: not dock.controller.jobs.running)
    wait(seconds=0.05)


def test_zipped_dicom_study_is_opened_and_saved_as_seg(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    phantom = write_phantom(tmp_path / "series")
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", phantom.folder)
    opened(dock, Path(archive), wait)
    reference = dock.controller.reference
    # (column, row, slice) of an axial series is (-R, -A, S): the working frame is S, A, R
    np.testing.assert_array_equal(reference.array, phantom.voxels.transpose(2, 1, 0)[:, ::-1, ::-1])
    labels = dock.editing.session.labels
    dock.editing.session.paint(dock.editing.new_object(), (slice(2, 4), slice(3, 9), slice(4, 9)))
    dock.save.save("SEG", tmp_path / "seg.dcm")
    settled(dock, wait)
    assert "Saved" in dock.status.text(), dock.status.text()
    kept = labels.copy()
    dock.editing.undo()
    dock.save.load(tmp_path / "seg.dcm")
    settled(dock, wait)
    np.testing.assert_array_equal(dock.editing.session.labels, kept)


def test_two_sequences_are_linked_side_by_side_and_channels(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    write_volume_file(folder / "T1.nii.gz", "RAS")
    second = nibabel.load(write_volume_file(folder / "flair.nii.gz", "RAS"))
    nibabel.save(nibabel.Nifti1Image(second.get_fdata(dtype=np.float32) * 2, second.affine), folder / "flair.nii.gz")
    opened(dock, folder, wait)
    assert not dock.case.side_by_side.isEnabled()
    for row in range(2):
        item = dock.case.series.item(row)
        if item.checkState() == Qt.CheckState.Unchecked:
            item.setCheckState(Qt.CheckState.Checked)
            settled(dock, wait)
    assert {image.name for image in dock.controller.images} == {"T1", "flair"}
    side_by_side(dock, wait)

    root = tmp_path / "two"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "metadata.json").write_text(
        '{"monai_unet": {"channels": [{"name": "FLAIR", "synonyms": ["flair"]}, {"name": "T1", "synonyms": ["t1"]}]}}'
    )
    segmenter = FakeSegmenter()
    with_model(dock, segmenter)
    dock.model.choose(Bundle("two", root, built_in=True))
    assert [combo.currentText() for combo in dock.model.channels] == ["flair", "T1"]
    dock.model.segment()
    settled(dock, wait)
    first, other = segmenter.given.numpy()
    np.testing.assert_array_equal(first, 2 * other)
    # corrected by hand: the first channel is left without a series
    dock.model.channels[0].setCurrentIndex(0)
    dock.model.segment()
    assert "needs FLAIR" in dock.status.text()
    assert not dock.controller.jobs.running


def side_by_side(dock: Any, wait: Callable[..., None]) -> None:
    """Each series in a canvas of its own: linked, with the same labels, and a place for prompts."""
    viewer, grid = dock.viewer, dock.controller.reference.grid
    seen = [layer.visible for layer in viewer.layers[:2]]
    dock.case.side_by_side.click()
    wait(seconds=0.3)
    (model,), (canvas,) = dock.canvases.series.models, dock.canvases.series.canvases
    first, second = viewer.layers[:2]
    assert (first.visible, second.visible) == (True, False)
    assert model.layers[0].data is second.data
    assert model.layers[0].visible
    assert dock.editing.session.labels is model.layers[1].data
    dock.case.show_plane("coronal")
    dock.view.go_to((6, 11, 9))
    viewer.scene.camera.zoom = 7.5
    assert plane_of(model).name == "coronal"
    assert tuple(model.dims.current_step) == (6, 11, 9)
    assert model.scene.camera.zoom == 7.5
    assert tuple(model.scene.camera.center) == tuple(viewer.scene.camera.center)
    side = CanvasMouse(canvas.canvas, model, grid.spacing)
    side.wheel(1)
    assert tuple(viewer.dims.current_step) == (6, 12, 9)
    given: list[Any] = []
    submit, dock.tool._submit = dock.tool._submit, given.append
    dock.refine.choose("point")
    side.click((7, 12, 10))
    dock.refine.choose(None)
    dock.tool._submit = submit
    np.testing.assert_array_equal(np.rint(given[0].voxels(grid)[0]), (7, 12, 10))
    dock.case.side_by_side.click()
    assert dock.canvases.series is None
    assert [layer.visible for layer in viewer.layers[:2]] == seen


def test_region_drawn_by_mouse_is_all_that_the_model_gets(dock: Any, tmp_path: Path, wait: Callable[..., None]) -> None:
    mouse = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "LPS"), wait)
    segmenter = FakeSegmenter()
    with_model(dock, segmenter)
    middle = np.array(dock.controller.reference.grid.shape) // 2
    dock.view.go_to(tuple(middle))
    dock.model.region_button.click()
    mouse.drag([np.add(middle, (0, -6, -7)), middle, np.add(middle, (0, 6, 7))])
    wait(lambda: dock.model._region is not None)
    assert dock.editing.session.objects == ()
    rows, columns = dock.model._region[1:]
    assert abs(rows.start - (middle[1] - 6)) <= 1
    assert abs(columns.stop - (middle[2] + 8)) <= 1
    dock.model.segment()
    settled(dock, wait)
    assert tuple(segmenter.given.shape[1:]) == tuple(part.stop - part.start for part in dock.model._region)
    start = [part.start for part in dock.model._region]
    # the fake model marks the same place of whatever it gets
    assert dock.editing.session.labels[tuple(np.add(start, (3, 4, 5)))] == 1


def test_next_uncertain_place_goes_to_where_the_model_doubts(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    mouse = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    uncertainty = torch.zeros((1, *dock.controller.reference.grid.shape))
    uncertainty[0, 3:8, 15:20, 10:15] = 0.9
    with_model(dock, FakeSegmenter(uncertainty=MetaTensor(uncertainty)))
    dock.model.uncertainty.setChecked(True)
    dock.model.segment()
    settled(dock, wait)
    assert dock.save.uncertain.isVisibleTo(dock)
    dock.view.go_to((0, 0, 0))
    mouse.key(Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    place = dock.viewer.dims.current_step
    assert uncertainty[0][tuple(place)] == pytest.approx(0.9)
    assert "uncertainty 0.90" in dock.status.text()
    assert "Uncertainty" in [layer.name for layer in dock.viewer.layers]


def not_a_volume(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.nii.gz"
    if kind == "four_dimensional":
        nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7, 3), np.int16), np.eye(4)), path)
    elif kind == "huge":
        # says that it holds 400 gigabytes
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
        header = image.header.copy()
        header.set_data_shape((4700, 4700, 4700))
        path = folder / "huge.nii"
        path.write_bytes(header.binaryblock + b"\0" * 100)
    elif kind == "missing_slice":
        phantom = write_phantom(folder / "series")
        slices = {float(header.ImagePositionPatient[2]): Path(header.filename) for header in phantom.headers()}
        slices[sorted(slices)[3]].unlink()
        return phantom.folder
    elif kind == "empty_zip":
        path = folder / "empty.zip"
        with zipfile.ZipFile(path, "w"):
            pass
    return path


@pytest.mark.parametrize("kind", ["four_dimensional", "huge", "missing_slice", "empty_zip"])
def test_what_is_no_volume_is_a_sentence_and_the_case_stays(
    dock: Any, tmp_path: Path, wait: Callable[..., None], kind: str
) -> None:
    opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    session = dock.editing.session
    session.paint(dock.editing.new_object(), (slice(0, 2),) * 3)
    dock.controller.may_replace = lambda: True
    dock.controller.open_paths([not_a_volume(tmp_path, kind)])
    settled(dock, wait)
    assert dock.editing.session is session
    assert session.labels.sum() == 8
    text = dock.status.text()
    assert text.endswith(".")
    assert len(text) > 30
    assert "unexpectedly" not in text


def test_full_disk_while_saving_is_a_sentence_and_the_work_stays(
    dock: Any, tmp_path: Path, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    dock.editing.session.paint(dock.editing.new_object(), (slice(0, 2),) * 3)

    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "mask.nii.gz"))

    monkeypatch.setattr(exporting, "write_label_map", full)
    dock.save.save("mask", tmp_path / "mask.nii.gz")
    settled(dock, wait)
    assert "No space left on device" in dock.status.text()
    assert dock.editing.unsaved
    assert dock.editing.session.labels.sum() == 8


def test_bundle_of_the_model_zoo_shows_its_licence_before_it_may_run(
    dock: Any, tmp_path: Path, wait: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo_server import Zoo, bundle_files, zoo_served

    opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    monkeypatch.setenv("MONAI_UNET_CACHE", str(tmp_path / "cache"))
    with zoo_served(Zoo(hub={"spleen_ct_segmentation": {"0.5.9": bundle_files()}})) as addresses:
        monkeypatch.setenv("HF_ENDPOINT", addresses.hugging_face)
        monkeypatch.setattr(zoo, "list_models", lambda: list_models(addresses))
        dock.tabs.show_panel(dock.model)
        dock.model.zoo_button.click()
        settled(dock, wait)
        assert dock.model.zoo.isVisibleTo(dock)
        assert dock.model.zoo.models.itemText(0) == "spleen_ct_segmentation  newest  apache-2.0"
        dock.model.zoo.get.click()
        settled(dock, wait)
    assert dock.model.chosen.name == "spleen_ct_segmentation"
    assert "Apache License 2.0, in full" in dock.model.licence.toPlainText()
    assert dock.model.licence.isVisibleTo(dock)
    dock.model._load = lambda bundle, uncertainty: FakeSegmenter()
    dock.model.segment()
    assert "allow it first" in dock.status.text()
    dock.model.trust_button.click()
    assert not dock.model.licence.isVisibleTo(dock)
    dock.model.segment()
    settled(dock, wait)
    assert dock.editing.session.labels.any()
