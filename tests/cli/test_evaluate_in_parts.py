"""`evaluate` in parts: gathered, tables and summary are those of one run, byte for byte."""

import json

import nibabel as nib
import numpy as np
import pytest

from monai_unet.cli import main

NAMES = ("anna", "berta", "carl", "dora", "emil", "fritz")


@pytest.fixture
def folders(tmp_path):
    for folder in ("pred", "ref"):
        (tmp_path / folder).mkdir()
    random = np.random.default_rng(0)
    for name in NAMES:
        reference = np.zeros((8, 9, 10), np.uint8)
        reference[2:6, 2:6, 2:7] = 1
        reference[6, 6, 6] = 2
        prediction = np.roll(reference, int(random.integers(0, 3)), axis=0)
        for folder, array in (("pred", prediction), ("ref", reference)):
            nib.save(nib.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), tmp_path / folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "pred" / "carl.nii.gz")
    (tmp_path / "ref" / "gustav.nii.gz").write_bytes((tmp_path / "ref" / "anna.nii.gz").read_bytes())
    return ["--predictions", str(tmp_path / "pred"), "--references", str(tmp_path / "ref"), "--labels", "1=a", "2=b"]


def evaluate(folders, out, *more):
    return main(["evaluate", *folders, "--output", str(out), "--workers", "1", *more])


def test_gathered_parts_are_the_whole(tmp_path, folders, capsys):
    assert evaluate(folders, tmp_path / "one") == 2
    for number in (3, 1, 2):
        assert evaluate(folders, tmp_path / "parts", "--part", f"{number}/3") in (0, 2)
    assert not (tmp_path / "parts" / "cases.csv").exists()
    capsys.readouterr()
    assert main(["gather", str(tmp_path / "parts")]) == 2
    assert "5 of 7 cases scored" in capsys.readouterr().out
    for name in ("cases.csv", "lesions.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    one, parts = (json.loads((tmp_path / folder / "summary.json").read_text()) for folder in ("one", "parts"))
    assert parts["classes"] == one["classes"]
    assert sorted(entry["case"] for entry in parts["cases_failed"]) == ["carl", "gustav"]
    assert sorted(map(str, parts["cases_failed"])) == sorted(map(str, one["cases_failed"]))


def test_a_part_that_never_ran_is_named_and_runs_later(tmp_path, folders, capsys):
    out = tmp_path / "parts"
    for number in (1, 2):
        evaluate(folders, out, "--part", f"{number}/3")
    capsys.readouterr()
    assert main(["gather", str(out)]) == 2
    said = capsys.readouterr()
    assert "1 of 3 parts never began (3)" in said.err
    assert "no part scored it" in said.err
    assert evaluate(folders, out, "--part", "3/3") in (0, 2)
    assert main(["gather", str(out)]) == 2
    assert "5 of 7 cases scored" in capsys.readouterr().out


def test_a_part_goes_on_after_a_stop(tmp_path, folders):
    out = tmp_path / "parts"
    evaluate(folders, out, "--part", "1/2")
    journal = out / "journal.part-1-of-2.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]))
    assert evaluate(folders, out, "--part", "1/2") == 1, "without --resume it is not taken over"
    evaluate(folders, out, "--part", "1/2", "--resume")
    assert len(journal.read_bytes().splitlines()) == len(lines)


def test_parts_of_different_evaluations_are_not_one(tmp_path, folders, capsys):
    out = tmp_path / "parts"
    evaluate(folders, out, "--part", "1/2")
    evaluate(folders, out, "--part", "2/2", "--tolerance", "3")
    capsys.readouterr()
    assert main(["gather", str(out)]) == 1
    assert "scored with different settings" in capsys.readouterr().err


def test_a_whole_evaluation_does_not_go_into_a_folder_of_parts(tmp_path, folders, capsys):
    out = tmp_path / "parts"
    evaluate(folders, out, "--part", "1/2")
    assert evaluate(folders, out) == 1
    assert "holds parts of an evaluation" in capsys.readouterr().err
