"""Results written from a session's snapshot and read back."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from plugin_cases import ORIENTATIONS, write_volume_file
from test_hanging import opened

from monai_unet.errors import InputError
from monai_unet.interaction.session.objects import SegmentObject
from monai_unet.io.datasets import read_labelled_set
from napari_plugin.case.exporting import EditedCase, load_mask, save_csv, save_for_training, save_mask, save_seg
from napari_plugin.case.summary import save_html


@pytest.fixture(params=ORIENTATIONS.values(), ids=ORIENTATIONS)
def outcome(tmp_path: Path, request: pytest.FixtureRequest) -> EditedCase:
    image = opened(write_volume_file(tmp_path / "case.nii.gz", request.param))
    labels = np.zeros(image.grid.shape, np.uint16)
    labels[2:6, 3:9, 4:12] = 1
    labels[8:10, 3:6, 4:8] = 4
    objects = (SegmentObject(1, "left tumour", "tumour"), SegmentObject(4, "right tumour", "tumour", (9, 8, 7)))
    return EditedCase(image, labels, objects, {})


def test_mask_lies_on_the_grid_of_the_file(outcome: EditedCase, tmp_path: Path) -> None:
    save_mask(outcome, tmp_path / "mask.nii.gz")
    source, mask = nibabel.load(outcome.image.entry.path), nibabel.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, source.affine)
    values = np.asanyarray(mask.dataobj)
    assert values.shape == source.shape
    # the file holds a different value in each voxel: the same voxels are labelled
    image = np.asanyarray(source.dataobj)
    assert set(image[values == 4].tolist()) == set(outcome.image.array[outcome.labels == 4].tolist())
    stated = json.loads((tmp_path / "mask.json").read_text())
    assert stated["use"] == "For research use; not a medical device"
    assert stated["corrected"] is True


def test_mask_read_back_is_the_same(outcome: EditedCase, tmp_path: Path) -> None:
    save_mask(outcome, tmp_path / "mask.nii.gz")
    labels, objects = load_mask(tmp_path / "mask.nii.gz", outcome.image)
    np.testing.assert_array_equal(labels, outcome.labels)
    assert [(o.value, o.name) for o in objects] == [(1, "left tumour"), (4, "right tumour")]


def test_table_holds_volumes_by_counting(outcome: EditedCase, tmp_path: Path) -> None:
    save_csv(outcome, tmp_path / "findings.csv")
    with (tmp_path / "findings.csv").open() as file:
        rows = list(csv.DictReader(file))
    voxel_ml = 1.5 * 2.0 * 2.5 / 1000
    assert [float(row["volume_ml"]) for row in rows] == pytest.approx([4 * 6 * 8 * voxel_ml, 2 * 3 * 4 * voxel_ml])
    assert float(rows[0]["mean_intensity"]) == pytest.approx(outcome.image.array[outcome.labels == 1].mean(), rel=1e-4)


NOTES = ("2 copies of images were left out", "voxels outside the field of view (padding) were set to -1024 HU")


def test_notes_of_the_images_stand_in_table_page_and_training_set(outcome: EditedCase, tmp_path: Path) -> None:
    noted = replace(outcome, notes=NOTES)
    save_csv(noted, tmp_path / "findings.csv")
    with (tmp_path / "findings.csv").open(newline="") as file:
        assert {row["notes"] for row in csv.DictReader(file)} == {"; ".join(NOTES)}
    save_html(noted, tmp_path / "findings.html")
    page = (tmp_path / "findings.html").read_text()
    assert all(note in page for note in NOTES)
    for number in range(5):
        save_for_training(noted if number else outcome, tmp_path / "set")
    dataset = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert [case.get("notes") for case in dataset["training"]] == [None, *[list(NOTES)] * 4]
    # a plan still takes the set, and the words for no channel
    (case, *_) = read_labelled_set(tmp_path / "set").cases
    assert len(case.images) == 1


def test_training_set_has_one_label_for_each_class(outcome: EditedCase, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    save_for_training(outcome, folder)
    save_for_training(outcome, folder)
    dataset = json.loads((folder / "dataset.json").read_text())
    assert dataset["labels"] == {"0": "background", "1": "tumour"}
    assert dataset["numTraining"] == 2 == len({case["image"] for case in dataset["training"]})
    for case in dataset["training"]:
        mask = np.asanyarray(nibabel.load(folder / case["label"]).dataobj)
        assert mask.max() == 1
        assert mask.sum() == (outcome.labels > 0).sum()
        assert (folder / case["image"]).is_file()


def test_training_set_is_numbered_as_the_model_that_was_corrected(outcome: EditedCase, tmp_path: Path) -> None:
    objects = (SegmentObject(1, "posterior hippocampus", "posterior hippocampus"), SegmentObject(4, "cyst", "cyst"))
    save_for_training(
        EditedCase(outcome.image, outcome.labels, objects, {"bundle": "hippocampus_mri"}), tmp_path / "set"
    )
    dataset = json.loads((tmp_path / "set" / "dataset.json").read_text())
    # 1 and 2 as in the model's card, what it does not know after them
    assert dataset["labels"] == {
        "0": "background",
        "1": "anterior hippocampus",
        "2": "posterior hippocampus",
        "3": "cyst",
    }
    mask = np.asanyarray(nibabel.load(tmp_path / "set" / dataset["training"][0]["label"]).dataobj)
    assert (mask == 2).sum() == (outcome.labels == 1).sum()
    assert (mask == 3).sum() == (outcome.labels == 4).sum()


def saved(outcome: EditedCase, objects: tuple[SegmentObject, ...], made_by: dict[str, object], folder: Path) -> dict:
    """Save for training; the dataset's labels, and value in the session → values in the mask file."""
    _, mask, description = save_for_training(EditedCase(outcome.image, outcome.labels, objects, made_by), folder)
    # files hold (R, A, S) in any orientation: voxels are counted, and the two objects differ in size
    counts = dict(zip(*np.unique(np.asanyarray(nibabel.load(mask).dataobj), return_counts=True), strict=True))
    values = {
        item.value: [v for v, n in counts.items() if n == (outcome.labels == item.value).sum()] for item in objects
    }
    return {"labels": json.loads(description.read_text())["labels"], "values": values}


