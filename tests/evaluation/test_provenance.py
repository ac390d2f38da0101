"""What is said of the model that made the numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from monai_unet.bundle_format import Bundle
from monai_unet.errors import InputError
from monai_unet.evaluation.provenance import model_of


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    for name, content in (("configs/metadata.json", json.dumps({"version": "1.2"})), ("models/model.pt", "w")):
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(content)
    (tmp_path / "b" / "docs").mkdir()
    (tmp_path / "b" / "docs" / "README.md").write_text("x")
    return Bundle("b", tmp_path / "b", built_in=False)


def test_a_model_is_its_version_and_the_hashes_of_configs_and_weights(bundle: Bundle, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_text("o")
    found = model_of(bundle, other)
    assert (found["name"], found["version"], found["checkpoint"]) == ("b", "1.2", str(other))
    assert set(found["sha256"]) == {"configs/metadata.json", "models/model.pt", str(other)}
    assert found["sha256"]["models/model.pt"] == hashlib.sha256(b"w").hexdigest()
    assert found["sha256"][str(other)] == hashlib.sha256(b"o").hexdigest()


def test_weights_that_are_not_there_are_refused(bundle: Bundle) -> None:
    with pytest.raises(InputError, match=r"no\.pt does not exist"):
        model_of(bundle, "no.pt")
