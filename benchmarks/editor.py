"""The table of the editor's model card: simulated clicks on real tumours that took no part in training.

    python benchmarks/editor.py DATA --output OUT                          # the test tumours, network and classical

DATA holds SoftTissueSarcoma, BrainTumour and CT (see docs/testing.md). Writes `METHOD.json` (every object: Dice, NSD,
Dice away from the clicks, milliseconds), `METHOD.png` (the worst object of each group) and `table.md`. The clicks are
those of `monai-unet interact`: deepest voxel of the largest error, published seed, nothing given away.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from memory import Peak

from monai_unet.evaluation.clicks import ClickCase, Curve, read_case, run_case
from monai_unet.generators import drain
from monai_unet.interaction.answering import CLASSICAL, NetworkAnswerer, build_answerer
from monai_unet.io import write_text

SHOWN = (1, 3, 5, 10)
WORSE = 0.02
GROUPS = {
    "sarcoma, T1": "SoftTissueSarcoma/dataset.json",
    "sarcoma, CT": "SoftTissueSarcoma/dataset_ct.json",
    "glioma, whole tumour, FLAIR": "BrainTumour/dataset.json",
    "glioma, enhancing tumour, T1c": "BrainTumour/dataset.json",
    "lung tumour, CT": "",
}
LUNG = ("CT/lung1_image.nrrd", "CT/lung1_label.nrrd")


@dataclass(frozen=True)
class Tumour:
    """One object to click at: its group, its name, its files, and the label values that make it up (None: all)."""

    group: str
    name: str
    image: Path
    reference: Path
    values: tuple[int, ...] | None = None


def tumours(data: Path, key: str) -> Iterator[Tumour]:
    """All objects of one list; the lung tumour and the gliomas belong to the list `test`."""
    for group, dataset in GROUPS.items():
        if not dataset:
            if key == "test":
                yield Tumour(group, "lung1", data / LUNG[0], data / LUNG[1])
            continue
        folder = (data / dataset).parent
        for entry in json.loads((data / dataset).read_text(encoding="utf-8")).get(key, []):
            image = entry.get("image") or entry["flair" if "FLAIR" in group else "t1c"]
            values = (4,) if "enhancing" in group else None
            name = Path(entry["label"]).parent.name
            yield Tumour(group, name, folder / image, folder / entry["label"], values)


def measure(tumour: Tumour, case: ClickCase, answerer: Any, clicks: int) -> Curve:
    """The curve of one object."""
    return drain(run_case(case.image, case.grid, case.object_mask(tumour.values), answerer, clicks=clicks))


def rows(records: list[dict[str, Any]], groups: list[str]) -> Iterator[str]:
    """Markdown: a line per group, then all."""
    yield (
        "| object | cases | "
        + " | ".join(f"{n} click{'s' * (n > 1)}" for n in SHOWN)
        + " | 10, away from clicks | NSD 1 mm at 10 |"
    )
    yield "| --- " * (len(SHOWN) + 4) + "|"
    for group in [*groups, "mean over all"]:
        chosen = [r for r in records if group in (r["group"], "mean over all")]
        if not chosen:
            continue
        cells = [f"{np.mean([r['dice'][n] for r in chosen]):.2f}" for n in SHOWN]
        cells += [f"{np.nanmean([r[k][SHOWN[-1]] for r in chosen]):.2f}" for k in ("dice_outside", "nsd")]
        yield f"| {group} | {len(chosen)} | " + " | ".join(cells) + " |"


def summary(records: list[dict[str, Any]]) -> str:
    """How often a click harmed, and the time of the first and of later clicks."""
    steps = np.concatenate([np.diff(r["dice"])[1:] for r in records])
    first = [r["milliseconds"][1] for r in records]
    later = [m for r in records for m in r["milliseconds"][2:] if m]
    memory = max(r["memory_mib"] for r in records)
    times = [f"median {statistics.median(t):.0f} ms, longest {max(t):.0f} ms" for t in (first, later)]
    return (
        f"{(steps < -WORSE).sum()} of {len(steps)} later clicks lost more than {WORSE} Dice; mean change "
        f"{steps.mean():+.3f}. First answer: {times[0]}; later clicks: {times[1]}. Peak memory "
        f"of program and session beyond the image: {memory:.0f} MiB."
    )


def picture(records: list[dict[str, Any]], masks: dict[str, Any], path: Path) -> None:
    """The worst object of each group after the last click: the middle slice, reference yellow, answer magenta."""
    from matplotlib.figure import Figure

    worst = {r["group"]: r for r in sorted(records, key=lambda r: -r["dice"][-1])}.values()
    figure = Figure(figsize=(4 * len(worst), 4.4), layout="constrained")
    for axes, record in zip(np.atleast_1d(figure.subplots(1, len(worst))), worst, strict=True):
        case, reference, mask = masks[record["name"] + record["group"]]
        slice_ = int(reference.sum((1, 2)).argmax())
        spacing = case.grid.spacing
        plane = np.asarray(case.image[slice_], dtype=float)
        axes.imshow(plane, cmap="gray", vmin=np.percentile(plane, 1), vmax=np.percentile(plane, 99.5), origin="lower")
        axes.contour(reference[slice_], [0.5], colors="yellow", linewidths=1)
        if mask[slice_].any():
            axes.contour(mask[slice_], [0.5], colors="magenta", linewidths=1)
        axes.set_aspect(spacing[1] / spacing[2])
        axes.invert_xaxis()
        axes.set_title(f"{record['group']}\n{record['name']}: Dice {record['dice'][-1]:.2f}", fontsize=9)
        axes.set_axis_off()
    figure.savefig(path, dpi=90, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--key", default="test")
    parser.add_argument("--methods", nargs="+", default=["lesion_editor", "classical"])
    parser.add_argument("--clicks", type=int, default=10)
    parser.add_argument("--checkpoint", help="other weights of the network")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    text: list[str] = []
    for method in arguments.methods:
        started = time.perf_counter()
        other = arguments.checkpoint and method != CLASSICAL
        answerer = NetworkAnswerer(method, checkpoint=arguments.checkpoint) if other else build_answerer(method)
        ready = time.perf_counter() - started
        program = psutil.Process().memory_info().rss
        records, masks = [], {}
        for tumour in tumours(arguments.data, arguments.key):
            case = read_case(tumour.image, tumour.reference)
            held = psutil.Process().memory_info().rss  # by the images so far, which stay for the picture
            with Peak() as peak:
                curve = measure(tumour, case, answerer, arguments.clicks)
            record = {"method": method, "group": tumour.group, "name": tumour.name, "dice": curve.dice}
            record |= {"nsd": curve.nsd, "dice_outside": curve.dice_outside, "milliseconds": curve.milliseconds}
            record["memory_mib"] = (program + peak.rss - held) / 2**20
            records.append(record)
            masks[tumour.name + tumour.group] = (case, case.object_mask(tumour.values), curve.mask)
            print(method, tumour.group, tumour.name, np.round(curve.dice, 2), file=sys.stderr)
        write_text(arguments.output / f"{method}.json", json.dumps(records, indent=1) + "\n")
        picture(records, masks, arguments.output / f"{method}.png")
        text += [f"{method}: ready in {ready:.1f} s", "", *rows(records, list(GROUPS)), "", summary(records), ""]
    write_text(arguments.output / "table.md", "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
