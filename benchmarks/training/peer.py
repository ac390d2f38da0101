"""nnU-Net's side of `benchmarks/training`: run by the interpreter of an environment with nnunetv2, not by ours.

Plans and preprocesses data set 1, trains 3d_fullres on all of its training cases until the steps have taken the budget
in CPU seconds of this process, predicts imagesTs without mirroring. The caller sets nnU-Net's environment variables.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class BudgetTrainer(nnUNetTrainer):
    """Steps until the budget is spent; no validation between, which nobody is charged for."""

    budget_s = 240.0
    to_the_end = False

    def run_training(self) -> None:
        self.on_train_start()
        self.network.train()
        spent, steps, start = 0.0, 0, time.process_time()
        while spent < self.budget_s:
            share = spent / self.budget_s
            # the default schedule falls over 1,000 epochs of 250 steps
            factor = 1 - share if self.to_the_end else 1 - steps / (250 * 1000)
            for group in self.optimizer.param_groups:
                group["lr"] = self.initial_lr * factor**0.9
            loss = self.train_step(next(self.dataloader_train))
            steps += 1
            spent = time.process_time() - start
            if steps % 20 == 0:
                print(f"step {steps}, {spent:.0f} s, loss {float(loss['loss']):.3f}", flush=True)
        self.steps, self.spent = steps, spent
        self.current_epoch = 1
        self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_final.pth"))

    def on_train_start(self) -> None:
        if not self.was_initialized:
            self.initialize()
        self.dataloader_train, self.dataloader_val = self.get_dataloaders()
        Path(self.output_folder).mkdir(parents=True, exist_ok=True)
        self.set_deep_supervision_enabled(self.enable_deep_supervision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--small", type=float, default=0.0, help="GB of GPU memory to plan for; 0: the default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    preprocessed = Path(str(nnUNet_preprocessed)) / "Dataset001_Compared"
    name = "nnUNetPlans" if not options.small else "nnUNetPlansSmall"
    if not (preprocessed / "dataset_fingerprint.json").is_file():
        extract_fingerprints([1], num_processes=1, check_dataset_integrity=False)
    if not (preprocessed / f"{name}.json").is_file():
        plan_experiments([1], gpu_memory_target_in_gb=options.small or None, overwrite_plans_name=name)
    done = preprocessed / f"{name}.preprocessed"
    if not done.is_file():
        preprocess([1], plans_identifier=name, configurations=["3d_fullres"], num_processes=[1])
        done.touch()
    plans = json.loads((preprocessed / f"{name}.json").read_text())
    content = json.loads((preprocessed / "dataset.json").read_text())
    BudgetTrainer.budget_s, BudgetTrainer.to_the_end = options.budget, bool(options.small)
    trainer = BudgetTrainer(plans, "3d_fullres", "all", content, device=torch.device("cpu"))
    trainer.initialize()
    trainer.run_training()
    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager, None, content, "BudgetTrainer", None
    )
    predictor.list_of_parameters = [trainer.network.state_dict()]
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    images = sorted((Path(str(nnUNet_raw)) / "Dataset001_Compared" / "imagesTs").glob("*_0000.nii.gz"))
    names = [path.name.removesuffix("_0000.nii.gz") for path in images]
    lists = [
        sorted(str(p) for p in path.parent.glob(f"{name}_*.nii.gz")) for path, name in zip(images, names, strict=True)
    ]
    (options.output / "predicted").mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(lists, [str(options.output / "predicted" / name) for name in names])
    for path in (options.output / "predicted").glob("*.json"):
        path.unlink()
    took = {"steps": trainer.steps, "cpu_s": round(trainer.spent, 1)}
    took["patch"] = trainer.configuration_manager.patch_size
    took["batch"] = trainer.configuration_manager.batch_size
    (options.output / "took.json").write_text(json.dumps(took))


if __name__ == "__main__":
    main()
