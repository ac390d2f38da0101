"""Everything that cannot be scored is named with its reason, nothing is skipped, and the rest is scored."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_unet.cli import main

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SHAPE = (12, 12, 10)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def box(dtype: str = "uint8") -> np.ndarray:
    labels = np.zeros(SHAPE, dtype)
    labels[3:9, 3:9, 3:7] = 1
    return labels


def broken(root: Path) -> dict[str, str]:
    """Pairs of files below `root`, one good; gives what the reason of each of the others must say."""
    moved, turned = AFFINE.copy(), AFFINE.copy()
    moved[0, 3] = 4
    turned[0, 0], turned[0, 3] = -1, SHAPE[0] - 1  # the same box in space, but right and left change places
    half, minus, nan, unknown = box("float32"), box("int16"), box("float32"), box()
    half[0, 0, 0], minus[0, 0, 0], nan[0, 0, 0], unknown[0, 0, 0] = 0.5, -2, np.nan, 9
    unsymmetric = box()
    unsymmetric[0, 0, 0] = 1
    for name in ("good", "shape", "moved", "turned", "half", "minus", "nan", "unknown", "cut", "lost", "twice", "prob"):
        save(root / "r" / f"{name}.nii.gz", box())
        save(root / "p" / f"{name}.nii.gz", box())
        save(root / "q" / f"{name}.nii.gz", box("float32") * 0.9)
    save(root / "p" / "shape.nii.gz", np.zeros((12, 12, 9), np.uint8))
    save(root / "p" / "moved.nii.gz", box(), moved)
    save(root / "p" / "turned.nii.gz", unsymmetric, turned)
    save(root / "p" / "half.nii.gz", half)
    save(root / "p" / "minus.nii.gz", minus)
    save(root / "r" / "nan.nii.gz", nan)
    save(root / "p" / "unknown.nii.gz", unknown)
    (root / "p" / "cut.nii.gz").write_bytes((root / "r" / "cut.nii.gz").read_bytes()[:60])
    (root / "p" / "lost.nii.gz").unlink()
    save(root / "p" / "alone.nii.gz", box())
    save(root / "p" / "twice.nii", box())
    save(root / "q" / "prob.nii.gz", nan)
    return {
        "shape": "9×12×12 voxels (S, A, R) and the reference 10×12×12",
        "moved": "4 mm apart",
        "half": "fractions",
        "minus": "negative label -2",
        "nan": "NaN",
        "unknown": "label value 9",
        "cut": "cut.nii.gz",
        "lost": "no prediction named lost",
        "alone": "no reference named alone",
        "twice": "two files for this case",
        "prob": "1 of 1440 probabilities are NaN",
    }


def test_each_bad_case_is_named_and_the_good_ones_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = broken(tmp_path)
    words = ["--predictions", tmp_path / "p", "--references", tmp_path / "r", "--probabilities", tmp_path / "q"]
    out = tmp_path / "out"
    assert main(["evaluate", *map(str, words), "--labels", "1=box", "--output", str(out), "--workers", "1"]) == 2
    failed = {f["case"]: f["reason"] for f in json.loads((out / "summary.json").read_text())["cases_failed"]}
    assert failed.keys() == reasons.keys()
    printed, report = capsys.readouterr().err, (out / "report.html").read_text(encoding="utf-8")
    for case, reason in reasons.items():
        assert reason in failed[case], case
        assert f"not scored: {case}: " in printed
        assert f"<td>{case}</td>" in report
    with (out / "cases.csv").open(encoding="utf-8") as file:
        scored = {row["case"]: float(row["dice"]) for row in csv.DictReader(file)}
    # a file stored right to left is brought into one frame: 144 shared voxels, one voxel more in the prediction
    assert scored == {"good": 1, "turned": pytest.approx(2 * 144 / 289, rel=1e-5)}


DATASET = {"labels": {"0": "background", "1": "box"}}
ENTRY = {"image": "./i/good.nii.gz", "label": "./r/good.nii.gz"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(DATASET | {"test": []}), "no cases under 'test'"),
        (json.dumps(DATASET), "no cases under 'test'"),
        (json.dumps(DATASET | {"test": [ENTRY, "./i/unlabelled.nii.gz"]}), "1 cases without a label"),
        (json.dumps(DATASET | {"test": [ENTRY, ENTRY]}), "lists it 2 times under 'test'"),
        (json.dumps(DATASET | {"test": [ENTRY]})[:40], "dataset.json"),
    ],
)
def test_an_empty_double_or_damaged_data_set_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    broken(tmp_path)
    (tmp_path / "dataset.json").write_text(content)
    words = ["--dataset", str(tmp_path), "--predictions", str(tmp_path / "p"), "--output", str(tmp_path / "out")]
    assert main(["evaluate", *words, "--workers", "1"]) == 1
    assert message in capsys.readouterr().err


def nnunet(root: Path, labels: dict[str, object]) -> list[str]:
    """An nnU-Net raw folder of two cases and nnU-Net's own output folder; gives the words of the call."""
    for case in ("liver_001", "liver_002"):
        save(root / "raw" / "labelsTs" / f"{case}.nii.gz", box())
        for channel in range(2):
            save(root / "raw" / "imagesTs" / f"{case}_{channel:04d}.nii.gz", box("float32"))
        save(root / "made" / f"{case}.nii.gz", np.roll(box(), int(case[-1]) - 1, axis=2))
    for folder in ("raw", "made"):  # nnU-Net puts a copy beside its predictions
        content = {"labels": labels, "channel_names": {"0": "CT", "1": "PET"}, "file_ending": ".nii.gz"}
        (root / folder / "dataset.json").write_text(json.dumps(content))
    return ["evaluate", "--dataset", str(root / "raw"), "--predictions", str(root / "made"), "--workers", "1"]


