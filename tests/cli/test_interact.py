"""`monai-unet interact`: one JSON object for a case, a report for a data set, one sentence for bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_unet.cli import main

AFFINE = np.diag([-1.0, -1, 3, 1])  # LPS on disk


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> str:
    nib.save(nib.Nifti1Image(array, affine), path)
    return str(path)


def ball() -> np.ndarray:
    x, y, z = np.indices((40, 44, 16))
    return ((x - 24) ** 2 + (y - 20) ** 2 + (3 * (z - 7)) ** 2 <= 10**2).astype(np.uint8)


@pytest.fixture
def case(tmp_path: Path) -> tuple[str, str]:
    image = 100 * ball() + np.random.default_rng(0).normal(0, 5, (40, 44, 16))
    return save(tmp_path / "image.nii.gz", image.astype(np.float32)), save(tmp_path / "reference.nii.gz", ball())


def run(*words: str) -> int:
    return main(["interact", *words, "--method", "classical"])


def test_one_case_is_one_json_object_with_a_list_for_each_score(
    case: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--image", case[0], "--reference", case[1], "--clicks", "3", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    for name in ("dice", "nsd", "milliseconds", "dice_outside"):
        assert len(result[name]) == 4
    assert result["dice"][0] == 0
    assert result["dice"][1] > 0.8
    # the ball's middle is at index (24, 20, 7) of a file whose affine is diag(-1, -1, 3)
    assert result["clicks"][0]["world"] == pytest.approx([-24, -20, 21], abs=1.1)
    assert result["clicks_to"]["0.85"] is not None


def test_a_reference_of_another_orientation_is_the_same_reference(
    case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turned = np.ascontiguousarray(np.transpose(ball(), (2, 0, 1))[:, ::-1])
    affine = np.array([[0, 1, 0, -39], [0, 0, -1, 0], [3, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
    other = save(tmp_path / "turned.nii.gz", turned, affine)
    scores = []
    for reference in (case[1], other):
        assert run("--image", case[0], "--reference", reference, "--clicks", "1", "--json") == 0
        scores.append(json.loads(capsys.readouterr().out)["dice"])
    assert scores[0] == scores[1]


def test_bad_input_is_one_sentence(case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, reference = case
    flipped = save(tmp_path / "flipped.nii.gz", ball(), np.diag([1.0, -1, 3, 1]))
    smaller = save(tmp_path / "smaller.nii.gz", ball()[:-1])
    empty = save(tmp_path / "empty.nii.gz", np.zeros_like(ball()))
    nothing = save(tmp_path / "nan.nii.gz", np.full(ball().shape, np.nan, np.float32))
    for words, sentence in (
        (("--image", image, "--reference", flipped), "mm apart in the patient"),
        (("--image", image, "--reference", smaller), "put the mask on the image's grid"),
        (("--image", image, "--reference", empty), "nothing to click at"),
        (("--image", nothing, "--reference", reference), "no finite voxel"),
        (("--image", image, "--reference", reference, "--labels", "4"), "no label 4"),
        (("--image", image, "--reference", reference, "--initial", smaller), "put the mask on the image's grid"),
        (("--image", image, "--reference", reference, "--clicks", "0"), "--clicks must be 1 or more"),
        (("--image", image), "needs both"),
        (("--image", image, "--dataset", "x"), "Say what to measure"),
        (("--dataset", str(tmp_path)), "--output DIR"),
        (("--dataset", str(tmp_path), "--output", str(tmp_path / "out")), "does not exist"),
    ):
        assert run(*words) == 1
        error = capsys.readouterr().err.strip()
        assert sentence in error
        assert "\n" not in error


def test_an_initial_mask_is_where_the_scores_begin(
    case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = ball()
    half[24:] = 0
    initial = save(tmp_path / "half.nii.gz", half)
    assert run("--image", case[0], "--reference", case[1], "--initial", initial, "--clicks", "1", "--json") == 0
    expected = 2 * half.sum() / (half.sum() + ball().sum())
    assert json.loads(capsys.readouterr().out)["dice"][0] == pytest.approx(expected)


def test_a_data_set_gives_a_report_and_names_what_it_could_not_measure(
    case: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "empty.nii.gz", np.zeros_like(ball()))
    entries = [
        {"image": "image.nii.gz", "label": "reference.nii.gz"},
        {"image": "image.nii.gz", "label": "empty.nii.gz"},
    ]
    second = tmp_path / "second.nii.gz"
    second.write_bytes(Path(case[0]).read_bytes())
    entries[1]["image"] = "second.nii.gz"
    content = {"labels": {"0": "background", "1": "tumour"}, "test": entries}
    (tmp_path / "dataset_other.json").write_text(json.dumps(content), encoding="utf-8")
    out = tmp_path / "out"
    words = ("--dataset", str(tmp_path / "dataset_other.json"), "--output", str(out), "--clicks", "2")
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert "not measured: second" in printed.err
    assert "| clicks | Dice" in printed.out
    rows = list(csv.DictReader((out / "cases.csv").open(encoding="utf-8")))
    assert [row["clicks"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["structure"] == "tumour"
    assert float(rows[0]["volume_ml"]) == pytest.approx(ball().sum() * 3 / 1000)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["clicks"][2]["dice"]["mean"] == pytest.approx(float(rows[2]["dice"]), abs=1e-5)
    assert summary["cases_failed"][0]["case"] == "second"
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "second" in (out / "report.html").read_text(encoding="utf-8")
