"""`monai-unet compare`: two evaluations of the same cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from monai_unet.cli import main
from monai_unet.evaluation import summarise, write_cases_csv, write_summary_json
from monai_unet.evaluation.scores import ClassScore, Status

NAMES = {1: "liver", 2: "tumour"}


def evaluation(
    folder: Path, dice: dict[int, np.ndarray], *, empty: tuple[str, ...] = (), surface: str = "area"
) -> Path:
    """A result folder with the given Dice values; HD95 is 10 (1 - Dice)."""
    rows = []
    for label, values in dice.items():
        for number, value in enumerate(values):
            case = f"case_{number:02d}"
            none = case in empty
            v, d = (float("nan"),) * 2 if none else (float(value), 10 * (1 - float(value)))
            status = Status.BOTH_EMPTY if none else Status.SCORED
            rows.append(ClassScore(case, label, NAMES[label], status, v, v, v, v, d, d, (1.0,), (v,), 0.0, 0.0))
    folder.mkdir()
    write_cases_csv(rows, folder / "cases.csv")
    write_summary_json(summarise(rows, resamples=10), folder / "summary.json", surface=surface)
    return folder


def rows_of(folder: Path) -> dict[tuple[str, str], dict]:
    content = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    return {(row["metric"], row["name"]): row for row in content["rows"]}


def test_the_better_model_is_named_only_where_the_test_shows_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    base = {label: random.uniform(0.4, 0.8, 20) for label in NAMES}
    other = {1: base[1] + random.uniform(0.02, 0.1, 20), 2: base[2] + random.normal(0, 0.05, 20)}
    evaluation(tmp_path / "old", base)
    evaluation(tmp_path / "new", other)
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "new"), "--output", str(tmp_path / "out")]) == 0
    rows = rows_of(tmp_path / "out")
    liver, tumour = rows["dice", "liver"], rows["dice", "tumour"]
    assert liver["better"] == "second"
    assert tumour["better"] == ""
    assert rows["hd95_mm", "liver"]["better"] == "second"  # smaller distance is better
    assert liver["found"]["difference"]["mean"] == pytest.approx((other[1] - base[1]).mean(), abs=1e-5)
    assert liver["found"]["p_value"] == pytest.approx(wilcoxon(other[1], base[1], zero_method="pratt").pvalue, rel=1e-3)
    assert liver["p_holm"] == pytest.approx(2 * liver["found"]["p_value"], rel=1e-6)
    report = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert "liver: new is better in Dice" in report


def test_cases_of_one_side_and_values_of_one_side_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.linspace(0.5, 0.9, 12)
    evaluation(tmp_path / "a", {1: values}, empty=("case_03",))
    evaluation(tmp_path / "b", {1: values[:10]})
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--output", str(tmp_path / "out")]) == 2
    row = rows_of(tmp_path / "out")["dice", "liver"]
    assert (row["found"]["n"], row["only_one_side"]) == (9, 1)
    content = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert content["cases_only_in_first"] == ["case_10", "case_11"]
    assert "2 cases" in capsys.readouterr().out


def test_results_that_cannot_be_compared_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {1: np.array([0.5, 0.6])}
    area, voxel = evaluation(tmp_path / "a", values), evaluation(tmp_path / "v", values, surface="voxel")
    out = str(tmp_path / "out")
    assert main(["compare", str(area), str(voxel), "--output", out]) == 1
    assert "same options" in capsys.readouterr().err
    assert main(["compare", str(area), str(tmp_path / "nothing"), "--output", out]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert main(["compare", str(area), str(area), "--output", out, "--names", "x", "x"]) == 1
    assert "tell them apart" in capsys.readouterr().err


def test_classes_of_one_side_are_named_and_no_common_class_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.linspace(0.5, 0.9, 6)
    both, liver, tumour = (
        evaluation(tmp_path / name, dict.fromkeys(labels, values))
        for name, labels in zip("blt", ((1, 2), (1,), (2,)), strict=True)
    )
    out = tmp_path / "out"
    assert main(["compare", str(both), str(liver), "--output", str(out)]) == 2
    assert "only one result has them: tumour" in capsys.readouterr().out
    content = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert content["classes_only_in_one"] == ["tumour"]
    assert "only one result has them: tumour" in (out / "compare.html").read_text(encoding="utf-8")
    assert main(["compare", str(tumour), str(liver), "--output", str(out)]) == 1
    assert "no class to compare" in capsys.readouterr().err
