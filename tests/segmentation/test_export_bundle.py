"""A bundle leaves Python: what is written gives PyTorch's logits, and what does not is not written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from monai_unet.bundle_format import build_parts, find_bundle
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.inferers import openvino_installed
from monai_unet.io import sha256_of
from monai_unet.segmentation import export, export_bundle

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
BUNDLE = "hippocampus_mri"


@pytest.mark.parametrize("to", ["onnx", "torchscript", "openvino"])
def test_the_file_gives_what_pytorch_gives(tmp_path: Path, to: export.ExportFormat) -> None:
    if to == "openvino" and not openvino_installed():  # importing it here would load its telemetry
        pytest.skip("needs openvino")
    found = export_bundle(find_bundle(BUNDLE), tmp_path, to, size=(32, 48, 32))
    assert found.difference < 1e-3
    assert found.sizes == ((32, 48, 32), (64, 48, 96))
    about = json.loads((tmp_path / f"{BUNDLE}.{to}.json").read_text())
    assert about["file_sha256"][found.file.name] == sha256_of(found.file)
    assert about["input"]["channels"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*about["file_sha256"], f"{BUNDLE}.{to}.json"])
    with pytest.raises(InputError, match="overwrite"):
        export_bundle(find_bundle(BUNDLE), tmp_path, to)


def test_a_file_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(network: torch.nn.Module, example: torch.Tensor, file: Path) -> export.Run:
        file.write_bytes(b"other")
        return lambda image: network(image) * 1.01

    monkeypatch.setattr(export, "_write_onnx", other)
    with pytest.raises(InputError, match=r"differs from PyTorch's by .* nothing was written"):
        export_bundle(find_bundle(BUNDLE), tmp_path / "out", "onnx", size=(32, 32, 32))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_exports_the_editor_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "lesion_editor", "--to", "torchscript", "-o", str(tmp_path), "--size", "32", "32", "32"]
    assert main(words) == 0
    assert "differs from PyTorch by" in capsys.readouterr().out
    loaded = torch.jit.load(tmp_path / "lesion_editor.ts")
    assert loaded(torch.zeros(1, 10, 32, 32, 32)).shape == (1, 1, 32, 32, 32)
    assert main([*words[:-3], "3", "3", "3", "--overwrite"]) == 1
    assert "16 or more" in capsys.readouterr().err


def test_the_runner_of_the_docs_gives_what_the_bundle_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not DOCS.is_file():
        pytest.skip("needs the source tree")
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    noise = np.random.default_rng(0).normal(size=(36, 50, 35)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), tmp_path / "scan.nii.gz")
    export_bundle(find_bundle(BUNDLE), tmp_path, "onnx", size=(32, 48, 32))
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    parts = build_parts(find_bundle(BUNDLE), device=torch.device("cpu"))
    image = parts.preprocessing({"image": tmp_path / "scan.nii.gz"})["image"]
    with torch.no_grad():
        expected = parts.inferer(image[None].as_tensor(), parts.network).argmax(dim=1)
    assert found["labels"].shape == expected.shape
    assert (found["labels"] == expected).float().mean() > 0.999
