"""Clicks per source of objects, the network beside the classical answer: the second half of the editor's card.

    python benchmarks/editor_sources.py DATA --output OUT                    # test lists, from nothing
    python benchmarks/editor_sources.py DATA --output OUT --key validation --synthetic DIR   # what choices are made by
    python benchmarks/editor_sources.py DATA --output OUT --automatic        # begun with a bundle's own result

DATA holds the data sets side by side; DIR is what brain_tumor_mri's synthesise.yaml wrote (its validation list only).
Clicks as in benchmarks/editor.py. With `--automatic` an object begins with the mask of `brain_tumor_t1c` or
`sarcoma_mri`, where that has a Dice of at least 0.3. Writes `sources.json` and prints one row per source and method.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from editor import SHOWN, Tumour

from monai_unet.evaluation.clicks import read_case, run_case
from monai_unet.generators import drain
from monai_unet.geometry import Grid
from monai_unet.interaction import Answer, Answerer, Prompt
from monai_unet.interaction.answering import CLASSICAL, NetworkAnswerer, build_answerer
from monai_unet.io import write_text
from monai_unet.segmentation import Segmenter

LISTS = {
    "stacks": "BrainTumourT1c_Cheng/dataset.json",
    "rims": "BrainTumourProgression/dataset.json",
    "nodules": "LungNodules_LIDC/dataset.json",
    "sarcoma, T1": "SoftTissueSarcoma/dataset.json",
    "sarcoma, CT": "SoftTissueSarcoma/dataset_ct.json",
}
AUTOMATIC = {"stacks": "brain_tumor_t1c", "rims": "brain_tumor_t1c", "sarcoma, T1": "sarcoma_mri"}
FIRST, LEAST, LARGE = 10, 0.3, 3.0
"""So many synthetic cases; the Dice of an automatic result worth correcting; a first answer so many times the truth."""


class FirstVolume:
    """An answerer that remembers how many voxels its first answer had."""

    def __init__(self, answerer: Answerer) -> None:
        self.answerer, self.name, self.first = answerer, answerer.name, -1

    def start(self, image: np.ndarray, grid: Grid) -> None:
        """Begin an object."""
        self.first = -1
        self.answerer.start(image, grid)

    def answer(self, prompts: Sequence[Prompt], current: np.ndarray) -> Answer:
        """As the answerer has it."""
        answer = self.answerer.answer(prompts, current)
        if self.first < 0:
            self.first = int(answer.mask.sum())
        return answer


def objects(data: Path, source: str, key: str) -> Iterator[Tumour]:
    """Every object of a list."""
    path = data / LISTS[source]
    for entry in json.loads(path.read_text(encoding="utf-8"))[key]:
        label = Path(entry["label"])
        name = label.parent.name if "SoftTissueSarcoma" in LISTS[source] else label.name.removesuffix(".nii.gz")
        yield Tumour(source, name, path.parent / entry["image"], path.parent / label)


def synthetic(folder: Path) -> Iterator[Tumour]:
    """The first validation cases that hold a tumour: whole on FLAIR, what enhances on T1c."""
    entries = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["validation"][:FIRST]
    for group, image, values in (("synthetic, FLAIR", "FLAIR", (1, 2, 3)), ("synthetic, T1c", "T1c", (3,))):
        for entry in entries:
            tumour = Tumour(group, entry["name"], folder / entry[image], folder / entry["label"], values)
            if np.isin(read_case(tumour.image, tumour.reference).reference, values).any():
                yield tumour


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks."""
    return 2 * float((one & other).sum()) / max(1, int(one.sum()) + int(other.sum()))


def measured(tumour: Tumour, answerer: FirstVolume, clicks: int, initial: np.ndarray | None) -> dict[str, Any] | None:
    """The curve of one object; None where the result to begin with is not worth correcting."""
    case = read_case(tumour.image, tumour.reference)
    reference = case.object_mask(tumour.values)
    if initial is not None and dice(initial, reference) < LEAST:
        return None
    curve = drain(run_case(case.image, case.grid, reference, answerer, clicks=clicks, initial=initial))
    row = {"group": tumour.group, "name": tumour.name, "dice": curve.dice, "nsd": curve.nsd}
    first = answerer.first / int(reference.sum())
    return row | {"milliseconds": curve.milliseconds, "first_volume": first, "notes": curve.notes}


