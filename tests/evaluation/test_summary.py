"""Means, intervals, and that nothing is dropped from them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap

from monai_unet.evaluation import score_case, summarise, text_table, write_cases_csv, write_summary_json
from monai_unet.evaluation.scores import ClassScore


def cases() -> list[ClassScore]:
    """Four cases of one class: Dice 1, Dice 0.75, missed, absent."""
    box = np.zeros((12, 12, 12), np.uint8)
    box[2:10, 2:10, 2:10] = 1
    shifted, empty = np.roll(box, 2, axis=0), np.zeros_like(box)
    pairs = {"perfect": (box, box), "shifted": (shifted, box), "missed": (empty, box), "absent": (empty, empty)}
    return [
        row
        for name, (prediction, reference) in pairs.items()
        for row in score_case(prediction, reference, spacing=(1, 1, 1), labels={1: "box"}, case=name)
    ]


def test_a_missed_case_counts_in_every_mean_and_an_absent_one_is_counted_apart() -> None:
    [found] = summarise(cases()).classes
    assert (found.n, found.n_missed, found.n_spurious, found.n_both_empty) == (3, 1, 0, 1)
    assert found.metrics["dice"].mean == pytest.approx((1 + 0.75 + 0) / 3)
    assert found.metrics["dice"].median == pytest.approx(0.75)
    assert found.metrics["hd95_mm"].mean == pytest.approx((0 + 2 + 12 * 3**0.5) / 3)


def test_interval_agrees_with_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).beta(8, 2, 40)
    rows = [
        ClassScore(f"c{i}", 1, "x", "scored", v, v, v, v, v, v, (1.0,), (v,), v, v)  # type: ignore[arg-type]
        for i, v in enumerate(values)
    ]
    found = summarise(rows, resamples=4000).classes[0].metrics["dice"]
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=0).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.004)
    assert found.high == pytest.approx(expected.high, abs=0.004)


def test_mean_over_classes_weighs_each_class_once() -> None:
    rows = [
        ClassScore(case, label, f"l{label}", "scored", d, d, d, d, d, d, (1.0,), (d,), d, d)  # type: ignore[arg-type]
        for case, label, d in [("a", 1, 1.0), ("b", 1, 0.5), ("a", 2, 0.2)]
    ]
    assert summarise(rows).mean_over_classes["dice"].mean == pytest.approx((0.75 + 0.2) / 2)


def test_a_case_scored_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        summarise(cases() + cases())


def test_files_hold_every_case_and_strict_json(tmp_path: Path) -> None:
    rows = cases()
    write_cases_csv(rows, tmp_path / "cases.csv")
    write_summary_json(
        summarise(rows), tmp_path / "summary.json", surface="area", failures=[{"case": "x", "reason": "y"}]
    )
    table = list(csv.DictReader((tmp_path / "cases.csv").open(encoding="utf-8")))
    assert [row["case"] for row in table] == ["perfect", "shifted", "missed", "absent"]
    assert [row["dice"] for row in table] == ["1", "0.75", "0", ""]
    assert [row["status"] for row in table][2:] == ["missed", "both_empty"]
    content = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["classes"][0]["metrics"]["dice"]["mean"] == pytest.approx(1.75 / 3)
    assert content["cases_failed"] == [{"case": "x", "reason": "y"}]
    assert content["definitions"]["surface"] == "area"


def test_terminal_table_names_counts_and_intervals() -> None:
    lines = text_table(summarise(cases())).splitlines()
    assert lines[0].split()[:3] == ["class", "n", "missed"]
    assert lines[1].startswith("box")
    assert "0.583 [" in lines[1]