NAMELESS = (SegmentObject(1, "class 1", "class 1"), SegmentObject(4, "class 4", "class 4"))


def test_labels_of_a_foreign_model_keep_their_values(outcome: EditedCase, tmp_path: Path) -> None:
    """BraTS of the Model Zoo gives 1, 2, 4 without names: before, 4 became 2."""
    made_by = {"bundle": "brats_mri_segmentation", "labels": {"1": "class 1", "4": "class 4"}}
    first = saved(outcome, NAMELESS, made_by, tmp_path / "set")
    assert first == {"labels": {"0": "background", "1": "class 1", "4": "class 4"}, "values": {1: [1], 4: [4]}}
    # a case with a value that the first did not have, and one with a lesion that the model does not know
    objects = (SegmentObject(1, "class 2", "class 2"), SegmentObject(4, "class 4", "class 4"))
    saved(outcome, objects, {"labels": {"1": "class 1", "2": "class 2", "4": "class 4"}}, tmp_path / "set")
    objects = (SegmentObject(1, "cyst", "cyst"), SegmentObject(4, "class 4", "class 4"))
    later = saved(outcome, objects, {"labels": {"2": "class 2", "4": "class 4"}}, tmp_path / "set")
    assert later["labels"] == {"0": "background", "1": "class 1", "2": "class 2", "4": "class 4", "5": "cyst"}
    assert later["values"] == {1: [5], 4: [4]}


def test_a_label_without_a_name_keeps_its_value_when_the_user_names_it(outcome: EditedCase, tmp_path: Path) -> None:
    made_by = {"bundle": "brats_mri_segmentation", "labels": {"1": "class 1", "4": "class 4"}}
    saved(outcome, NAMELESS, made_by, tmp_path / "set")
    named = (SegmentObject(1, "core", "core"), SegmentObject(4, "class 4", "enhancing tumour"))
    found = saved(outcome, named, made_by, tmp_path / "set")
    assert found["labels"] == {"0": "background", "1": "core", "4": "enhancing tumour"}
    assert found["values"] == {1: [1], 4: [4]}


