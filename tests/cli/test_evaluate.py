"""`monai-unet evaluate` end to end on volumes made here, whose scores are worked out by hand."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from monai_unet.cli import main
from monai_unet.evaluation import segment_work
from monai_unet.evaluation.case_work import CaseResult, ScoreFiles
from monai_unet.evaluation.pairs import Pair
from monai_unet.io import read_volume

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
BOX = (slice(4, 12), slice(4, 12), slice(4, 12))


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def dataset(root: Path) -> Path:
    """References with one box of class 1 each (case c: nothing) and an image in which the box is bright."""
    cases = []
    for name in "abcd":
        label = np.zeros((20, 20, 16), np.uint8)
        if name != "c":
            label[BOX] = 1
        save(root / "labelsTs" / f"{name}.nii.gz", label)
        save(root / "imagesTs" / f"{name}.nii.gz", label.astype(np.float32) * 90 + 10)
        cases.append({"image": f"./imagesTs/{name}.nii.gz", "label": f"./labelsTs/{name}.nii.gz"})
    content = {"labels": {"0": "background", "1": "tumour"}, "test": cases}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def predictions(root: Path) -> Path:
    """a right, b shifted by 2 of 8 voxels, c an invented voxel, d missed."""
    for name in "abcd":
        array = np.zeros((20, 20, 16), np.uint8)
        if name in "ab":
            array[BOX] = 1
        if name == "b":
            array = np.roll(array, 2, axis=0)
        if name == "c":
            array[10, 10, 10] = 1
        save(root / f"{name}.nii.gz", array)
    return root


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluate(*words: object) -> int:
    return main(["evaluate", *map(str, words), "--workers", "1"])


def test_a_corrupted_copy_gets_the_scores_worked_out_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, made, out = dataset(tmp_path / "data"), predictions(tmp_path / "made"), tmp_path / "out"
    assert evaluate("--dataset", data, "--predictions", made, "--output", out) == 0
    rows = {row["case"]: row for row in table(out / "cases.csv")}
    assert [rows[name]["dice"] for name in "abcd"] == ["1", "0.75", "0", "0"]
    assert [rows[name]["status"] for name in "abcd"] == ["scored", "scored", "spurious", "missed"]
    assert float(rows["b"]["hd95_mm"]) == 2.0
    diagonal = np.sqrt(20**2 + 20**2 + 32**2)
    assert float(rows["d"]["hd95_mm"]) == pytest.approx(diagonal, rel=1e-5)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["classes"][0]["metrics"]["dice"]["mean"] == pytest.approx(1.75 / 4)
    lesions = summary["lesions"]["tumour"]  # scored by lesion, as its name says tumour
    assert (lesions["reference"], lesions["detected"], lesions["prediction"], lesions["right"]) == (3, 2, 3, 2)
    assert lesions["panoptic_quality"]["sq"] == pytest.approx((1 + 0.6) / 2)
    measured = table(out / "lesions.csv")
    assert {row["side"] for row in measured} == {"reference", "prediction"}
    assert float(measured[0]["intensity_mean"]) == 100
    assert summary["provenance"]["inputs"]["dataset.json sha256"]
    assert "4 of 4 cases scored" in capsys.readouterr().out


def test_report_is_one_file_without_scripts_or_addresses(tmp_path: Path) -> None:
    data, made, out = dataset(tmp_path / "data"), predictions(tmp_path / "made"), tmp_path / "out"
    evaluate("--dataset", data, "--predictions", made, "--output", out, "--labels", "1=<b>tumour")
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in report
    assert not re.search(r'(?:src|href)="(?:https?:)?//', report)
    assert "<b>tumour" not in report
    assert "&lt;b&gt;tumour" in report
    assert 'href="../made/b.nii.gz"' in report
    assert report.count("data:image/png;base64,") == 3  # two worst, one median


def test_what_cannot_be_scored_is_named_the_rest_is_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, made, out = dataset(tmp_path / "data"), predictions(tmp_path / "made"), tmp_path / "out"
    moved = AFFINE.copy()
    moved[0, 3] = 5
    save(made / "a.nii.gz", np.zeros((20, 20, 16), np.uint8), moved)
    save(made / "b.nii.gz", np.full((20, 20, 16), 7, np.uint8))
    (made / "c.nii.gz").write_bytes(b"\x1f\x8bbroken")
    assert evaluate("--dataset", data, "--predictions", made, "--output", out) == 2
    failed = {f["case"]: f["reason"] for f in json.loads((out / "summary.json").read_text())["cases_failed"]}
    assert failed.keys() == {"a", "b", "c"}
    assert "5 mm apart" in failed["a"]
    assert "label value 7" in failed["b"]
    assert "c.nii.gz" in failed["c"]
    assert [row["case"] for row in table(out / "cases.csv")] == ["d"]
    assert "not scored: a:" in capsys.readouterr().err


def test_nothing_scored_is_a_failure_that_still_leaves_the_reasons(tmp_path: Path) -> None:
    data, made, out = dataset(tmp_path / "data"), tmp_path / "made", tmp_path / "out"
    for name in "abcd":
        save(made / f"{name}.nii.gz", np.zeros((20, 20, 15), np.uint8))
    assert evaluate("--dataset", data, "--predictions", made, "--output", out) == 1
    assert len(json.loads((out / "summary.json").read_text())["cases_failed"]) == 4
    assert "No case could be scored" in (out / "report.html").read_text(encoding="utf-8")


def test_a_killed_evaluation_goes_on_where_it_was_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, made = dataset(tmp_path / "data"), predictions(tmp_path / "made")
    words = ("--dataset", data, "--predictions", made, "--output")
    assert evaluate(*words, tmp_path / "whole") == 0
    score, calls = ScoreFiles.__call__, []

    def killed_at_the_third(self: ScoreFiles, pair: Pair) -> CaseResult:
        calls.append(pair.case)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return score(self, pair)

    with monkeypatch.context() as patch:
        patch.setattr(ScoreFiles, "__call__", killed_at_the_third)
        assert evaluate(*words, tmp_path / "cut") == 130
    assert not (tmp_path / "cut" / "summary.json").exists()
    assert evaluate(*words, tmp_path / "cut") == 1
    assert "--resume" in capsys.readouterr().err
    assert evaluate(*words, tmp_path / "cut", "--resume") == 0
    assert "2 of 4 cases were scored before" in capsys.readouterr().err
    for name in ("cases.csv", "lesions.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_missed_split_cut_and_false_lesions_reach_the_files(tmp_path: Path) -> None:
    """One case: A found, B in two pieces, C missed, D cut to a quarter, E invented; all counts are made by hand."""
    prediction, reference = np.zeros((2, 60, 60, 20), np.uint8)
    reference[2:8, 2:8, 2:6] = prediction[2:8, 2:8, 2:6] = 1  # A, 144 voxels
    reference[20:44, 20:26, 2:6] = 1  # B, 576 voxels
    prediction[20:35, 20:26, 2:6] = prediction[36:44, 20:26, 2:6] = 1  # 360 and 192 voxels
    reference[40:43, 40:43, 10:12] = 1  # C, 18 voxels
    reference[2:10, 2:10, 10:14] = 1  # D, 256 voxels
    prediction[2:6, 2:6, 10:14] = 1  # 64 voxels
    prediction[50:53, 2:5, 16:18] = 1  # E, 18 voxels
    save(tmp_path / "r" / "a.nii.gz", reference)
    save(tmp_path / "p" / "a.nii.gz", prediction)
    save(tmp_path / "i" / "a.nii.gz", reference.astype(np.float32) * 50)
    words = ("--predictions", tmp_path / "p", "--references", tmp_path / "r", "--images", tmp_path / "i")
    assert evaluate(*words, "--labels", "1=lesion", "--output", tmp_path / "out") == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["lesions"]["lesion"]
    assert (found["reference"], found["detected"], found["prediction"], found["right"]) == (4, 3, 5, 4)
    assert (found["sensitivity"], found["precision"], found["splits"], found["merges"]) == (0.75, 0.8, 1, 0)
    assert found["f1"] == pytest.approx(1.2 / 1.55)
    assert found["panoptic_quality"]["sq"] == pytest.approx((1 + 360 / 576) / 2)
    assert found["panoptic_quality"]["rq"] == pytest.approx(2 / (2 + 1.5 + 1))
    [score] = table(tmp_path / "out" / "cases.csv")
    shared, predicted, referenced = 144 + 552 + 64, 144 + 552 + 64 + 18, 144 + 576 + 18 + 256
    assert float(score["dice"]) == pytest.approx(2 * shared / (predicted + referenced), rel=1e-5)
    assert float(score["volume_difference_ml"]) == pytest.approx((predicted - referenced) * 2 / 1000, rel=1e-5)
    rows = {(row["side"], row["number"]): row for row in table(tmp_path / "out" / "lesions.csv")}
    b, c, e = rows["reference", "1"], rows["reference", "4"], rows["prediction", "5"]
    assert (b["hit"], len(b["partners"].split()), c["hit"], e["hit"]) == ("1", 2, "0", "0")
    assert float(b["volume_ml"]) == pytest.approx(576 * 2 / 1000)
    assert float(b["long_axis_mm"]) == pytest.approx(np.hypot(24, 5), rel=1e-5)
    centre = [float(c[f"centroid_{name}_mm"]) for name in ("right", "anterior", "superior")]
    assert centre == pytest.approx([41, 41, 21])
    assert 10 <= int(c["slice_index"]) <= 11
    assert float(c["intensity_mean"]) == 50
    assert float(e["intensity_mean"]) == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_power_cut_loses_at_most_the_running_cases(tmp_path: Path) -> None:
    """Killed without warning while two processes work; the journal is whole and `--resume` ends as an unbroken run."""
    reference = np.zeros((20, 20, 16), np.uint8)
    reference[BOX] = 1
    for number in range(150):
        save(tmp_path / "r" / f"{number:03d}.nii.gz", reference)
        save(tmp_path / "p" / f"{number:03d}.nii.gz", np.roll(reference, number % 4, axis=0))
    call = [sys.executable, "-m", "monai_unet", "evaluate", "--labels", "1=box", "--workers", "2"]
    call += ["--predictions", str(tmp_path / "p"), "--references", str(tmp_path / "r"), "--output"]
    journal = tmp_path / "cut" / "journal.jsonl"
    with subprocess.Popen([*call, str(tmp_path / "cut")], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
            time.sleep(0.01)
        process.kill()
    done = journal.read_bytes().count(b"\n") - 1
    assert 3 <= done < 150, "it was not killed midway"
    again = subprocess.run([*call, str(tmp_path / "cut"), "--resume"], capture_output=True, text=True, check=True)
    assert f"{done} of 150 cases were scored before" in again.stderr
    subprocess.run([*call, str(tmp_path / "whole")], capture_output=True, check=True)
    for name in ("cases.csv", "lesions.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_probabilities_give_a_calibration_and_nan_among_them_is_named(tmp_path: Path) -> None:
    data, made, out = dataset(tmp_path / "data"), predictions(tmp_path / "made"), tmp_path / "out"
    for name in "abcd":
        probability = np.full((20, 20, 16), 0.25, np.float32)
        if name == "b":
            probability[0, 0, 0] = np.nan
        save(tmp_path / "prob" / f"{name}.nii.gz", probability)
    words = ("--dataset", data, "--predictions", made, "--probabilities", tmp_path / "prob", "--output", out)
    assert evaluate(*words) == 2
    summary = json.loads((out / "summary.json").read_text())
    share = 2 * 512 / (3 * 6400)  # foreground voxels of a and d among those of a, c and d
    assert summary["calibration"]["ece"] == pytest.approx(0.25 - share)
    assert "NaN" in summary["cases_failed"][0]["reason"]


def test_a_data_set_is_segmented_by_a_bundle_and_scored_from_the_written_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment(path: str) -> SimpleNamespace:
        if Path(path).name.startswith("b"):
            raise RuntimeError("out of memory")
        image = read_volume(path)
        return SimpleNamespace(labels=(image > 50).to(image.dtype), provenance={})

    monkeypatch.setattr(segment_work, "load_model", lambda *_: SimpleNamespace(segment=segment))
    data, out = dataset(tmp_path / "data"), tmp_path / "out"
    assert evaluate("--dataset", data, "--bundle", "hippocampus_mri", "--output", out) == 2
    assert [row["dice"] for row in table(out / "cases.csv")] == ["1", "", "1"]
    assert sorted(path.name for path in (out / "predictions").iterdir()) == ["a.nii.gz", "c.nii.gz", "d.nii.gz"]
    summary = json.loads((out / "summary.json").read_text())
    assert "out of memory" in summary["cases_failed"][0]["reason"]
    assert summary["provenance"]["bundle"]["sha256"]


def test_labels_without_names_are_those_of_the_references(tmp_path: Path) -> None:
    predictions(tmp_path / "made")
    dataset(tmp_path / "data")
    (tmp_path / "data" / "dataset.json").unlink()
    words = ("--predictions", tmp_path / "made", "--references", tmp_path / "data" / "labelsTs")
    assert evaluate(*words, "--output", tmp_path / "out") == 0
    assert {row["name"] for row in table(tmp_path / "out" / "cases.csv")} == {"label 1"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Say what to score"),
        (("--dataset", "data", "--predictions", "made", "--labels", "liver"), "VALUE=NAME"),
        (("--dataset", "data", "--predictions", "made", "--lesions", "liver"), "the classes are tumour"),
        (("--dataset", "data", "--predictions", "made", "--tolerance", "-1"), "tolerance"),
        (("--dataset", "data", "--key", "nothing", "--predictions", "made"), "it has test"),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    dataset(tmp_path / "data")
    predictions(tmp_path / "made")
    monkeypatch.chdir(tmp_path)
    assert evaluate(*words, "--output", "out") == 1
    assert message in capsys.readouterr().err
