"""`segment` in processes, in parts and with a time limit gives the masks that one run gives."""

import json

import pytest
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.cli import main

COUNT = 4


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(COUNT):
        write_image(folder / f"case{number}.nii.gz", "oblique", seed=number)
    return folder


@pytest.fixture
def command(tmp_path, images):
    weights = hippocampus_weights(tmp_path / "model.pt")
    return ["segment", str(images), "--bundle", "hippocampus_mri", "--checkpoint", str(weights), "--device", "cpu"]


def masks(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.nii.gz"))}


def test_parts_processes_and_one_run_give_the_same_bytes(tmp_path, command, capsys):
    assert main([*command, "-o", str(tmp_path / "one")]) == 0
    for number in (1, 2, 3):
        assert main([*command, "-o", str(tmp_path / "parts"), "--part", f"{number}/3"]) == 0
    assert main([*command, "-o", str(tmp_path / "two"), "--workers", "2"]) == 0
    assert len(masks(tmp_path / "one")) == COUNT
    assert masks(tmp_path / "parts") == masks(tmp_path / "one") == masks(tmp_path / "two")
    capsys.readouterr()
    assert main(["gather", str(tmp_path / "parts")]) == 0
    assert capsys.readouterr().out.startswith(f"{COUNT} done, 0 failed, 0 missing")
    header, *rows = (tmp_path / "parts" / "batch.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == COUNT
    stated = json.loads((tmp_path / "one" / "case0.json").read_text(encoding="utf-8"))
    assert [f"{name} ml" in header for name in stated["labels"].values()] == [True, True]


def test_volumes_in_the_receipt_are_those_of_the_mask(tmp_path, command):
    import nibabel as nib
    import numpy as np

    assert main([*command, "-o", str(tmp_path / "one")]) == 0
    mask = nib.load(tmp_path / "one" / "case1.nii.gz")
    stated = json.loads((tmp_path / "one" / "case1.json").read_text(encoding="utf-8"))
    voxel_ml = abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    values = np.asarray(mask.dataobj)
    for value, ml in stated["volumes_ml"].items():
        assert ml == pytest.approx((values == int(value)).sum() * voxel_ml, abs=1e-3)
    assert set(stated["volumes_ml"]) == set(stated["labels"])


def test_a_case_that_takes_too_long_is_named_and_the_others_go_on(tmp_path, command, capsys):
    assert main([*command, "-o", str(tmp_path / "out"), "--timeout", "0.001"]) == 1
    said = capsys.readouterr().err
    assert said.count("took longer than 0.001 s") == COUNT
    assert main(["gather", str(tmp_path / "out")]) == 1
    assert "4 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--workers", "0"], "--workers must be 1 or more"),
        (["--timeout", "0"], "--timeout is a number of seconds above 0"),
        (["--part", "5/4"], "there is no part 5 of 4"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, command, capsys, words, sentence):
    assert main([*command, "-o", str(tmp_path / "out"), *words]) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_interrupted_part_goes_on(tmp_path, command):
    assert main([*command, "-o", str(tmp_path / "out"), "--part", "1/2"]) == 0
    before = masks(tmp_path / "out")
    assert main([*command, "-o", str(tmp_path / "out"), "--part", "1/2", "--resume"]) == 0
    assert masks(tmp_path / "out") == before
