"""The shipped hippocampus weights and the three commands of the bundle."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from decathlon_phantom import make_case, make_dataset

from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.evaluation import score_case
from monai_unet.io import dataset_cases, read_volume
from monai_unet.segmentation.segmenter import Segmenter

ROOT = built_in_folder() / "hippocampus_mri"
TRAIN, EVALUATE, INFERENCE = (ROOT / "configs" / name for name in ("train.yaml", "evaluate.yaml", "inference.json"))
TINY = ["--epochs", "2", "--batch_size", "2", "--val_interval", "1", "--patch_size", "[16,16,16]"]


def _run(*words, cwd, launcher=("-m",), config=TRAIN):
    files = str(config) if isinstance(config, Path) else str([str(file) for file in config])
    command = [sys.executable, *launcher, "monai.bundle", "run", "--config_file", files, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """A run of two epochs on the phantom, from another folder than the bundle's."""
    folder = tmp_path_factory.mktemp("run")
    done = _run("--dataset_dir", dataset, "--output_dir", folder / "out", *TINY, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_training_writes_to_its_output_folder_alone(trained):
    assert [p.name for p in trained.iterdir()] == ["out"]
    assert {p.name for p in (trained / "out").iterdir()} == {"last.pt", "best.pt", "history.csv", "tensorboard"}


def test_training_learns(trained):
    with (trained / "out" / "history.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[1] < losses[0]


def test_evaluation_scores_each_case_of_the_list(trained, dataset, tmp_path):
    done = _run(
        *("--dataset_dir", dataset, "--key", "test", "--ckpt", trained / "out" / "best.pt"),
        *("--output_dir", tmp_path / "scores"),
        cwd=tmp_path,
        config=[TRAIN, EVALUATE],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "scores" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["case"] for row in rows} == {"case_06", "case_07"}
    assert {row["name"] for row in rows} == {"anterior hippocampus", "posterior hippocampus"}


def test_inference_names_bad_cases_and_goes_on(tmp_path):
    folder = tmp_path / "in"
    good = folder / make_case(folder, "good", seed=0)["image"]
    images = good.parent
    (images / "cut.nii.gz").write_bytes(good.read_bytes()[:2000])
    nib.save(nib.Nifti1Image(np.zeros((20, 20), np.float32), np.eye(4)), images / "flat.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((9, 9, 9, 5), np.float32), np.eye(4)), images / "time.nii.gz")
    done = _run("--input", images, "--output_dir", tmp_path / "out", cwd=tmp_path, config=INFERENCE)
    assert done.returncode == 2, done.stderr[-2000:]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["flat.nii.gz", "good.nii.gz"]
    for name in ("cut.nii.gz", "time.nii.gz"):
        assert sum(name in line for line in done.stdout.splitlines()) == 1, done.stdout
    mask, image = nib.load(tmp_path / "out" / "good.nii.gz"), nib.load(good)
    assert mask.shape == image.shape
    assert np.array_equal(mask.affine, image.affine)
    assert mask.get_data_dtype() == np.uint8


@pytest.mark.parametrize("fault", ["shape", "shift", "value", "lonely"])
def test_training_refuses_a_bad_pair_by_name(tmp_path, fault):
    dataset = make_dataset(tmp_path / "data", training=2, validation=1, test=0)
    label = tmp_path / "data" / "labels" / "case_01.nii.gz"
    data = np.asarray(nib.load(label).dataobj)
    shifted = np.eye(4)
    shifted[2, 3] = 9
    if fault == "lonely":
        label.unlink()
    else:
        changed = {"shape": data[:-1], "shift": data, "value": data + 7}[fault]
        nib.save(nib.Nifti1Image(changed, shifted if fault == "shift" else np.eye(4)), label)
    done = _run("--dataset_dir", dataset, "--output_dir", tmp_path / "out", *TINY, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("monai-unet: ")
    assert "case_01.nii.gz" in last
    assert not (tmp_path / "out").exists()


def test_a_read_only_bundle_trains_and_segments(dataset, tmp_path):
    copy = tmp_path / "copy" / "hippocampus_mri"
    shutil.copytree(ROOT, copy)
    folders = [path for path in (copy, *copy.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    before = sorted(p.name for p in copy.rglob("*"))
    done = _run(
        *("--dataset_dir", dataset, "--output_dir", tmp_path / "out", *TINY, "--epochs", "1"),
        cwd=tmp_path,
        config=copy / "configs" / "train.yaml",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    image = dataset / "images" / "case_00.nii.gz"
    done = _run(
        *("--input", image, "--output_dir", tmp_path / "masks"),
        cwd=tmp_path,
        config=copy / "configs" / "inference.json",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "masks" / "case_00.nii.gz").is_file()
    assert sorted(p.name for p in copy.rglob("*")) == before
    for folder in folders:
        folder.chmod(stat.S_IRWXU)


def test_two_processes_train_one_network_and_report_one_metric(dataset, tmp_path):
    done = _run(
        *("--dataset_dir", dataset, "--output_dir", tmp_path / "out", *TINY, "--batch_size", "1"),
        cwd=tmp_path,
        launcher=("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"),
        config=[TRAIN, TRAIN.with_name("multi_gpu_train.yaml")],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / "out" / "last.pt", weights_only=True)
    # 4 cases on 2 processes, one each per batch: 2 batches per epoch
    assert state["trainer"] == {"iteration": 4, "epoch_length": 2}


needs_data = pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA names no folder of data")


@pytest.mark.data
@needs_data
def test_a_dicom_folder_gives_the_mask_of_its_nifti(tmp_path):
    """The NIfTI is made by SimpleITK, so that the two ways into the bundle share no reader of ours."""
    series = Path(os.environ["MONAI_UNET_DATA"]) / "dicom" / "brain_tumour_mr" / "13_HCropVolume"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    sitk.WriteImage(reader.Execute(), str(tmp_path / "converted.nii.gz"))
    for name, path in (("dicom", series), ("nifti", tmp_path / "converted.nii.gz")):
        done = _run("--input", path, "--output_dir", tmp_path / name, cwd=tmp_path, config=INFERENCE)
        assert done.returncode == 0, done.stderr[-2000:]
    masks = [read_volume(next((tmp_path / name).glob("*.nii.gz"))) for name in ("dicom", "nifti")]
    assert masks[0].sum() > 1000
    assert np.array_equal(masks[0].numpy(), masks[1].numpy())
    np.testing.assert_allclose(np.asarray(masks[0].affine), np.asarray(masks[1].affine), atol=1e-3)


@pytest.mark.data
@needs_data
def test_shipped_weights_keep_the_cards_score_on_test_cases():
    """At least five test cases; the card's mean minus 0.02 is the limit (see the issue of this bundle)."""
    card = json.loads((ROOT / "configs" / "metadata.json").read_text(encoding="utf-8"))["monai_unet"]["test_dice"]
    cases = dataset_cases(Path(os.environ["MONAI_UNET_DATA"]) / "Task04_Hippocampus", "test")[::5]
    assert len(cases) >= 5
    segmenter = Segmenter.load("hippocampus_mri", device="cpu")
    dice = []
    for case in cases:
        found = segmenter.segment(case["image"])
        reference = read_volume(case["label"])
        rows = score_case(
            np.asarray(found.labels[0]).astype(np.uint8),
            np.asarray(reference[0]).astype(np.uint8),
            spacing=(1.0, 1.0, 1.0),
            labels=found.label_names,
        )
        dice += [row.dice for row in rows]
    assert np.mean(dice) >= card["mean"] - 0.02
