"""Fine-tuning on cases saved for training: what is refused, stopping, and a real training of one epoch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
from decathlon_phantom import make_dataset

from monai_unet.bundle_format.catalogue import Bundle, find_bundle, find_bundles
from monai_unet.bundle_format.trust import is_trusted
from monai_unet.errors import InputError
from monai_unet.planning import fine_tune, plan_fine_tuning
from monai_unet.segmentation.segmenter import Segmenter
from monai_unet.training import Epoch

LABELS = {"0": "background", "1": "anterior hippocampus", "2": "posterior hippocampus"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()


@pytest.fixture
def bundle() -> Bundle:
    found = find_bundle("hippocampus_mri")
    if not found.has_weights:
        pytest.skip("hippocampus_mri has no weights here")
    return found


def dataset(folder: Path, labels: dict[str, str], count: int = 2) -> Path:
    folder.mkdir()
    make_dataset(folder, training=count, validation=0, test=0)
    stated = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**stated, "labels": labels}))
    return folder


def test_every_fifth_case_is_held_out_and_of_few_cases_none(bundle: Bundle, tmp_path: Path) -> None:
    many = plan_fine_tuning(bundle, dataset(tmp_path / "many", LABELS, 11), 3)
    assert (len(many.training), len(many.validation), many.held_out) == (9, 2, True)
    kept = {case["image"] for case in many.training}
    assert kept.isdisjoint(case["image"] for case in many.validation)
    few = plan_fine_tuning(bundle, dataset(tmp_path / "few", LABELS, 4), 3)
    assert (few.training, few.held_out) == (few.validation, False)


@pytest.mark.parametrize("labels", [{"0": "background", "1": "tumour"}, {"0": "background"}, {**LABELS, "3": "more"}])
def test_other_labels_than_the_models_are_refused_by_name(
    bundle: Bundle, tmp_path: Path, labels: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="marks 1 anterior hippocampus, 2 posterior hippocampus"):
        plan_fine_tuning(bundle, dataset(tmp_path / "set", labels), 3)


def test_labels_of_a_foreign_bundle_are_compared_by_value_and_name(tmp_path: Path) -> None:
    """Before, a bundle without a section of ours marked "nothing", whatever it stated."""
    root = tmp_path / "abdomen"
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"weights")
    pred = {"num_channels": 3, "channel_def": {"0": "background", "1": "liver", "2": "cyst"}}
    (root / "configs" / "metadata.json").write_text(json.dumps({"network_data_format": {"outputs": {"pred": pred}}}))
    config = dict.fromkeys(("dataset_dir", "output_dir", "ckpt", "epochs", "val_interval", "ema_decay"), 0)
    (root / "configs" / "train.yaml").write_text(json.dumps({**config, "learning_rate": 0.1}))
    foreign = Bundle("abdomen", root, built_in=True)
    labels = {"0": "background", "1": "liver", "2": "cyst"}
    assert len(plan_fine_tuning(foreign, dataset(tmp_path / "set", labels), 3).training) == 2
    with pytest.raises(InputError, match="mark 1 cyst, 2 liver, and 'abdomen' marks 1 liver, 2 cyst"):
        plan_fine_tuning(foreign, dataset(tmp_path / "other", {"1": "cyst", "2": "liver"}), 3)


def test_model_of_several_series_and_model_without_training_are_refused(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "set", LABELS)
    several = find_bundle("brain_tumor_mri")
    if several.has_weights:
        with pytest.raises(InputError, match="needs 4 series"):
            plan_fine_tuning(several, folder, 3)
    bare = tmp_path / "bare"
    (bare / "configs").mkdir(parents=True)
    (bare / "configs" / "metadata.json").write_text("{}")
    with pytest.raises(InputError, match="brings no training"):
        plan_fine_tuning(Bundle("bare", bare, built_in=False), folder, 3)


def test_stopping_ends_the_process(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "monai_unet.training.watched._command",
        lambda files, arguments: [sys.executable, "-c", "import time; time.sleep(600)"],
    )
    before = set(psutil.Process().children())
    steps = fine_tune(plan_fine_tuning(bundle, dataset(tmp_path / "set", LABELS), 3), tmp_path / "run")
    assert next(steps) == Epoch(0, 3)
    (process,) = set(psutil.Process().children()) - before
    steps.close()
    assert not process.is_running()
    assert not any(found.name.endswith("_tuned") for found in find_bundles())


def test_training_that_fails_ends_with_its_last_line(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys; print('first'); sys.exit('monai-unet: the label has 7 classes.')"
    monkeypatch.setattr(
        "monai_unet.training.watched._command", lambda files, arguments: [sys.executable, "-c", program]
    )
    steps = fine_tune(plan_fine_tuning(bundle, dataset(tmp_path / "set", LABELS), 3), tmp_path / "run")
    with pytest.raises(InputError, match=r"'hippocampus_mri' failed: the label has 7 classes\.$"):
        list(steps)


def test_one_epoch_gives_a_bundle_that_segments(bundle: Bundle, tmp_path: Path) -> None:
    folder = dataset(tmp_path / "set", LABELS)
    steps = fine_tune(plan_fine_tuning(bundle, folder, 1), tmp_path / "case_run")
    last = None
    while True:
        try:
            last = next(steps)
        except StopIteration as end:
            tuned: Bundle = end.value
            break
    assert last is not None
    assert (last.done, last.total) == (1, 1)
    assert last.loss is not None
    assert 0 <= last.dice <= 1
    assert tuned.name in {found.name for found in find_bundles()}
    assert is_trusted(tuned)
    assert tuned.description.description.startswith("Fine-tuned from hippocampus_mri on 2 cases")
    assert "the training cases themselves" in tuned.description.description
    # other weights than those it began from, and usable
    assert (tuned.root / "models" / "model.pt").read_bytes() != (bundle.root / "models" / "model.pt").read_bytes()
    image = folder / "images" / "case_00.nii.gz"
    found = Segmenter.load(tuned.root, runtime="torch").segment(image)
    assert tuple(found.labels.shape[1:]) == nibabel.load(image).shape[::-1]
    assert set(np.unique(found.labels)) <= {0, 1, 2}
