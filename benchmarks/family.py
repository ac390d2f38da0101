"""Train every network of the family under one budget on the hippocampus, and write docs/family.md.

    python benchmarks/family.py --dataset_dir DIR                # all runs that the results do not hold yet
    python benchmarks/family.py --dataset_dir DIR --networks unet transunet --seeds 0 1 2
    python benchmarks/family.py --dataset_dir DIR --report       # no training: test scores and page of what there is
    python benchmarks/family.py --costs                          # parameters, GFLOPs, time and memory, no training
    python benchmarks/family.py --smoke                          # everything in small, on synthetic shapes

The budget is time, CPU seconds (seconds on a GPU), not epochs. Each training is the bundle's own train.yaml with a few
keys replaced; an interrupted one goes on where it stopped. Scores on `validation` are for choices; `test` is read once
for each run, when every planned one has been validated (with `--report`: every one that is there). Results gather in
runs/family/results.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from monai_unet.evaluation import score_case, summarise
from monai_unet.io import read_dataset, write_text
from monai_unet.networks import NETWORKS, DiffusionUNet, build_unet, receptive_field

ROOT = Path(__file__).resolve().parent.parent
TRAIN_YAML = ROOT / "bundles" / "hippocampus_mri" / "configs" / "train.yaml"
PAGE, FIGURES = ROOT / "docs" / "family.md", ROOT / "docs" / "family"
PATCH = (40, 56, 40)
TOLERANCE_MM = 1.0
ABLATED = "residual_unet"


@dataclass(frozen=True)
class Run:
    """One training: what is varied."""

    network: str
    seed: int = 0
    skip: str = ""
    loss: str = "dice_ce"

    @property
    def key(self) -> str:
        """Name of the run and of its folder."""
        return "-".join(
            part for part in (self.network, self.skip and f"skip_{self.skip}", self.loss, str(self.seed)) if part
        )

    def overlay(self, budget_s: float) -> dict[str, Any]:
        """Keys of train.yaml that this run replaces."""
        keys: dict[str, Any] = {
            "network": self.network,
            "epochs": 1_000_000,
            "train#loss#name": self.loss,
            "budget": {
                "_target_": "monai_unet.training.budget.TimeBudget",
                "seconds": budget_s,
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
            "train#trainer#prepare_batch": {
                "_target_": "monai_unet.training.batch.training_batch",
                "network": "@network_def",
            },
        }
        return keys | ({"network_def#skip": self.skip} if self.skip else {})


def planned(networks: list[str], seeds: list[int]) -> list[Run]:
    """Every network with every seed, and the two ablations on one network with the first seed."""
    runs = [Run(network, seed) for seed in seeds for network in networks]
    if ABLATED in networks:
        runs += [Run(ABLATED, seeds[0], skip=skip) for skip in ("add", "none")]
        runs += [Run(ABLATED, seeds[0], loss=loss) for loss in ("cross_entropy", "dice")]
    return runs


def train(run: Run, folder: Path, arguments: argparse.Namespace) -> None:
    """Run train.yaml with the overlay, in a process of its own; goes on from `last.pt` if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    overlay = folder / "overlay.json"
    write_text(overlay, json.dumps(run.overlay(arguments.budget), indent=2) + "\n")
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", f"['{TRAIN_YAML}','{overlay}']"]
    command += ["--output_dir", str(folder), "--dataset_dir", str(arguments.dataset_dir), "--seed", str(run.seed)]
    command += ["--resume", "auto", "--val_interval", str(arguments.val_interval)]
    subprocess.run(command, check=True, cwd=ROOT)


def score(run: Run, folder: Path, split: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Score the best weights of a run on one list, through the bundle's own preprocessing, inferer, postprocessing."""
    parser = ConfigParser(ConfigParser.load_config_files([str(TRAIN_YAML), str(folder / "overlay.json")]))
    parser["dataset_dir"], parser["output_dir"] = str(arguments.dataset_dir), str(folder)
    parser["validate#dataset#data"] = f"$dataset_cases(@dataset_dir, {split!r})"
    device = parser.get_parsed_content("device")
    network = parser.get_parsed_content("network_def").to(device).eval()
    network.load_state_dict(torch.load(folder / "best.pt", map_location=device, weights_only=True))
    inferer, postprocess = parser.get_parsed_content("inferer"), parser.get_parsed_content("postprocessing")
    names = {int(k): v for k, v in read_dataset(arguments.dataset_dir)["labels"].items() if int(k) > 0}
    rows, seconds = [], []
    for index, case in enumerate(parser.get_parsed_content("validate#dataset")):
        start = clock()
        with torch.inference_mode():
            case["pred"] = inferer(case["image"][None].to(device), network)[0]
        seconds.append(clock() - start)
        label = case["label"]
        found = np.asarray(postprocess(case)["pred"][0].cpu()).astype(np.int16)
        spacing = [float(s) for s in label.pixdim]
        reference = np.asarray(label[0].cpu()).astype(np.int16)
        rows += score_case(
            found, reference, spacing=spacing, labels=names, tolerance_mm=TOLERANCE_MM, case=f"{split}-{index}"
        )
    means = summarise(rows).mean_over_classes
    return {
        "cases": len(seconds),
        "dice": asdict(means["dice"]),
        "nsd": asdict(means[f"nsd_{TOLERANCE_MM:g}mm"]),
        "seconds_per_case": float(np.median(seconds)),
    }


def clock() -> float:
    """CPU seconds of this process, or seconds of the wall clock on a GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.monotonic()
    return time.process_time()


def curve(folder: Path) -> list[list[float]]:
    """[seconds of training, validation Dice] of each validated epoch."""
    spent = {row[0]: float(row[2]) for row in (line.split(",") for line in (folder / "budget.csv").read_text().split())}
    points = []
    for line in (folder / "history.csv").read_text().splitlines()[1:]:
        epoch, *_, validation = line.split(",")
        if validation and epoch in spent:
            points.append([spent[epoch], float(validation)])
    return points


def costs(name: str) -> dict[str, Any]:
    """Parameters, GFLOPs of one pass over one patch, passes, receptive field: counted, not timed."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("cpu" if name == "swin_unetr" else "meta"):  # its attention mask reads values
        network, passes = build_unet(name, out_channels=3).eval(), 1
        patch = torch.randn(1, 1, *PATCH)
    if isinstance(network, DiffusionUNet):
        passes, network.samples, network.steps = network.samples * network.steps, 1, 1
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(patch)
    field = receptive_field(build_unet(name, spatial_dims=2))  # the same along each axis, and sooner measured
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "gflops": counter.get_total_flops() / 1e9,
        "passes": passes,
        "receptive_field": field[0] if field else None,
    }


