"""The commands of brain_tumor_mri on tiny folders of every layout, any subset of sequences, and its shipped weights."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_phantom import brats_layout, decathlon_layout, own_layout, write_sequences

from monai_unet.bundle_format import find_bundle
from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.evaluation.regions import score_regions
from monai_unet.io import read_volume, sequence_cases
from monai_unet.segmentation.segmenter import Segmenter
from monai_unet.transforms.brats import REGIONS, convert_labels

ROOT = built_in_folder() / "brain_tumor_mri"
TRAIN, EVALUATE, INFERENCE = (ROOT / "configs" / name for name in ("train.yaml", "evaluate.yaml", "inference.json"))
TINY = ["--epochs", "1", "--batch_size", "2", "--val_interval", "1", "--patch_size", "[16,16,16]"]


def _run(*words, cwd, config=TRAIN):
    files = str(config) if isinstance(config, Path) else str([str(file) for file in config])
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load("brain_tumor_mri", device="cpu")


@pytest.mark.parametrize("make", [decathlon_layout, brats_layout], ids=["Task01_BrainTumour", "BraTS 2020"])
def test_training_runs_unchanged_on_the_layouts_of_others(tmp_path, make):
    root = make(tmp_path / "data", count=12)
    done = _run("--dataset_dir", root, "--output_dir", tmp_path / "out", *TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"last.pt", "best.pt", "history.csv", "tensorboard"}


def test_evaluation_scores_the_three_regions_of_each_case(tmp_path):
    root = own_layout(tmp_path / "data")
    done = _run("--dataset_dir", root, "--output_dir", tmp_path / "out", cwd=tmp_path, config=[TRAIN, EVALUATE])
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "out" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["name"] for row in rows} == set(REGIONS)


def test_a_label_that_its_convention_does_not_have_is_named(tmp_path):
    root = own_layout(tmp_path / "data")
    content = json.loads((root / "dataset.json").read_text())
    for entry in content["training"]:
        entry["label_convention"] = "BraTS 2023"
    (root / "dataset.json").write_text(json.dumps(content))
    done = _run("--dataset_dir", root, "--output_dir", tmp_path / "out", *TINY, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("monai-unet: ")
    assert "holds the value 4, which 'BraTS 2023' does not have" in last


def test_the_bundles_own_inference_groups_files_by_sequence(tmp_path):
    write_sequences(tmp_path / "in", names={s: f"anna_{s}" for s in ("flair", "t1", "t1c", "t2")})
    (tmp_path / "in" / "anna_t2.nii.gz").unlink()
    done = _run("--input", tmp_path / "in", "--output_dir", tmp_path / "out", cwd=tmp_path, config=INFERENCE)
    assert done.returncode == 0, done.stderr[-2000:]
    mask = nib.load(tmp_path / "out" / "anna.nii.gz")
    image = nib.load(tmp_path / "in" / "anna_flair.nii.gz")
    assert mask.shape == image.shape
    assert np.array_equal(mask.affine, image.affine)


def test_segment_takes_any_subset_by_name(tmp_path):
    files = write_sequences(tmp_path / "in", names={"flair": "a", "t1": "b", "t1c": "c", "t2": "d"})
    out = tmp_path / "out" / "mask.nii.gz"
    words = ["segment", "--bundle", "brain_tumor_mri", "--device", "cpu", "--quiet", "-o", str(out)]
    assert main([*words, "--channel", f"flair={files['flair']}", "--channel", f"t1ce={files['t1c']}"]) == 0
    assert nib.load(out).shape == nib.load(files["flair"]).shape
    stated = json.loads((tmp_path / "out" / "mask.json").read_text())
    assert set(stated["labels"].values()) == {"necrotic and non-enhancing core", "oedema", "enhancing tumour"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--channel", "dwi=x.nii.gz"], "has no channel 'dwi'; it has FLAIR, T1, T1c, T2"),
        (["--channel", "flair"], "--channel takes NAME=FILE"),
        ([], "give the images either as INPUT or each by name"),
        (["--channel", "flair=nowhere.nii.gz"], "nowhere.nii.gz does not exist"),
    ],
)
def test_what_segment_refuses_it_says(tmp_path, capsys, words, said):
    assert main(["segment", *words, "--bundle", "brain_tumor_mri", "--device", "cpu", "-o", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err


def test_the_same_case_in_any_order_and_form_gives_the_same_mask(tmp_path, segmenter):
    files = write_sequences(tmp_path)
    by_name = segmenter.segment({"FLAIR": files["flair"], "T1c": files["t1c"]})
    by_file_name = segmenter.segment([files["t1c"], files["flair"]])
    in_order = segmenter.segment([files["flair"], None, files["t1c"], None])
    assert np.array_equal(by_name.labels.numpy(), by_file_name.labels.numpy())
    assert np.array_equal(by_name.labels.numpy(), in_order.labels.numpy())


def test_a_sequence_in_the_wrong_slot_is_noted_in_the_provenance(tmp_path, segmenter):
    images = write_sequences(tmp_path)
    double = {
        name: nib.Nifti1Image(np.repeat(np.repeat(np.asarray(nib.load(path).dataobj), 2, 0), 2, 1), np.eye(4))
        for name, path in images.items()
    }
    for name, image in double.items():
        nib.save(image, images[name])
    right = segmenter.segment({"T1": images["t1"], "T2": images["t2"]})
    assert not any("in the place of another" in note for note in right.provenance["notes"])
    wrong = segmenter.segment({"T1": images["t1"], "T2": images["t1"]})
    assert any("T1 and T2 are alike" in note for note in wrong.provenance["notes"])


def test_no_sequence_at_all_is_refused(segmenter):
    with pytest.raises(InputError, match="needs at least one of FLAIR, T1, T1c, T2"):
        segmenter.segment({"FLAIR": None})


def test_regions_are_scored_as_structures_of_their_own():
    """Whole tumour 2·3/(4+3), core 1, enhancing missed, by hand."""
    prediction = np.array([0, 2, 2, 2, 1]).reshape(5, 1, 1)
    reference = np.array([0, 0, 2, 2, 3]).reshape(5, 1, 1)
    rows = score_regions(prediction, reference, spacing=(1, 1, 1), regions=REGIONS)
    assert [row.name for row in rows] == list(REGIONS)
    assert [row.dice for row in rows] == pytest.approx([6 / 7, 1, 0])
    assert rows[2].status.value == "missed"


@pytest.mark.data
@pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA names no folder of data")
def test_shipped_weights_keep_the_cards_score_on_the_five_patients():
    """FLAIR and T1c; the card's mean whole-tumour Dice minus 0.02 is the limit."""
    description = find_bundle("brain_tumor_mri").description
    root = Path(os.environ["MONAI_UNET_DATA"]) / "BrainTumour"
    segmenter = Segmenter.load("brain_tumor_mri", device="cpu")
    dice = []
    for case in sequence_cases(root, "test", description.channels, use=["FLAIR", "T1c"]):
        found = segmenter.segment(case["image"])
        reference = convert_labels(read_volume(case["label"]).numpy()[0], case["convention"])
        rows = score_regions(found.labels.numpy()[0], reference, spacing=(1, 1, 1), regions=REGIONS)
        dice.append(rows[0].dice)
    assert len(dice) == 5
    assert np.mean(dice) >= description.scores["whole tumour"] - 0.02
