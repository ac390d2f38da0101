"""From a workspace with a plan to a bundle that commands and the dock can use."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from monai_unet import paths
from monai_unet.bundle_format import Bundle, read_tensors, trust, user_folder
from monai_unet.errors import InputError
from monai_unet.io import atomic_path, sha256_of, write_text
from monai_unet.io.datasets import dataset_cases
from monai_unet.planning.choose import Choice, choose, class_means, mean_of
from monai_unet.planning.plan import Plan
from monai_unet.planning.workspace import Workspace
from monai_unet.planning.write_bundle import card, metadata, write_bundle
from monai_unet.training import Epoch, watched_run

BEST, LAST = "best.pt", "last.pt"
DONE = "done.json"


@dataclass(frozen=True)
class Trained:
    """A finished model: its bundle, what was chosen and what it reached on held-out cases."""

    bundle: Bundle
    choice: Choice


def train_run(
    space: Workspace, plan: Plan, name: str, *, resume: bool = False, overwrite: bool = False, seed: int = 0
) -> Generator[Epoch, None, Path]:
    """Train one set of weights of a plan; yields where it is, returns the folder of the run.

    A run that is finished is not touched. One that was stopped goes on where it was with `resume`.

    Raises:
        InputError: the folder holds a run that is neither to be resumed nor overwritten, or the training failed.
    """
    run = space.run(name)
    if (run / DONE).is_file() and not overwrite:
        return run
    if (run / LAST).is_file() and not resume and not overwrite:
        raise InputError(
            f"{run} holds a training that was stopped; go on with it (--resume), or begin anew (--overwrite)."
        )
    (run / DONE).unlink(missing_ok=True)
    # a person may have changed the plan since it was made
    root = write_bundle(plan, space.bundle(plan))
    arguments: Mapping[str, object] = {
        "meta_file": root / "configs" / "metadata.json",
        "logging_file": root / "configs" / "logging.conf",
        "dataset_dir": space.dataset_file(name),
        "output_dir": run,
        "seed": seed,
        "resume": "auto" if resume else None,
        "overwrite": True if overwrite else None,
    }
    yield from watched_run([root / "configs" / "train.yaml"], arguments, run, epochs=plan.epochs)
    if not (run / BEST).is_file():
        raise InputError(f"the training in {run} left no {BEST}; see its log.txt.")
    write_text(run / DONE, json.dumps({"epochs": plan.epochs}) + "\n")
    shutil.rmtree(run / "cache", ignore_errors=True)
    return run


def averaged_weights(run: Path) -> Path:
    """The averaged weights at the end of a run as a file of their own, for a run without cases to choose them by."""
    state = read_tensors(run / LAST)["average"]
    weights = {name.removeprefix("module."): value for name, value in state.items() if name.startswith("module.")}
    with atomic_path(run / "average.pt") as temporary:
        torch.save(weights, temporary)
    return run / "average.pt"


def choose_and_pack(
    space: Workspace,
    plan: Plan,
    weights: Path,
    held_out: Mapping[str, Path],
    *,
    install: bool = True,
    says: Callable[[str], object] = print,
) -> Trained:
    """Choose what is done to the results, on cases that weights did not see, and finish the bundle.

    Args:
        weights: that the bundle gets.
        held_out: name of a run → its weights; the run's validation list are the cases that they did not see.
        install: copy the bundle to the user's folder, so that it is found by its name.
    """
    lists = [(path, dataset_cases(space.dataset_file(run), "validation")) for run, path in held_out.items()]
    choice = choose(plan, lists, says=says)
    chosen = choice.plan
    root = write_bundle(chosen, space.bundle(chosen))
    (root / "models").mkdir(exist_ok=True)
    shutil.copyfile(weights, root / "models" / "model.pt")
    by_class = class_means(choice.scores)
    scores = {"mean": mean_of(choice.scores)}
    scores |= {
        entry.name: by_class[number] for number, entry in enumerate(chosen.classes, start=1) if number in by_class
    }
    scores = {name: value for name, value in scores.items() if not math.isnan(value)}
    told = metadata(chosen, scores=scores, weights_sha256=sha256_of(root / "models" / "model.pt"))
    write_text(root / "configs" / "metadata.json", json.dumps(told, indent=2) + "\n")
    write_text(root / "docs" / "README.md", card(chosen, results=results_text(choice)))
    chosen.save(space.plan_file)
    bundle = Bundle(root.name, root, built_in=False)
    if install:
        bundle = installed(root)
    trust(bundle)
    return Trained(bundle, choice)


def results_text(choice: Choice) -> str:
    """The scores of a card, in Markdown."""
    by_class = class_means(choice.scores)
    rows = [
        f"| {entry.name} | {by_class.get(number, math.nan):.3f} |"
        for number, entry in enumerate(choice.plan.classes, 1)
    ]
    worst = sorted(choice.scores.items(), key=lambda item: _mean(item[1]))[:5]
    tried = [f"| {what} | {dice:.3f} | {'yes' if chosen else 'no'} |" for what, (dice, chosen) in choice.tried.items()]
    lines = [
        f"On {choice.cases} held-out cases, by which the weights and what follows were chosen, so that new cases may",
        "fare a little worse:",
        "",
        "| structure | mean Dice |",
        "| --- | --- |",
        *rows,
        f"| **mean** | **{mean_of(choice.scores):.3f}** |",
        "",
        "| tried on them | mean Dice | chosen |",
        "| --- | --- | --- |",
        *tried,
        "",
        "Worst cases: " + ", ".join(f"{name} ({_mean(dice):.3f})" for name, dice in worst) + ".",
        *choice.notes,
    ]
    return "\n".join(lines)


def installed(root: Path) -> Bundle:
    """The bundle copied to the user's folder, in place of one of this name that was made from the same plan.

    Raises:
        InputError: another bundle has this name.
    """
    target = user_folder() / root.name
    paths.make_private(target.parent)
    if target.exists() and not (target / "configs" / "plan.json").is_file():
        raise InputError(f"{target} holds another bundle; plan under another name (--name).")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
        made = Path(temporary) / root.name
        shutil.copytree(root, made)
        if target.exists():
            target.rename(Path(temporary) / "old")
        made.rename(target)
    return Bundle(root.name, target, built_in=False)


def _mean(scores: Mapping[int, float]) -> float:
    kept = [value for value in scores.values() if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else 1.0
