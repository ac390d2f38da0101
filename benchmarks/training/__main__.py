"""A model by `plan` and `train` against nnU-Net and against a config by hand: same cases, same CPU seconds of steps.

    python benchmarks/training HeadNeckCT --budget 240 --output OUT --nnunet PYTHON
    python benchmarks/training HeadNeckCT --budget 240 --output OUT --arms plan hand --bundle bundles/head_neck_ct

DATA is a folder in Decathlon layout with `training` and `validation`. Every arm trains on one thread on `training`
until its steps have taken the budget in CPU seconds of its process (augmentation with them; preparing the data,
validating and predicting are counted for nobody) and predicts the list of `--key`; all predictions are scored by
`monai-unet evaluate` against the untouched labels.
- `plan`: what `monai-unet plan DATA --budget …s` writes. `monai-unet train` divides the budget by a measured step; here
  the processor's time ends it, as everywhere in this comparison.
- `hand`: a shipped bundle's own `train.yaml`, written and tuned for this data set, with its schedule ending there.
- `nnunet`: nnU-Net's default 3d_fullres, its own schedule, broken off when the time is over, as a user would see it.
- `nnunet_small`: nnU-Net planned for the memory of a small GPU (`--gpu-memory`, GB: smaller patches, more steps), its
  learning rate falling to 0 within the budget; the best we know to do for it.

PYTHON is the interpreter of an environment with nnunetv2 2.8.1. A run in which a peer made under 200 steps says little
about the peer's method; the number of steps stands in the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from monai_unet.io import dataset_cases

ARMS = ("plan", "hand", "nnunet", "nnunet_small")
OVERLAY: dict[str, Any] = {
    "epochs": 1_000_000,
    "val_interval": 1_000_000,
    "budget": {
        "_target_": "monai_unet.training.budget.TimeBudget",
        "evaluator": "@validate#evaluator",
        "output_dir": "@output_dir",
        "val_interval": "@val_interval",
    },
    "train#scheduler": {
        "_target_": "monai_unet.training.budget.budget_schedule",
        "optimizer": "@train#optimizer",
        "budget": "@budget",
    },
    "train#trainer#train_handlers": "$[@budget, *@train#handlers]",
}
"""What is replaced in a train.yaml; it is validated once, at its end."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def run(*command: object, environment: dict[str, str] | None = None) -> None:
    subprocess.run([str(word) for word in command], check=True, env=os.environ | ONE_THREAD | (environment or {}))


def by_plan(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The plan that one command writes, for the budget."""
    bundle = folder / "plan" / "bundle" / "by_plan"
    if not (bundle / "configs" / "train.yaml").is_file():
        command = [sys.executable, "-m", "monai_unet", "plan", options.data, "-o", folder / "plan", "--overwrite"]
        run(*command, "--budget", f"{options.budget:g}s", "--device", "cpu", "--name", "by_plan")
    return trained(options, folder, bundle, folder / "plan" / "dataset.json")


def by_hand(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The config that was written and tuned for this data set, in the same time."""
    return trained(options, folder, Path(options.bundle).absolute(), options.data)


def trained(options: argparse.Namespace, folder: Path, bundle: Path, data: Path) -> dict[str, Any]:
    """Train a bundle's network until the budget is spent, its learning rate ending there, and score it."""
    out, overlay = folder / "run", folder / "overlay.json"
    if not (out / "done").is_file():
        overlay.write_text(json.dumps(OVERLAY | {"budget": OVERLAY["budget"] | {"seconds": options.budget}}))
        files = [str(bundle / "configs" / "train.yaml"), str(overlay)]
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files)]
        command += ["--dataset_dir", data, "--output_dir", out, "--resume", "auto"]
        run(*command)
        (out / "done").touch()
    command = [sys.executable, "-m", "monai_unet", "evaluate", "--dataset", options.data, "--key", options.key]
    command += ["--bundle", bundle, "--checkpoint", out / "best.pt", "--trust", "--device", "cpu", "--resume"]
    run(*command, "--output", folder / "scores")
    _, steps, seconds = list(csv.reader((out / "budget.csv").open()))[-1]
    return {"steps": int(steps), "cpu_s": float(seconds)}


