"""Pairing of predictions and references: everything that does not pair up is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_unet.errors import InputError
from monai_unet.evaluation.pairs import label_names, pair_csv, pair_dataset, pair_folders
from monai_unet.io.datasets import unique_names


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_folders_pair_by_case_name_and_name_what_is_missing_or_double(tmp_path: Path) -> None:
    predictions = touch(tmp_path / "pred", "a.nii.gz", "b.nii", "b.nii.gz", "d.nii.gz", ".hidden.nii.gz")
    references = touch(tmp_path / "labelsTs", "a.nii.gz", "b.nii.gz", "c.nii.gz")
    pairing = pair_folders(predictions, references)
    assert [pair.case for pair in pairing.pairs] == ["a"]
    reasons = {refusal.case: refusal.reason for refusal in pairing.refusals}
    assert reasons.keys() == {"b", "c", "d"}
    assert "two files" in reasons["b"]
    assert "no prediction named c" in reasons["c"]
    assert "no reference named d" in reasons["d"]


def test_nnunet_raw_folder_gives_labels_and_images_of_every_channel(tmp_path: Path) -> None:
    touch(tmp_path / "labelsTs", "case_01.nii.gz", "case_02.nii.gz")
    touch(tmp_path / "imagesTs", "case_01_0000.nii.gz", "case_01_0001.nii.gz", "case_02_0000.nii.gz")
    dataset = {"labels": {"background": 0, "liver": 1}, "channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    predictions = touch(tmp_path / "pred", "case_01.nii.gz")
    pairing = pair_dataset(tmp_path, "test", predictions)
    assert pairing.labels == {0: "background", 1: "liver"}
    [pair] = pairing.pairs
    assert [Path(image).name for image in pair.images] == ["case_01_0000.nii.gz", "case_01_0001.nii.gz"]
    assert [refusal.case for refusal in pairing.refusals] == ["case_02"]


def decathlon(root: Path) -> Path:
    for patient in ("P1", "P2"):
        touch(root / patient, "t1.nii.gz", "t1_label.nii.gz")
    cases = [{"image": f"./{p}/t1.nii.gz", "label": f"./{p}/t1_label.nii.gz"} for p in ("P1", "P2", "P3")]
    (root / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "tumour"}, "test": cases}))
    return root


def test_files_of_one_name_in_two_folders_are_two_cases(tmp_path: Path) -> None:
    predictions = touch(tmp_path / "pred", "P1_t1.nii.gz", "t1.nii.gz")
    pairing = pair_dataset(decathlon(tmp_path), "test", predictions)
    assert [(pair.case, Path(pair.prediction).name) for pair in pairing.pairs] == [("P1_t1", "P1_t1.nii.gz")]
    reasons = {refusal.case: refusal.reason for refusal in pairing.refusals}
    assert "no prediction named P2_t1" in reasons["P2_t1"]
    assert "does not exist" in reasons["P3_t1"]


def test_a_data_set_to_be_segmented_needs_its_images(tmp_path: Path) -> None:
    pairing = pair_dataset(decathlon(tmp_path), "test", tmp_path / "made", made_later=True)
    assert [Path(pair.prediction).name for pair in pairing.pairs] == ["P1_t1.nii.gz", "P2_t1.nii.gz"]


def test_a_list_that_is_not_there_is_refused_and_the_others_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cases under 'training'; it has test"):
        pair_dataset(decathlon(tmp_path), "training", touch(tmp_path / "pred", "a.nii"))


def test_csv_paths_are_relative_to_it_and_repeated_cases_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("case,prediction,reference\na,p/a.nii,r/a.nii\nb,p/b.nii,\nc,p/c.nii,r/c.nii\nc,p/d.nii,r/d.nii\n")
    pairing = pair_csv(table)
    assert [(pair.case, pair.reference) for pair in pairing.pairs] == [("a", str(tmp_path / "r/a.nii"))]
    reasons = {refusal.case: refusal.reason for refusal in pairing.refusals}
    assert "names no reference" in reasons["b"]
    assert "2 cases c" in reasons["c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,b\n1,2\n", "no column prediction or reference"), ("prediction,reference\n", "names no case")],
)
def test_a_csv_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        pair_csv(tmp_path / "pairs.csv")


def test_empty_or_missing_folders_are_refused(tmp_path: Path) -> None:
    full = touch(tmp_path / "full", "a.nii")
    with pytest.raises(InputError, match="is not a folder"):
        pair_folders(full, tmp_path / "nothing")
    with pytest.raises(InputError, match="holds no label map"):
        pair_folders(touch(tmp_path / "empty"), full)


def test_label_names_of_both_conventions_and_regions_refused() -> None:
    assert label_names({"labels": {"0": "background", "2": "cord"}}) == {0: "background", 2: "cord"}
    assert label_names({"labels": {"background": 0, "cord": 2}}) == {0: "background", 2: "cord"}
    with pytest.raises(InputError, match="not one value each"):
        label_names({"labels": {"background": 0, "whole tumour": [1, 2]}})


def test_names_take_as_much_of_the_path_as_tells_them_apart() -> None:
    assert unique_names(["x/a.nii.gz", "x/b.nii"]) == ["a", "b"]
    assert unique_names(["x/1/t1.nii.gz", "x/2/t1.nii.gz"]) == ["1_t1", "2_t1"]
    assert unique_names([]) == []
