"""`monai-unet plan` and `train` from a folder to a model that segments, for data sets of several kinds."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from data_sets import boxes

from monai_unet.cli import main

QUICK = ["--budget", "1epochs", "--device", "cpu"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()


@pytest.mark.parametrize(
    ("classes", "options"),
    [
        (1, {}),
        (3, {"channels": 2}),
        (4, {"spacing": (1.0, 1.0, 7.0), "shape": (32, 32, 8), "values": (1, 2, 4, 9)}),
    ],
    ids=["one class", "three classes, two channels", "four classes with gaps, thick slices"],
)
def test_one_command_makes_a_model_that_segments(tmp_path: Path, classes: int, options: dict[str, object]) -> None:
    data = boxes(tmp_path / "my data", classes, **options)  # type: ignore[arg-type]
    assert main(["train", str(data), "-o", str(tmp_path / "work"), "--name", "my boxes", *QUICK]) == 0

    metadata = json.loads((tmp_path / "work/bundle/my_boxes/configs/metadata.json").read_text())
    values = list(options.get("values", range(1, classes + 1)))  # type: ignore[call-overload]
    assert [(label["value"], label["name"]) for label in metadata["monai_unet"]["labels"]] == [
        (value, f"box {value}") for value in values
    ]
    assert metadata["schema"].endswith("meta_schema_20240725.json")

    image = sorted((data / "images").glob("c7*"))
    given = [str(path) for path in image]
    arguments = [f"--channel=series {n}={path}" for n, path in enumerate(given)] if len(given) > 1 else given
    assert main(["segment", *arguments, "-o", str(tmp_path / "out"), "--bundle", "my_boxes"]) == 0
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    drawn = np.asarray(nib.load(mask).dataobj)
    assert drawn.shape == nib.load(given[0]).shape
    assert set(np.unique(drawn)) <= {0, *values}


def test_a_finished_training_is_not_repeated_and_a_plan_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, work = boxes(tmp_path / "data", 1), tmp_path / "work"
    assert main(["plan", str(data), "-o", str(work), *QUICK]) == 0
    assert main(["plan", str(data), "-o", str(work), *QUICK]) == 1
    assert "holds a plan already" in capsys.readouterr().err
    assert main(["train", str(work), "--no-install"]) == 0
    best = work / "runs/whole/best.pt"
    before = best.stat().st_mtime_ns
    assert main(["train", str(work), "--no-install"]) == 0
    assert best.stat().st_mtime_ns == before


def test_a_data_set_that_changed_since_it_was_planned_is_planned_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, work = boxes(tmp_path / "data", 1), tmp_path / "work"
    assert main(["plan", str(data), "-o", str(work), *QUICK]) == 0
    label = data / "labels" / "c1.nii.gz"
    label.write_bytes(label.read_bytes() + b" ")
    assert main(["train", str(work), "--no-install"]) == 1
    assert "the files of c1 changed since the data set was planned" in capsys.readouterr().err
    assert not (work / "runs").exists()


def test_folds_hold_out_every_case_once_and_the_model_learns_from_all(tmp_path: Path) -> None:
    data, work = boxes(tmp_path / "data", 1, cases=10), tmp_path / "work"
    assert main(["plan", str(data), "-o", str(work), *QUICK]) == 0
    assert main(["train", str(work), "--fold", "all", "--folds", "2", "--no-install"]) == 0
    held = [json.loads((work / f"dataset_fold_{k}.json").read_text())["validation"] for k in (0, 1)]
    names = sorted(entry["name"] for fold in held for entry in fold)
    assert names == [f"c{n}" for n in range(6)]
    assert len(json.loads((work / "dataset_final.json").read_text())["training"]) == 6
    (bundle,) = (work / "bundle").iterdir()
    assert (bundle / "models/model.pt").is_file()
    assert "On 6 held-out cases" in (bundle / "docs/README.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "soon"], "is no budget"),
        (["--memory", "much"], "is no memory limit"),
        (["--memory", "1MiB"], "more memory"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_sentence(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = boxes(tmp_path / "data", 1, cases=6)
    assert main(["plan", str(data), "-o", str(tmp_path / "work"), "--device", "cpu", *words]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "work" / "plan.json").exists()
