"""Synthetic cases on disk: read back what was drawn, each case by its own seed."""

import json

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandGaussianNoised

from monai_unet.io import read_volume, sequence_cases
from monai_unet.io.datasets.channel import Channel
from monai_unet.io.datasets.channels import read_channels
from monai_unet.training import SyntheticCases

CHANNELS = [Channel("FLAIR", ("flair",)), Channel("T1", ("t1",))]


def _bases():
    affine = torch.diag(torch.tensor([2.0, 1.5, 1.0, 1.0]))
    # working frame: S, A, R
    affine = affine[:, [2, 1, 0, 3]]
    bases = []
    for level in (100.0, 200.0):
        image = torch.full((2, 6, 7, 8), level)
        image[1] *= 2
        label = torch.zeros(1, 6, 7, 8)
        label[0, 1, 2, 3] = 3
        bases.append({"image": MetaTensor(image, affine=affine), "label": MetaTensor(label, affine=affine)})
    return bases


def _write(folder, seed=0, count=3, workers=0):
    draw = Compose([RandGaussianNoised("image", prob=1.0, std=5.0)])
    SyntheticCases(
        _bases(),
        draw,
        folder,
        channels=["FLAIR", "T1"],
        counts={"training": count, "validation": 1},
        seed=seed,
        workers=workers,
    ).run()
    return folder


def test_the_dataset_reads_as_any_other(tmp_path):
    root = _write(tmp_path)
    cases = sequence_cases(root, "training", CHANNELS)
    assert [case["name"] for case in cases] == ["training_0000", "training_0001", "training_0002"]
    image, label = read_channels(cases[0]["image"]), read_volume(cases[0]["label"])
    assert image.shape == (2, 6, 7, 8)
    assert np.argwhere(label.numpy()[0] == 3).tolist() == [[1, 2, 3]]
    np.testing.assert_allclose(np.linalg.norm(np.asarray(image.affine)[:3, :3], axis=0), (1.0, 1.5, 2.0))
    assert json.loads((root / "dataset.json").read_text())["label_convention"] == "BraTS 2023"


def test_a_case_depends_on_seed_list_and_number_alone(tmp_path):
    three, one, other = _write(tmp_path / "a"), _write(tmp_path / "b", count=1), _write(tmp_path / "c", seed=1)
    read = [np.asarray(nib.load(root / "training" / "case_0000_flair.nii.gz").dataobj) for root in (three, one, other)]
    assert np.array_equal(read[0], read[1])
    assert not np.array_equal(read[0], read[2])
    held_out = np.asarray(nib.load(three / "validation" / "case_0000_flair.nii.gz").dataobj)
    assert not np.array_equal(read[0], held_out)


def test_what_is_there_is_kept(tmp_path):
    root = _write(tmp_path, count=1)
    path = root / "training" / "case_0000_label.nii.gz"
    before = path.stat().st_mtime_ns
    _write(tmp_path, count=2)
    assert path.stat().st_mtime_ns == before
    assert (root / "training" / "case_0001_label.nii.gz").is_file()


def test_several_processes_write_the_same_cases(tmp_path):
    alone, together = _write(tmp_path / "a"), _write(tmp_path / "b", workers=2)
    assert (alone / "dataset.json").read_text() == (together / "dataset.json").read_text()
    for path in sorted(alone.rglob("*.nii.gz")):
        other = nib.load(together / path.relative_to(alone))
        assert np.array_equal(nib.load(path).dataobj, other.dataobj), path.name
