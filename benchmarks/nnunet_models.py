"""Small models trained by nnU-Net itself, for the comparison of imported models (benchmarks/nnunet.py).

    python -m venv nnunet_env && nnunet_env/bin/pip install torch nnunetv2==2.8.1     # apart from monai-unet's packages
    nnunet_env/bin/python benchmarks/nnunet_models.py --data FOLDER --work FOLDER [NAME ...]

--data is the folder of data sets (see docs/data_sets.md), --work takes nnU-Net's raw, preprocessed and results
folders. Everything is nnU-Net's own: fingerprint, plan, preprocessing, training, checkpoints. Networks are made
narrower, patches and epochs are cut, since what is compared is the answer of two programs with the same weights, and
not accuracy; the
hippocampus model of fold 0 is trained long enough that its Dice means something. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

os.environ.update(
    nnUNet_def_n_proc="1", nnUNet_n_proc_DA="1", nnUNet_compile="f", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1"
)

MIDDLE = (112, 112, 72)
RESENC = ("nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans")
PLAIN = ("ExperimentPlanner", "nnUNetPlans")


@dataclass(frozen=True)
class Model:
    """A model to train: which data, planner, configuration and fold, and how it is cut down."""

    data: str
    configuration: str
    fold: str = "0"
    planner: tuple[str, str] = PLAIN
    epochs: int = 2
    iterations: int = 20
    patch: tuple[int, ...] = ()
    narrower: int = 1

    @property
    def plans(self) -> str:
        """Name of the plans: those of another patch or width are other plans."""
        return f"{self.planner[1]}_small" if self.patch or self.narrower > 1 else self.planner[1]


MODELS = {
    "hippocampus": Model("hippocampus", "3d_fullres", epochs=5, iterations=40),
    "hippocampus_fold1": Model("hippocampus", "3d_fullres", "1"),
    "hippocampus_2d": Model("hippocampus", "2d", epochs=2, iterations=20),
    "hippocampus_resenc": Model("hippocampus", "3d_fullres", planner=RESENC),
    "glioma": Model("glioma", "3d_fullres", patch=(48, 64, 64), narrower=2, epochs=2, iterations=15),
    "lesions": Model("lesions", "3d_fullres", "all", patch=(48, 64, 48), narrower=2),
    "head_neck": Model("head_neck", "3d_fullres", patch=(48, 64, 64), narrower=2, epochs=2, iterations=15),
    "sarcoma": Model("sarcoma", "3d_fullres", patch=(24, 96, 96), narrower=2, epochs=2, iterations=15),
}


def write_raw(name: str, data: Path, raw: Path) -> str:
    """A data set in nnU-Net's raw format; gives its name."""
    number, folder = {"hippocampus": 901, "glioma": 902, "lesions": 903, "head_neck": 904, "sarcoma": 905}[name], name
    target = raw / f"Dataset{number}_{folder}"
    if (target / "dataset.json").is_file():
        return target.name
    channels, labels, more, cases, tests = RAW[name](data)
    for part, listed in (("Tr", cases), ("Ts", tests)):
        (target / f"images{part}").mkdir(parents=True, exist_ok=True)
        (target / f"labels{part}").mkdir(parents=True, exist_ok=True)
        for case, images, label in listed:
            for channel, image in enumerate(images):
                shutil.copyfile(image, target / f"images{part}" / f"{case}_{channel:04d}.nii.gz")
            _write_label(name, label, target / f"labels{part}" / f"{case}.nii.gz")
        if part == "Ts" and name in ("glioma", "lesions"):
            for path in (*(target / "imagesTs").iterdir(), *(target / "labelsTs").iterdir()):
                _cut_out(path)
    written = {
        "channel_names": {str(i): channel for i, channel in enumerate(channels)},
        "labels": labels,
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
        **more,
    }
    (target / "dataset.json").write_text(json.dumps(written, indent=1))
    return target.name


def _write_label(name: str, label: Path, target: Path) -> None:
    import numpy as np
    import SimpleITK as sitk

    image = sitk.ReadImage(str(label))
    values = np.rint(sitk.GetArrayFromImage(image)).astype(np.uint8)
    if name == "glioma":  # oedema, the rest of the core, what takes up contrast
        values = np.array([0, 2, 1, 2, 3], dtype=np.uint8)[values]
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    sitk.WriteImage(made, str(target), True)