def table(records: list[dict[str, Any]], clicks: int) -> Iterator[str]:
    """Markdown: per source and method mean Dice, first answers too large, clicks that harmed; paired differences."""
    shown = [n for n in (0, *SHOWN) if n <= clicks]
    yield "| source | n | method | " + " | ".join(map(str, shown)) + " | first > 3 × | clicks that lost > 0.02 |"
    yield "| --- " * (len(shown) + 5) + "|"
    for group in dict.fromkeys(r["group"] for r in records):
        curves = {}
        for method in dict.fromkeys(r["method"] for r in records):
            chosen = [r for r in records if (r["group"], r["method"]) == (group, method)]
            curves[method] = np.array([r["dice"] for r in chosen])
            cells = " | ".join(f"{curves[method][:, n].mean():.3f}" for n in shown)
            large = sum(r["first_volume"] > LARGE for r in chosen)
            steps = np.diff(curves[method])[:, 1:] if not curves[method][:, 0].any() else np.diff(curves[method])
            harmed = f"{(steps < -0.02).sum()} of {steps.size}"
            yield f"| {group} | {len(chosen)} | {method} | {cells} | {large} | {harmed} |"
        if len(curves) == 2:
            one, two = curves.values()
            off = one - two
            random = np.random.default_rng(0)
            means = off[random.integers(len(off), size=(2000, len(off)))].mean(1)
            low, high = np.percentile(means, [2.5, 97.5], axis=0)
            cells = " | ".join(f"{off[:, n].mean():+.3f} [{low[n]:+.3f}, {high[n]:+.3f}]" for n in shown)
            yield f"| {group} | {len(off)} | difference | {cells} | | |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--key", default="test")
    parser.add_argument("--sources", nargs="+", choices=[*LISTS, "synthetic"])
    parser.add_argument("--synthetic", type=Path, help="folder of synthetic cases, for the validation list")
    parser.add_argument("--methods", nargs="+", default=["lesion_editor", "classical"])
    parser.add_argument("--clicks", type=int, default=10)
    parser.add_argument("--automatic", action="store_true")
    parser.add_argument("--checkpoint", help="other weights of the network")
    parser.add_argument("--on-slices", action="store_true", help="lay windows on thick slices, for weights trained so")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    chosen: list[Tumour] = []
    for source in arguments.sources or [*(AUTOMATIC if arguments.automatic else LISTS)]:
        if source != "synthetic":
            chosen += objects(arguments.data, source, arguments.key)
    if arguments.synthetic and not arguments.automatic and arguments.key != "test":
        chosen += synthetic(arguments.synthetic)
    bundles = {name: Segmenter.load(name, device="cpu") for name in set(AUTOMATIC.values()) if arguments.automatic}
    starts = {t.image: bundles[AUTOMATIC[t.group]].segment(t.image).labels.numpy()[0] > 0 for t in chosen if bundles}
    records: list[dict[str, Any]] = []
    for method in arguments.methods:
        other = arguments.checkpoint and method != CLASSICAL
        answerer = NetworkAnswerer(method, checkpoint=arguments.checkpoint) if other else build_answerer(method)
        if arguments.on_slices and isinstance(answerer, NetworkAnswerer):
            answerer.zoom = replace(answerer.zoom, on_slices=True)
        for tumour in chosen:
            found = measured(tumour, FirstVolume(answerer), arguments.clicks, starts.get(tumour.image))
            if found is not None:
                records.append({"method": method, **found})
                print(method, tumour.group, tumour.name, np.round(found["dice"], 2), file=sys.stderr)
                write_text(arguments.output / "sources.json", json.dumps(records, indent=1) + "\n")
    text = "\n".join(table(records, arguments.clicks))
    write_text(arguments.output / "table.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
