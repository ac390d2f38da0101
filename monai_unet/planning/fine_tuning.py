"""Training a bundle further on the cases saved for training: a process of its own, watched and stoppable (no Qt).

The process is `python -m monai.bundle run` with the bundle's own `train.yaml`, as on the command line. Its result
becomes a bundle of its own in the user's folder; the one it began from stays as it is.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from monai_unet import paths
from monai_unet.bundle_format import Bundle, is_trusted, read_object, trust, trusted_copy, tuned_metadata, user_folder
from monai_unet.errors import InputError
from monai_unet.io import sha256_of, write_text
from monai_unet.io.datasets import dataset_cases, dataset_labels
from monai_unet.mappings import Json
from monai_unet.training import LOG, Epoch, last_epoch, last_line, watched_run

_NEEDED = {"dataset_dir", "output_dir", "ckpt", "epochs", "val_interval", "learning_rate", "ema_decay"}
_EVERY = 5
_SLOWER = 0.1


@dataclass(frozen=True)
class FineTuning:
    """A fine-tuning about to start.

    Attributes:
        bundle: what it begins from.
        training, validation: cases as `dataset_cases` gives them.
        held_out: whether the validation cases are not among those of the training.
        epochs: passes over the training cases.
        learning_rate: a tenth of the bundle's own, so that what it knows is not lost.
    """

    bundle: Bundle
    training: list[Json]
    validation: list[Json]
    held_out: bool
    epochs: int
    learning_rate: float


def plan_fine_tuning(bundle: Bundle, folder: Path, epochs: int) -> FineTuning:
    """Check that a bundle can learn from a folder in Decathlon layout.

    Every fifth case is held out for the validation; of fewer than five cases none is, and the Dice then says only how
    well they were learnt.

    Raises:
        InputError: the bundle cannot be trained here, or the folder's cases are not of its kind.
    """
    config = _training_config(bundle)
    if not is_trusted(bundle):
        raise InputError(f"'{bundle.name}' is not built in; allow it first.")
    cases = dataset_cases(folder, "training")
    channels = [channel.name for channel in bundle.description.inputs]
    count = max(len(case["image"]) if isinstance(case["image"], list) else 1 for case in cases)
    if count != len(channels):
        raise InputError(
            f"'{bundle.name}' needs {len(channels)} series for each case ({', '.join(channels)}), and the cases in "
            f"{folder} hold {count}; choose a model of one series in the Model tab."
        )
    _check_labels(bundle, folder)
    held = cases[_EVERY - 1 :: _EVERY]
    kept = [case for number, case in enumerate(cases, start=1) if number % _EVERY]
    return FineTuning(
        bundle, kept if held else cases, held or cases, bool(held), epochs, float(config["learning_rate"]) * _SLOWER
    )


def fine_tune(chosen: FineTuning, run: Path) -> Generator[Epoch, None, Bundle]:
    """Train in the folder `run`; yields where it is, returns the new bundle. Stopped, it ends the process.

    Raises:
        InputError: the bundle was never agreed to as it is now, or the training failed; the message ends with the last
            line of its log.
    """
    chosen = replace(chosen, bundle=trusted_copy(chosen.bundle))
    paths.make_private(run)
    lists = {"training": chosen.training, "validation": chosen.validation}
    write_text(run / "dataset.json", json.dumps(lists, indent=2, default=str) + "\n")
    root = chosen.bundle.root / "configs"
    try:
        yield from watched_run([root / "train.yaml"], _arguments(chosen, run), run, epochs=chosen.epochs, give_way=True)
    except InputError as error:
        raise InputError(f"The training of '{chosen.bundle.name}' failed: {_cause(error)}") from None
    if not (run / "best.pt").is_file():
        raise InputError(f"The training of '{chosen.bundle.name}' failed: {last_line(run / LOG)}")
    return _as_bundle(chosen, run)


def fine_tuning_folder(bundle: Bundle) -> Path:
    """A new folder for a training of this bundle, `~/.monai-unet/trainings/<bundle>_<time>`."""
    return paths.trainings_folder() / f"{bundle.name}_{time.strftime('%Y%m%d_%H%M%S')}"


def _training_config(bundle: Bundle) -> Json:
    path = bundle.root / "configs" / "train.yaml"
    if not bundle.has_weights or not path.is_file():
        raise InputError(f"'{bundle.name}' brings no training to go on with; choose a built-in model in the Model tab.")
    config = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    if not set(config) >= _NEEDED:
        raise InputError(
            f"'{bundle.name}' is trained in another way than the built-in models; use its own instructions."
        )
    return config


def _check_labels(bundle: Bundle, folder: Path) -> None:
    own, stated = bundle.description.label_names, dataset_labels(folder)
    wrong = {value: name for value, name in stated.items() if own.get(value) != name}
    if wrong or not stated:
        raise InputError(
            f"The cases in {folder} mark {_named(stated)}, and '{bundle.name}' marks {_named(own)}; a model can learn "
            "further only what it marks already: correct its own results and add those."
        )


def _named(labels: dict[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in sorted(labels.items())) or "nothing"


def _cause(error: InputError) -> str:
    return str(error).removeprefix("the training failed: ")


def _arguments(chosen: FineTuning, run: Path) -> dict[str, object]:
    root = chosen.bundle.root
    return {
        "meta_file": chosen.bundle.metadata_file,
        "dataset_dir": run / "dataset.json",
        "output_dir": run,
        "ckpt": root / "models" / "model.pt",
        "epochs": chosen.epochs,
        "val_interval": max(1, chosen.epochs // 4),
        "learning_rate": chosen.learning_rate,
        "ema_decay": 0.9,
    }


def _as_bundle(chosen: FineTuning, run: Path) -> Bundle:
    """The bundle with the new weights, in the user's folder; its metadata and card say what was done."""
    root, name = chosen.bundle.root, f"{run.name}_tuned"
    target = user_folder() / name
    best = last_epoch(run, chosen.epochs).dice
    where = f"{len(chosen.validation)} held-out cases" if chosen.held_out else "the training cases themselves"
    said = (
        f"Fine-tuned from {chosen.bundle.name} on {len(chosen.training)} cases of the user, {chosen.epochs} epochs; "
        f"mean Dice {best if best is not None else float('nan'):.3f} on {where}. Not evaluated beyond that."
    )
    paths.make_private(target.parent)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tuned-") as temporary:
        made = Path(temporary) / name
        shutil.copytree(root, made, ignore=shutil.ignore_patterns("models", "__pycache__"))
        (made / "models").mkdir()
        shutil.copyfile(run / "best.pt", made / "models" / "model.pt")
        metadata = read_object(chosen.bundle.metadata_file)
        weights = sha256_of(made / "models" / "model.pt")
        metadata = tuned_metadata(metadata, said=said, dice=best, weights_sha256=weights)
        write_text(made / "configs" / "metadata.json", json.dumps(metadata, indent=2) + "\n")
        card = made / "docs" / "README.md"
        old = card.read_text(encoding="utf-8") if card.is_file() else ""
        write_text(card, f"**{said}** What follows is about the model it began from.\n\n{old}")
        made.rename(target)
    bundle = Bundle(name, target, built_in=False)
    # its configs are those that the user has been running
    trust(bundle)
    return bundle
