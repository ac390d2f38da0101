"""Results written from a session's snapshot and read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from plugin_cases import ORIENTATIONS, write_volume_file
from test_hanging import opened

from monai_unet.errors import InputError
from monai_unet.interaction.session.objects import SegmentObject
from napari_plugin.case.exporting import Outcome, load_mask, save_csv, save_for_training, save_mask, save_seg
from napari_plugin.case.summary import save_html


@pytest.fixture(params=ORIENTATIONS.values(), ids=ORIENTATIONS)
def outcome(tmp_path: Path, request: pytest.FixtureRequest) -> Outcome:
    image = opened(write_volume_file(tmp_path / "case.nii.gz", request.param))
    labels = np.zeros(image.grid.shape, np.uint16)
    labels[2:6, 3:9, 4:12] = 1
    labels[8:10, 3:6, 4:8] = 4
    objects = (SegmentObject(1, "left tumour", "tumour"), SegmentObject(4, "right tumour", "tumour", (9, 8, 7)))
    return Outcome(image, labels, objects, {})


def test_mask_lies_on_the_grid_of_the_file(outcome: Outcome, tmp_path: Path) -> None:
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


def test_mask_read_back_is_the_same(outcome: Outcome, tmp_path: Path) -> None:
    save_mask(outcome, tmp_path / "mask.nii.gz")
    labels, objects = load_mask(tmp_path / "mask.nii.gz", outcome.image)
    np.testing.assert_array_equal(labels, outcome.labels)
    assert [(o.value, o.name) for o in objects] == [(1, "left tumour"), (4, "right tumour")]


def test_table_holds_volumes_by_counting(outcome: Outcome, tmp_path: Path) -> None:
    save_csv(outcome, tmp_path / "findings.csv")
    with (tmp_path / "findings.csv").open() as file:
        rows = list(csv.DictReader(file))
    voxel_ml = 1.5 * 2.0 * 2.5 / 1000
    assert [float(row["volume_ml"]) for row in rows] == pytest.approx([4 * 6 * 8 * voxel_ml, 2 * 3 * 4 * voxel_ml])
    assert float(rows[0]["mean_intensity"]) == pytest.approx(outcome.image.array[outcome.labels == 1].mean(), rel=1e-4)


def test_training_set_has_one_label_for_each_class(outcome: Outcome, tmp_path: Path) -> None:
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


def test_training_set_is_numbered_as_the_model_that_was_corrected(outcome: Outcome, tmp_path: Path) -> None:
    objects = (SegmentObject(1, "posterior hippocampus", "posterior hippocampus"), SegmentObject(4, "cyst", "cyst"))
    save_for_training(Outcome(outcome.image, outcome.labels, objects, {"bundle": "hippocampus_mri"}), tmp_path / "set")
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


def test_dicom_result_of_a_volume_file_is_refused_by_name(outcome: Outcome, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not DICOM"):
        save_seg(outcome, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()


def test_page_is_self_contained_and_marked(outcome: Outcome, tmp_path: Path) -> None:
    save_html(outcome, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("For research use; not a medical device") >= 1
    assert page.count("data:image/png;base64,") == 2
    assert "left tumour" in page
    assert 'src="http' not in page


def test_mask_of_another_image_is_refused(outcome: Outcome, tmp_path: Path) -> None:
    save_mask(outcome, tmp_path / "mask.nii.gz")
    other = opened(write_volume_file(tmp_path / "other.nii.gz", "RAS", degrees=33.0))
    with pytest.raises(InputError, match="does not lie on the voxels"):
        load_mask(tmp_path / "mask.nii.gz", other)


@pytest.mark.parametrize("save", [save_mask, save_csv, save_html])
def test_no_result_is_saved_in_the_place_of_the_image(outcome: Outcome, tmp_path: Path, save: Any) -> None:
    image = Path(outcome.image.entry.path)
    (tmp_path / "link.nii.gz").symlink_to(image)
    before = image.read_bytes()
    for path in (image, tmp_path / "link.nii.gz"):
        with pytest.raises(InputError, match="input"):
            save(outcome, path)
    assert image.read_bytes() == before
    assert (tmp_path / "link.nii.gz").is_symlink()


def test_a_side_file_of_another_program_is_kept(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "mask.json").write_text('{"EchoTime": 0.03}')
    with pytest.raises(InputError, match=r"mask\.json is there already"):
        save_mask(outcome, tmp_path / "mask.nii.gz")
    assert (tmp_path / "mask.json").read_text() == '{"EchoTime": 0.03}'
    assert not (tmp_path / "mask.nii.gz").exists()
    for _ in range(2):
        save_mask(outcome, tmp_path / "mine.nii.gz")


def test_a_training_case_takes_no_name_that_is_in_the_folder(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr" / "case_001.nii.gz").write_text("of somebody")
    image, _, _ = save_for_training(outcome, tmp_path)
    assert image.name == "case_002.nii.gz"
    assert (tmp_path / "imagesTr" / "case_001.nii.gz").read_text() == "of somebody"