def speed(name: str) -> dict[str, Any]:
    """CPU or GPU seconds of one pass over one patch: median of 3, in batches of 2."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = build_unet(name, out_channels=3).eval().to(device)
    if isinstance(network, DiffusionUNet):
        network.samples = network.steps = 1
    pair, seconds = torch.randn(2, 1, *PATCH, device=device), []
    for _ in range(4):
        start = clock()
        with torch.inference_mode():
            network(pair)
        seconds.append((clock() - start) / 2)
    return {"seconds": float(np.median(seconds[1:])), "device": device_name()}


def device_name() -> str:
    """What the times belong to."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"


class Results:
    """The results file: `runs` by key and `costs` by network; written whole after every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"runs": {}, "costs": {}}
        if path.is_file():
            self.content |= json.loads(path.read_text(encoding="utf-8"))

    def save(self) -> None:
        """Write the file."""
        write_text(self.path, json.dumps(self.content, indent=2) + "\n")


def refuse_other_budgets(runs: list[Run], results: Results, budget_s: float) -> None:
    """End with a sentence where the file holds one of the runs with another budget: its row would pass for this one."""
    for run in runs:
        held = results.content["runs"].get(run.key)
        if held is not None and held["budget_s"] != budget_s:
            sys.exit(
                f"{results.path} holds {run.key} with {held['budget_s']:g} s, not {budget_s:g}; give --budget "
                f"{held['budget_s']:g} to go on with it, or another --output (--merge shows both on one page)."
            )


def main() -> None:
    """Run what the arguments ask for and what the results do not hold yet."""
    arguments = parse()
    results = Results(arguments.output / "results.json")
    runs = planned(arguments.networks, arguments.seeds)
    if not (arguments.costs or arguments.report):
        refuse_other_budgets(runs, results, arguments.budget)
    if arguments.smoke:
        from family_smoke import write_dataset

        arguments.dataset_dir = write_dataset(arguments.output / "data")
    for measured in () if arguments.smoke else (costs, speed):
        for name in arguments.networks:
            known = results.content["costs"].setdefault(name, {})
            if ("parameters" if measured is costs else "seconds") not in known:
                known.update(measured(name))
                results.save()
    if not arguments.costs:
        if arguments.report:
            runs = [run for run in runs if run.key in results.content["runs"]]
        for run in runs:
            if run.key in results.content["runs"]:
                continue
            folder = arguments.output / run.key
            train(run, folder, arguments)
            results.content["runs"][run.key] = {
                **asdict(run),
                "budget_s": arguments.budget,
                "device": device_name(),
                "curve": curve(folder),
                "validation": score(run, folder, "validation", arguments),
                "test": None,
            }
            results.save()
        for run in runs:
            row = results.content["runs"][run.key]
            if row["test"] is None:
                row["test"] = score(run, arguments.output / run.key, "test", arguments)
                results.save()
    from family_page import merged, write_page

    content = merged(results.content, [json.loads(other.read_text(encoding="utf-8")) for other in arguments.merge])
    write_page(content, page=arguments.page, figures=arguments.page.parent / "family")


def parse() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", type=Path, help="hippocampus in Decathlon layout")
    parser.add_argument("--output", type=Path, default=Path("runs/family"), help="results and weights")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--budget", type=float, default=1500.0, help="seconds of training per run (default 1500)")
    parser.add_argument("--val_interval", type=int, default=2)
    parser.add_argument("--costs", action="store_true", help="measure the costs only")
    parser.add_argument("--report", action="store_true", help="train nothing; score and show the runs there are")
    parser.add_argument("--merge", nargs="+", type=Path, default=[], help="other results files shown on the same page")
    parser.add_argument("--smoke", action="store_true", help="two seconds of training on synthetic shapes")
    parser.add_argument("--page", type=Path, help="page whose tables are filled (default docs/family.md)")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.budget, arguments.seeds = 2.0, arguments.seeds[:1]
        arguments.page = arguments.page or arguments.output / "family.md"
    elif not arguments.costs and arguments.dataset_dir is None:
        parser.error("--dataset_dir is needed to train")
    arguments.page = arguments.page or PAGE
    return arguments


if __name__ == "__main__":
    main()