def as_nnunet_raw(options: argparse.Namespace, raw: Path) -> None:
    """The same cases in nnU-Net's layout; the list of `--key` in imagesTs, not seen by its training."""
    if (raw / "dataset.json").is_file():
        return
    description = json.loads((options.data / "dataset.json").read_text())
    training = dataset_cases(options.data, "training")
    for part, cases in (("Tr", training), ("Ts", dataset_cases(options.data, options.key))):
        for folder in (f"images{part}", f"labels{part}"):
            (raw / folder).mkdir(parents=True, exist_ok=True)
        for index, case in enumerate(cases):
            images = [case["image"]] if isinstance(case["image"], str) else list(case["image"])
            for channel, image in enumerate(images):
                (raw / f"images{part}" / f"case_{index:04d}_{channel:04d}.nii.gz").symlink_to(Path(image).absolute())
            label = nib.load(case["label"])
            values = np.asarray(label.dataobj).astype(np.uint8)
            nib.save(nib.Nifti1Image(values, label.affine), raw / f"labels{part}" / f"case_{index:04d}.nii.gz")
    names = description["modality"]
    content = {
        "channel_names": {key: ("CT" if name == "CT" else name) for key, name in names.items()},
        "labels": {name: int(value) for value, name in description["labels"].items()},
        "numTraining": len(training),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(content))


def by_nnunet(options: argparse.Namespace, folder: Path, *, small: bool) -> dict[str, Any]:
    home = options.output / "nnunet"
    raw = home / "raw" / "Dataset001_Compared"
    as_nnunet_raw(options, raw)
    environment = {
        "nnUNet_raw": str(home / "raw"),
        "nnUNet_preprocessed": str(home / "preprocessed"),
        "nnUNet_results": str(folder / "results"),
        "nnUNet_n_proc_DA": "0",
        "nnUNet_compile": "f",
        "nnUNet_def_n_proc": "1",
    }
    peer = [options.nnunet, Path(__file__).with_name("peer.py"), "--budget", f"{options.budget:g}"]
    peer += ["--output", folder, "--small", options.gpu_memory if small else 0]
    if not (folder / "took.json").is_file():
        run(*peer, environment=environment)
    references = raw / "labelsTs"
    command = [sys.executable, "-m", "monai_unet", "evaluate", "--predictions", folder / "predicted"]
    run(*command, "--references", references, "--output", folder / "scores", "--resume")
    took: dict[str, Any] = json.loads((folder / "took.json").read_text())
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=240.0, help="CPU seconds of steps")
    parser.add_argument("--key", default="validation")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--nnunet", help="Python with nnunetv2")
    parser.add_argument("--gpu-memory", type=float, default=1.0, help="GB that `nnunet_small` is planned for")
    parser.add_argument("--bundle", help="folder of a shipped bundle for `hand`")
    options = parser.parse_args()
    options.data, options.output = options.data.absolute(), options.output.absolute()
    print("| arm | mean Dice | steps | CPU s of the steps |\n| --- | --- | --- | --- |", flush=True)
    for arm in options.arms:
        folder = options.output / arm
        folder.mkdir(parents=True, exist_ok=True)
        if arm == "plan":
            took = by_plan(options, folder)
        elif arm == "hand":
            took = by_hand(options, folder)
        else:
            took = by_nnunet(options, folder, small=arm == "nnunet_small")
        summary = json.loads((folder / "scores" / "summary.json").read_text())
        dice = summary["mean_over_classes"]["dice"]["mean"]
        print(f"| {arm} | {dice:.3f} | {took['steps']} | {took['cpu_s']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
