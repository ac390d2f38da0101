"""A CT set by one command: references of real patients against a perturbed copy whose scores are worked out here."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_unet.cli import main

DATA = Path(os.environ.get("MONAI_UNET_DATA", "/nonexistent")) / "HeadNeckCT"
BRAINSTEM, CORD, RIGHT, LEFT = 1, 2, 3, 4


def perturb(labels: np.ndarray, *, without_cord: bool) -> np.ndarray:
    """Brainstem as it is, cord as it is or gone, right parotid moved by a voxel to the right, left one cut in half."""
    made = np.where((labels == BRAINSTEM) | ((labels == CORD) & (not without_cord)), labels, 0).astype(np.uint8)
    moved = np.roll(labels == RIGHT, 1, axis=0)
    left = labels == LEFT
    heights = np.flatnonzero(left.any(axis=(0, 1)))
    left[:, :, : heights[heights.size // 2]] = False
    assert not made[moved | left].any(), "the perturbed parotids must not touch other organs"
    assert not (moved & left).any(), "the perturbed parotids must not touch each other"
    made[moved], made[left] = RIGHT, LEFT
    return made


def expected(reference: np.ndarray, made: np.ndarray, value: int) -> dict[str, float]:
    """Overlap by sets of voxels: nothing of the code under test."""
    r, p = ({tuple(voxel) for voxel in np.argwhere(labels == value)} for labels in (reference, made))
    if not p or not r:
        return dict.fromkeys(("dice", "iou", "precision", "recall"), 0.0)
    both = len(r & p)
    dice = 2 * both / (len(r) + len(p))
    return {"dice": dice, "iou": both / len(r | p), "precision": both / len(p), "recall": both / len(r)}


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="HeadNeckCT is not there: set MONAI_UNET_DATA")
def test_a_perturbed_copy_of_real_ct_references_gets_its_known_scores(tmp_path: Path) -> None:
    entries = json.loads((DATA / "dataset.json").read_text(encoding="utf-8"))["validation"][:6]
    known: dict[tuple[str, str], dict[str, float]] = {}
    diagonals, steps = {}, {}
    for number, entry in enumerate(entries):
        image = nib.load(DATA / entry["label"])
        labels = np.asarray(image.dataobj).astype(np.uint8)
        made = perturb(labels, without_cord=number % 3 == 0)
        case = Path(entry["image"]).name.removesuffix(".nii.gz")
        (tmp_path / "made").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(made, image.affine), tmp_path / "made" / f"{case}.nii.gz")
        for value in (BRAINSTEM, CORD, RIGHT, LEFT):
            known[case, str(value)] = expected(labels, made, value)
        zooms = np.array(image.header.get_zooms()[:3], float)
        diagonals[case], steps[case] = float(np.linalg.norm(zooms * labels.shape)), zooms[0]
    # the evaluation gets a data set of these six cases only
    content = json.loads((DATA / "dataset.json").read_text(encoding="utf-8"))
    chosen = [{key: str(DATA / path) for key, path in entry.items()} for entry in entries]
    (tmp_path / "dataset.json").write_text(json.dumps(content | {"validation": chosen}), encoding="utf-8")
    words = ["--dataset", tmp_path, "--key", "validation", "--predictions", tmp_path / "made"]
    out = tmp_path / "out"
    assert main(["evaluate", *map(str, words), "--output", str(out), "--workers", "1"]) == 0
    with (out / "cases.csv").open(encoding="utf-8") as file:
        rows = {(row["case"], row["label"]): row for row in csv.DictReader(file)}
    assert rows.keys() == known.keys()
    for place, numbers in known.items():
        for name, value in numbers.items():
            assert float(rows[place][name]) == pytest.approx(value, rel=1e-5), (place, name)
    for case in diagonals:
        assert float(rows[case, "1"]["hd95_mm"]) == 0
        assert 0 < float(rows[case, "3"]["assd_mm"]) < float(rows[case, "3"]["hd95_mm"]) <= steps[case] * (1 + 1e-5)
        assert float(rows[case, "4"]["precision"]) == 1
        if rows[case, "2"]["status"] == "missed":
            assert float(rows[case, "2"]["hd95_mm"]) == pytest.approx(diagonals[case], rel=1e-5)
    classes = {c["label"]: c for c in json.loads((out / "summary.json").read_text(encoding="utf-8"))["classes"]}
    assert [classes[value]["n_missed"] for value in (1, 2, 3, 4)] == [0, 2, 0, 0]
    assert classes[CORD]["metrics"]["dice"]["mean"] == pytest.approx(4 / 6)
    assert classes[RIGHT]["metrics"]["dice"]["mean"] == pytest.approx(
        np.mean([numbers["dice"] for (_, value), numbers in known.items() if value == "3"])
    )
