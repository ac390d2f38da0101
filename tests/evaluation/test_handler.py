"""The bundle's handler: scores on the file's own grid, from the untouched label."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.inferers import SimpleInferer
from monai.transforms import AsDiscreted, Compose, Invertd, Orientationd, Spacingd

from monai_unet.errors import InputError
from monai_unet.evaluation import ScoreHandler
from monai_unet.evaluation.pairs import pair_folders
from monai_unet.io import LoadVolumed


class Threshold(torch.nn.Module):
    """Two logits: background, and foreground where the image is above 0.5."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.full_like(image, 0.5), image], dim=1)


def write_case(folder: Path, name: str, *, label_shift_mm: float = 0.0) -> dict[str, str]:
    """An oblique-free LPS pair at 2×1×1.5 mm whose image is the label itself."""
    label = np.zeros((12, 20, 16), np.uint8)
    label[3:9, 5:15, 4:12] = 1
    affine = np.array([[-2.0, 0, 0, 10], [0, -1.0, 0, 20], [0, 0, 1.5, -5], [0, 0, 0, 1]])
    moved = affine.copy()
    moved[0, 3] += label_shift_mm
    nib.save(nib.Nifti1Image(label.astype(np.float32), affine), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(label, moved), folder / f"{name}_label.nii.gz")
    return {"image": str(folder / f"{name}.nii.gz"), "label": str(folder / f"{name}_label.nii.gz")}


def evaluate(cases: list[dict[str, str]], output: Path, *, invert: bool = True, load_label: bool = True) -> None:
    keys = ["image", "label"] if load_label else ["image"]
    preprocessing = Compose(
        [
            LoadVolumed(keys),
            Orientationd(keys, axcodes="SAR", labels=None),
            Spacingd(keys, pixdim=(1.0, 1.0, 1.0), mode=["bilinear", "nearest"][: len(keys)]),
        ]
    )
    inverse = (
        [Invertd("pred", preprocessing, orig_keys="image", nearest_interp=False, to_tensor=True)] if invert else []
    )
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(cases, preprocessing), batch_size=1),
        network=Threshold(),
        inferer=SimpleInferer(),
        postprocessing=Compose([*inverse, AsDiscreted("pred", argmax=True)]),
        val_handlers=[ScoreHandler(output, {"0": "background", "1": "box"}, provenance={"bundle": "t"})],
    ).run()


@pytest.mark.parametrize("load_label", [True, False])
def test_scores_stand_on_the_original_grid(tmp_path: Path, load_label: bool) -> None:
    evaluate([write_case(tmp_path, name) for name in "ab"], tmp_path / "out", load_label=load_label)
    rows = list(csv.DictReader((tmp_path / "out" / "cases.csv").open()))
    assert [row["case"] for row in rows] == ["a", "b"]
    assert float(rows[0]["reference_volume_ml"]) == pytest.approx(6 * 10 * 8 * 3 / 1000)
    assert float(rows[0]["dice"]) > 0.9
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["cases_scored"] == 2
    assert summary["provenance"]["bundle"] == "t"
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("data:image/png") == 2


def test_a_case_on_another_grid_is_refused_by_name_and_the_rest_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write_case(tmp_path, "good"), write_case(tmp_path, "bad", label_shift_mm=3.0)
    evaluate([bad, good], tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["cases_scored"] == 1
    [failure] = summary["cases_failed"]
    assert failure["case"] == "bad"
    assert "3 mm apart" in failure["reason"]
    assert "not scored: bad" in capsys.readouterr().out


def test_a_prediction_left_on_the_network_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No case could be scored"):
        evaluate([write_case(tmp_path, "a")], tmp_path / "out", invert=False)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "voxels (S, A, R)" in summary["cases_failed"][0]["reason"]


def test_predictions_are_called_as_the_cases_and_can_be_scored_again(tmp_path: Path) -> None:
    """README's layout: `images/case_01.nii.gz` and `labels/case_01.nii.gz`."""
    cases = []
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name in ("case_01", "case_02"):
        case = write_case(tmp_path, name)
        moved = {"image": tmp_path / "images" / f"{name}.nii.gz", "label": tmp_path / "labels" / f"{name}.nii.gz"}
        for key, target in moved.items():
            Path(case[key]).rename(target)
        cases.append({key: str(target) for key, target in moved.items()})
    evaluate(cases, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "cases.csv").open()))
    assert [row["case"] for row in rows] == ["case_01", "case_02"]
    written = sorted(path.name for path in (tmp_path / "out" / "predictions").iterdir())
    assert written == ["case_01.nii.gz", "case_02.nii.gz"]
    pairing = pair_folders(tmp_path / "out" / "predictions", tmp_path / "labels")
    assert [pair.case for pair in pairing.pairs] == ["case_01", "case_02"]
    assert not pairing.refusals


def test_the_results_of_another_evaluation_are_not_replaced(tmp_path: Path) -> None:
    evaluate([write_case(tmp_path, "a")], tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="files of another run"):
        evaluate([write_case(tmp_path, "b")], tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