def test_an_nnunet_raw_folder_is_scored_by_one_command(tmp_path: Path) -> None:
    words = nnunet(tmp_path, {"background": 0, "liver": 1})
    assert main([*words, "--output", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "cases.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # four slices, one of them moved away
    assert [(row["case"], row["name"], row["dice"]) for row in rows] == [
        ("liver_001", "liver", "1"),
        ("liver_002", "liver", "0.75"),
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "whole": [1, 2], "core": [2]}, "not one value each"),
        ({"background": 0, "liver": 1, "ignore": 2}, "voxels to ignore"),
    ],
)
def test_nnunet_labels_that_are_no_plain_classes_are_refused_until_they_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: dict[str, object], message: str
) -> None:
    words = nnunet(tmp_path, labels)
    assert main([*words, "--output", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path / "out"), "--labels", "1=one", "2=two"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pairs", "x.csv", "--references", "r"), "--references cannot be used with --pairs"),
        (("--dataset", "d", "--bundle", "hippocampus_mri", "--probabilities", "q"), "--probabilities cannot be used"),
        (("--dataset", "d", "--predictions", "p", "--images", "i"), "--images cannot be used"),
        (("--predictions", "p", "--references", "r", "--checkpoint", "c"), "--checkpoint cannot be used"),
    ],
)
def test_an_option_that_would_not_be_used_is_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert main(["evaluate", *words, "--output", "out"]) == 1
    assert message in capsys.readouterr().err


def test_a_model_that_may_not_run_or_weights_that_are_not_there_stop_before_the_first_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    words = nnunet(tmp_path, {"background": 0, "liver": 1})[:3]
    foreign = tmp_path / "foreign" / "configs"
    foreign.mkdir(parents=True)
    for name in ("metadata.json", "inference.json"):
        (foreign / name).write_text("{}")
    out = str(tmp_path / "out")
    assert main([*words, "--bundle", str(foreign.parent), "--output", out]) == 1
    assert "agree once with --trust" in capsys.readouterr().err
    assert main([*words, "--bundle", "hippocampus_mri", "--checkpoint", "no.pt", "--output", out]) == 1
    assert "no.pt does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