def test_labels_of_a_foreign_bundle_found_by_name_keep_their_values(
    outcome: EditedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a session recovered from before the provenance held the labels."""
    configs = tmp_path / "bundles" / "abdomen" / "configs"
    configs.mkdir(parents=True)
    pred = {"num_channels": 5, "channel_def": {"0": "background", "1": "liver", "4": "cyst"}}
    (configs / "metadata.json").write_text(json.dumps({"network_data_format": {"outputs": {"pred": pred}}}))
    monkeypatch.setenv("MONAI_UNET_BUNDLES", str(tmp_path / "bundles"))
    objects = (SegmentObject(1, "liver", "liver"), SegmentObject(4, "cyst", "cyst"))
    found = saved(outcome, objects, {"bundle": "abdomen"}, tmp_path / "set")
    assert found == {"labels": {"0": "background", "1": "liver", "4": "cyst"}, "values": {1: [1], 4: [4]}}


def test_labels_of_a_mask_that_no_model_made_keep_their_values(outcome: EditedCase, tmp_path: Path) -> None:
    objects = (SegmentObject(1, "kidney", "kidney"), SegmentObject(4, "cyst", "cyst"))
    found = saved(outcome, objects, {}, tmp_path / "set")
    assert found == {"labels": {"0": "background", "1": "kidney", "4": "cyst"}, "values": {1: [1], 4: [4]}}


def test_a_dataset_keeps_its_own_values_and_refuses_another_meaning(outcome: EditedCase, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    saved(outcome, (SegmentObject(1, "cyst", "cyst"), SegmentObject(4, "tumour", "tumour")), {}, folder)
    again = saved(outcome, (SegmentObject(4, "cyst"), SegmentObject(1, "tumour")), {}, folder)
    assert again == {"labels": {"0": "background", "1": "cyst", "4": "tumour"}, "values": {1: [4], 4: [1]}}
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="the label 1 is cyst, and for the model that marked this case it is class 1"):
        saved(outcome, NAMELESS, {"labels": {"1": "class 1", "4": "class 4"}}, folder)
    assert sorted(folder.rglob("*")) == before


def test_dicom_result_of_a_volume_file_is_refused_by_name(outcome: EditedCase, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not DICOM"):
        save_seg(outcome, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_page_is_self_contained_and_marked(outcome: EditedCase, tmp_path: Path) -> None:
    save_html(outcome, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("For research use; not a medical device") >= 1
    assert page.count("data:image/png;base64,") == 2
    assert "left tumour" in page
    assert 'src="http' not in page


def test_mask_of_another_image_is_refused(outcome: EditedCase, tmp_path: Path) -> None:
    save_mask(outcome, tmp_path / "mask.nii.gz")
    other = opened(write_volume_file(tmp_path / "other.nii.gz", "RAS", degrees=33.0))
    with pytest.raises(InputError, match="does not lie on the voxels"):
        load_mask(tmp_path / "mask.nii.gz", other)


@pytest.mark.parametrize("save", [save_mask, save_csv, save_html])
def test_no_result_is_saved_in_the_place_of_the_image(outcome: EditedCase, tmp_path: Path, save: Any) -> None:
    image = Path(outcome.image.entry.path)
    (tmp_path / "link.nii.gz").symlink_to(image)
    before = image.read_bytes()
    for path in (image, tmp_path / "link.nii.gz"):
        with pytest.raises(InputError, match="input"):
            save(outcome, path)
    assert image.read_bytes() == before
    assert (tmp_path / "link.nii.gz").is_symlink()


def test_a_side_file_of_another_program_is_kept(outcome: EditedCase, tmp_path: Path) -> None:
    (tmp_path / "mask.json").write_text('{"EchoTime": 0.03}')
    with pytest.raises(InputError, match=r"mask\.json is there already"):
        save_mask(outcome, tmp_path / "mask.nii.gz")
    assert (tmp_path / "mask.json").read_text() == '{"EchoTime": 0.03}'
    assert not (tmp_path / "mask.nii.gz").exists()
    for _ in range(2):
        save_mask(outcome, tmp_path / "mine.nii.gz")


def test_a_training_case_takes_no_name_that_is_in_the_folder(outcome: EditedCase, tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr" / "case_001.nii.gz").write_text("of somebody")
    image, _, _ = save_for_training(outcome, tmp_path)
    assert image.name == "case_002.nii.gz"
    assert (tmp_path / "imagesTr" / "case_001.nii.gz").read_text() == "of somebody"
