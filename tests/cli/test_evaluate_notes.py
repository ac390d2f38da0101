"""What was unusual about the files of an evaluation is printed, and stands in its results."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.cli import main

NOTE = "sform and qform lie up to 2.0 mm apart, the sform is used (ITK-based programs use the qform)"


def box(path: Path, *, apart: bool) -> Path:
    """A label map with one box; `apart`: its qform lies 2 mm off its sform."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[3:9, 3:9, 3:9] = 1
    image = nib.Nifti1Image(labels, np.eye(4))
    image.set_sform(np.eye(4), code=1)
    moved = np.eye(4)
    moved[0, 3] = 2.0 * apart
    image.set_qform(moved, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def test_notes_of_every_file_are_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for case in "ab":
        box(tmp_path / "r" / f"{case}.nii.gz", apart=True)
        box(tmp_path / "p" / f"{case}.nii.gz", apart=False)
        box(tmp_path / "i" / f"{case}.nii.gz", apart=case == "b")
    folders = {"--predictions": "p", "--references": "r", "--images": "i", "--output": "out"}
    words = [word for option, name in folders.items() for word in (option, str(tmp_path / name))]
    command = ["evaluate", *words, "--labels", "1=tumour", "--lesions", "all", "--workers", "1"]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"note: a, b: reference: {NOTE}" in said
    assert f"note: b: image: {NOTE}" in said
    stated = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["notes"]
    assert stated == {"a": [f"reference: {NOTE}"], "b": [f"reference: {NOTE}", f"image: {NOTE}"]}
    assert f"<td>reference: {NOTE}</td><td>a, b</td>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    # a run that goes on says them again
    assert main([*command, "--resume"]) == 0
    assert f"note: a, b: reference: {NOTE}" in capsys.readouterr().err


def test_an_image_that_is_not_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "pairs.csv"
    other = box(tmp_path / "i" / "a.nii.gz", apart=False)
    nib.save(nib.Nifti1Image(np.zeros((12, 12, 11), np.uint8), np.eye(4)), other)
    pair = (box(tmp_path / "p" / "a.nii.gz", apart=False), box(tmp_path / "r" / "a.nii.gz", apart=False), other)
    table.write_text("prediction,reference,image\n" + ",".join(map(str, pair)) + "\n")
    words = ["--labels", "1=tumour", "--lesions", "all", "--workers", "1"]
    assert main(["evaluate", "--pairs", str(table), "--output", str(tmp_path / "out"), *words]) == 0
    assert "note: a: image: it lies on another grid than the labels" in capsys.readouterr().err


def test_notes_of_what_a_model_saw_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    image = write_image(tmp_path / "images" / "a.nii.gz", "oblique")
    loaded = nib.load(image)
    moved = loaded.affine.copy()
    moved[0, 3] += 2.0
    loaded.set_qform(loaded.affine, code=1)
    loaded.set_sform(moved, code=1)
    nib.save(loaded, image)
    nib.save(nib.Nifti1Image((np.asarray(loaded.dataobj) > 80).astype(np.uint8), moved), tmp_path / "label.nii.gz")
    cases = [{"image": "./images/a.nii.gz", "label": "./label.nii.gz"}]
    content = {"labels": {"0": "background", "1": "front", "2": "back"}, "test": cases}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    weights = hippocampus_weights(tmp_path / "model.pt")
    words = ["--dataset", str(tmp_path), "--bundle", "hippocampus_mri", "--checkpoint", str(weights), "--device", "cpu"]
    assert main(["evaluate", *words, "--output", str(tmp_path / "out")]) == 0
    assert f"note: a: image: {NOTE}" in capsys.readouterr().err