def _cut_out(path: Path) -> None:
    """Only the middle of a large head, so that a comparison takes minutes and not hours on one thread."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    size = [min(n, most) for n, most in zip(image.GetSize(), MIDDLE, strict=True)]
    start = [(n - kept) // 2 for n, kept in zip(image.GetSize(), size, strict=True)]
    sitk.WriteImage(sitk.RegionOfInterest(image, size, start), str(path), True)


def _decathlon(data: Path, training: int, tests: int):  # type: ignore[no-untyped-def]
    listed = json.loads((data / "dataset.json").read_text())
    parts = []
    for part, count in (("training", training), ("test", tests)):
        entries = [e for e in listed[part] if "label" in e][:count]
        rows = [(data / e["image"], data / e["label"]) for e in entries]
        names = [f"{i.parent.name}_{i.name}" if i.name == "t1.nii.gz" else i.name for i, _ in rows]
        parts.append([(n.split(".")[0], [i], m) for n, (i, m) in zip(names, rows, strict=True)])
    return parts


def _hippocampus(data: Path):  # type: ignore[no-untyped-def]
    cases, tests = _decathlon(data / "Task04_Hippocampus", 40, 10)
    return ["MRI"], {"background": 0, "Anterior": 1, "Posterior": 2}, {}, cases, tests


def _head_neck(data: Path):  # type: ignore[no-untyped-def]
    cases, tests = _decathlon(data / "HeadNeckCT", 10, 4)
    labels = {"background": 0, "brainstem": 1, "spinal cord": 2, "right parotid": 3, "left parotid": 4}
    return ["CT"], labels, {}, cases, tests


def _sarcoma(data: Path):  # type: ignore[no-untyped-def]
    cases, tests = _decathlon(data / "SoftTissueSarcoma", 10, 4)
    return ["T1"], {"background": 0, "tumour": 1}, {}, cases, tests


def _glioma(data: Path):  # type: ignore[no-untyped-def]
    folder = data / "BrainTumour"
    cases = [(p.name, [p / "flair.nii.gz", p / "t1c.nii.gz"], p / "label.nii.gz") for p in sorted(folder.iterdir())
             if p.is_dir()]  # fmt: skip
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
    return ["FLAIR", "T1c"], labels, {"regions_class_order": [1, 2, 3]}, cases, cases[:1]


def _lesions(data: Path):  # type: ignore[no-untyped-def]
    folder = data / "MultipleSclerosis"
    cases = [(p.name, [p / "flair.nii.gz", p / "t1.nii.gz"], p / "label.nii.gz") for p in sorted(folder.iterdir())
             if p.is_dir()]  # fmt: skip
    return ["FLAIR", "T1"], {"background": 0, "lesion": 1}, {}, cases, cases[:1]


RAW = {
    "hippocampus": _hippocampus, "head_neck": _head_neck, "sarcoma": _sarcoma, "glioma": _glioma, "lesions": _lesions,
}  # fmt: skip


def plan(model: Model, dataset: str, preprocessed: Path) -> None:
    """Fingerprint, plan (cut down where asked) and preprocessed cases, each once."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    number, folder = int(dataset[7:10]), preprocessed / dataset
    if not (folder / "dataset_fingerprint.json").is_file():
        extract_fingerprints([number], num_processes=1)
    if not (folder / f"{model.planner[1]}.json").is_file():
        plan_experiments([number], model.planner[0])
    file = folder / f"{model.plans}.json"
    plans = json.loads((folder / f"{model.planner[1]}.json").read_text())
    configuration = plans["configurations"][model.configuration]
    plans["plans_name"], configuration["batch_size"] = model.plans, 2 if model.configuration != "2d" else 12
    configuration["data_identifier"] = f"{model.plans}_{model.configuration}"
    if model.patch:
        configuration["patch_size"] = [min(n, p) for n, p in zip(configuration["patch_size"], model.patch, strict=True)]
        _cut(configuration, configuration["patch_size"])
    built = configuration["architecture"]["arch_kwargs"]
    built["features_per_stage"] = [n // model.narrower for n in built["features_per_stage"]]
    if file.name != f"{model.planner[1]}.json":
        merged = json.loads(file.read_text()) if file.is_file() else plans
        merged["configurations"][model.configuration] = configuration
        plans = merged
    file.write_text(json.dumps(plans, indent=1))
    if not (folder / configuration["data_identifier"]).is_dir():
        preprocess([number], model.plans, (model.configuration,), [1])


def _cut(configuration: dict, patch: list[int]) -> None:
    """Stages left out from the bottom until each axis of the patch is divisible and at least 4 voxels remain."""
    built = configuration["architecture"]["arch_kwargs"]
    while True:
        total = [1, 1, 1]
        for strides in built["strides"]:
            total = [a * b for a, b in zip(total, strides, strict=True)]
        if all(n % t == 0 and n // t >= 4 for n, t in zip(patch, total, strict=True)):
            return
        built["n_stages"] -= 1
        for key in ("features_per_stage", "strides", "kernel_sizes", "n_conv_per_stage", "n_blocks_per_stage"):
            if key in built:
                built[key] = built[key][:-1]
        built["n_conv_per_stage_decoder"] = built["n_conv_per_stage_decoder"][:-1]


def train(model: Model, dataset: str, results: Path) -> Path:
    """Train one fold and give the folder that `monai-unet import nnunet` takes."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    folder = results / dataset / f"nnUNetTrainer__{model.plans}__{model.configuration}"
    if (folder / f"fold_{model.fold}" / "checkpoint_final.pth").is_file():
        return folder
    torch.manual_seed(0)
    os.environ.update(nnUNet_n_proc_DA="0")  # augmented in this process; planning needs a positive number
    fold = model.fold if model.fold == "all" else int(model.fold)
    trainer = get_trainer_from_args(
        dataset, model.configuration, fold, "nnUNetTrainer", model.plans, device=torch.device("cpu")
    )
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = (
        model.epochs, model.iterations, 2,
    )  # fmt: skip
    trainer.run_training()
    return folder


def main() -> None:
    """Make the models named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MODELS, []])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    folders = {part: given.work / part for part in ("raw", "preprocessed", "results")}
    for part, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{part}"] = str(folder)
    for name in given.names or MODELS:
        os.environ.update(nnUNet_n_proc_DA="1")
        model = MODELS[name]
        dataset = write_raw(model.data, given.data, folders["raw"])
        plan(model, dataset, folders["preprocessed"])
        print(f"{name}: {train(model, dataset, folders['results'])}", flush=True)


if __name__ == "__main__":
    main()
