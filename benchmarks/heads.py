"""The table of `brain_tumor_t1c`'s card: stacks, whole heads, heads without a tumour, unsuitable input.

    python benchmarks/heads.py --data DIR                     # test lists; reads each once
    python benchmarks/heads.py --data DIR --part validation   # what choices are made by
    python benchmarks/heads.py --data DIR --part choices      # thresholds, smallest objects, mirrored copies

DIR holds BrainTumourT1c_Cheng, BrainTumourProgression, HeadsWithSkull_MS, MultipleSclerosis, BrainTumour,
Task04_Hippocampus, SoftTissueSarcoma, CT and dicom side by side. Dice is measured on the grid of each file. Everything
comes from the same weights and configs.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Invertd

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.io import dataset_cases, read_volume
from monai_unet.samples import patient
from monai_unet.segmentation import Segmenter
from monai_unet.transforms import CORE, ENHANCING, convert_labels, fill_rims, foreground, without_specks

STACKS, HEADS, EMPTY = "BrainTumourT1c_Cheng", "BrainTumourProgression", "HeadsWithSkull_MS"
BRAINS = "BrainTumour"
DICOM, DICOM_MASK = "dicom/brain_tumour_mr/12-T1post-05670", f"{HEADS}/PGBM-002_2_mask_on_dicom_grid.nii.gz"
EMPTY_OF = {"validation": ("oms12_2", "oms12_1"), "test": ("oms19_2", "oms20_2")}
UNSUITABLE = {
    "T1 without contrast agent, head": f"{EMPTY}/oms*_T1.nii.gz",
    "T1 without contrast agent, brain": "MultipleSclerosis/patient*/t1.nii.gz",
    "FLAIR, brain": "MultipleSclerosis/patient*/flair.nii.gz",
    "T2, brain": "MultipleSclerosis/patient*/t2.nii.gz",
    "hippocampus crops": "Task04_Hippocampus/imagesTr/hippocampus_00*.nii.gz",
    "limbs (T1)": "SoftTissueSarcoma/*/t1.nii.gz",
    "CT": "CT/*image.nrrd",
}


def dice(found: np.ndarray, reference: np.ndarray) -> float:
    """Dice of two masks; 1 where both are empty."""
    total = int(found.sum()) + int(reference.sum())
    return 2 * float((found & reference).sum()) / total if total else 1.0


def millilitres(mask: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Volume of a mask."""
    return float(mask.sum() * np.prod(spacing) / 1000)


def slices_first(mask: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, tuple[float, ...]]:
    """A mask and its spacing with the thickest axis in front."""
    axis = int(np.argmax(spacing))
    order = [axis, *(a for a in range(3) if a != axis)]
    return mask.transpose(order), tuple(spacing[a] for a in order)


def solid(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """The mask with its rims filled, slice by slice, in the order in which it came."""
    axis = int(np.argmax(spacing))
    order = [axis, *(a for a in range(3) if a != axis)]
    turned, mm = slices_first(mask, spacing)
    return fill_rims(turned, spacing=mm).transpose(np.argsort(order))


def outside_tumour_slices(found: np.ndarray, reference: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Millilitres that were found in the slices without any tumour."""
    turned, mm = slices_first(found, spacing)
    free = ~slices_first(reference, spacing)[0].any(axis=(1, 2))
    return millilitres(turned[free], mm)


def read_mask(path: str | Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """A label file as a mask (S, A, R) and its spacing."""
    label = read_volume(path)
    return label.numpy()[0] > 0, grid_of(label).spacing


def stacks_table(segmenter: Segmenter, data: Path, key: str) -> None:
    """Mean Dice over the stacks of a list; by class, plane and patient."""
    with (data / STACKS / "stacks.csv").open(encoding="utf-8") as file:
        about: Mapping[str, dict[str, str]] = {row["name"]: row for row in csv.DictReader(file)}
    scores, groups = [], defaultdict(list)
    for case in dataset_cases(data / STACKS, key):
        name = Path(case["image"]).name.removesuffix(".nii.gz")
        reference, _ = read_mask(case["label"])
        value = dice(segmenter.segment(case["image"]).labels.numpy()[0] > 0, reference)
        scores.append((value, name))
        for column in ("class", "orientation", "patient"):
            if about[name][column]:
                groups[column, about[name][column]].append(value)
    values = [value for value, _ in scores]
    print(f"\n{len(values)} {key} stacks: mean Dice {np.mean(values):.3f}, median {np.median(values):.3f}, "
          f"{sum(value < 0.1 for value in values)} below 0.1")  # fmt: skip
    for column in ("class", "orientation"):
        rows = sorted((name, found) for (kind, name), found in groups.items() if kind == column)
        print("  " + ", ".join(f"{name} {np.mean(found):.3f} (n = {len(found)})" for name, found in rows))
    patients = [np.mean(found) for (kind, _), found in groups.items() if kind == "patient"]
    if patients:
        low, high = bootstrap(patients)
        print(f"  by patient (n = {len(patients)}): {np.mean(patients):.3f} [{low:.3f}, {high:.3f}]")
    print("  lowest: " + ", ".join(f"{name} {value:.2f}" for value, name in sorted(scores)[:6]))


def bootstrap(values: list[float], *, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean."""
    random = np.random.default_rng(0)
    means = random.choice(values, (draws, len(values))).mean(axis=1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def heads_table(segmenter: Segmenter, data: Path, key: str) -> None:
    """Dice of each whole head against the label as it is and with its rims filled, and what lies in other slices."""
    print(f"\nwhole heads ({key}): Dice against the enhancing rim | the solid tumour; found, solid tumour in ml; "
          "ml in slices without a tumour")  # fmt: skip
    cases = [
        (Path(c["image"]).name.removesuffix(".nii.gz"), c["image"], c["label"])
        for c in dataset_cases(data / HEADS, key)
    ]
    rows = [head_row(segmenter, name, image, label) for name, image, label in cases]
    print(f"  mean of {len(rows)}: {np.mean([row[0] for row in rows]):.3f} | {np.mean([row[1] for row in rows]):.3f}; "
          f"in slices without a tumour {np.mean([row[2] for row in rows]):.2f} ml")  # fmt: skip
    if key == "test":
        head_row(segmenter, DICOM, data / DICOM, data / DICOM_MASK)


def head_row(segmenter: Segmenter, name: str, image: str | Path, label: str | Path) -> tuple[float, float, float]:
    """Dice against the label, against the filled one, and ml in slices without a tumour; printed."""
    reference, spacing = read_mask(label)
    found = segmenter.segment(image).labels.numpy()[0] > 0
    filled = solid(reference, spacing)
    row = dice(found, reference), dice(found, filled), outside_tumour_slices(found, reference, spacing)
    print(f"  {name}: {row[0]:.3f} | {row[1]:.3f}; {millilitres(found, spacing):.1f}, "
          f"{millilitres(filled, spacing):.1f} ml; {row[2]:.2f} ml")  # fmt: skip
    return row


def empty_table(segmenter: Segmenter, data: Path, key: str) -> None:
    """What is found in heads without a tumour."""
    for path in sorted((data / EMPTY).glob("*.nii.gz")):
        if path.name.startswith(EMPTY_OF[key]):
            result = segmenter.segment(path)
            found = millilitres(result.labels.numpy()[0] > 0, grid_of(result.labels).spacing)
            print(f"  {path.name}, no tumour, no contrast agent: {found:.2f} ml found")


def brains_table(segmenter: Segmenter, data: Path) -> None:
    """Gliomas in skull-stripped contrast-enhanced T1 of 1 mm, against the tumour core (no oedema)."""
    folder = data / BRAINS
    values = []
    print("\nskull-stripped brains of 1 mm, T1c alone: Dice with the tumour core; found, core in ml")
    for case in json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["test"]:
        label = read_volume(folder / case["label"])
        labels = convert_labels(label.numpy()[0].astype(np.uint8), case["label_convention"])
        core, spacing = (labels == CORE) | (labels == ENHANCING), grid_of(label).spacing
        found = segmenter.segment(folder / case["t1c"]).labels.numpy()[0] > 0
        values.append(dice(found, core))
        name = Path(case["t1c"]).parent.name
        print(f"  {name}: {values[-1]:.3f}; {millilitres(found, spacing):.1f}, {millilitres(core, spacing):.1f} ml")
    print(f"  mean of {len(values)}: {np.mean(values):.3f}")


def demo_table(segmenter: Segmenter) -> None:
    """The head of `make demo`, from the sources of pyradiomics."""
    try:
        paths = patient()
    except InputError as error:
        print(f"\ndemo head: not measured ({error})")
        return
    print("\ndemo head")
    head_row(segmenter, "brain1", paths["image"], paths["mask"])


def unsuitable_table(segmenter: Segmenter, data: Path, *, most: int = 8) -> None:
    """What is said about input that is not contrast-enhanced T1 of a head, and what is found in it."""
    print("\nunsuitable input: files, of these with a warning or a refusal; ml found on average; ml on air")
    for what, pattern in UNSUITABLE.items():
        told, found, air, sentences = 0, [], 0.0, set()
        paths = sorted(data.glob(pattern))[:most]
        for path in paths:
            try:
                result = segmenter.segment(path)
            except InputError as error:
                told += 1
                sentences.add(str(error))
                continue
            image = read_volume(path)
            mask, spacing = result.labels.numpy()[0] > 0, grid_of(image).spacing
            notes = [note for note in result.provenance["notes"] if note]
            told += bool(notes)
            sentences |= set(notes)
            found.append(millilitres(mask, spacing))
            air += millilitres(mask & ~foreground(image.numpy()[0]), spacing)
        shown = min(sentences, key=len) if sentences else "nothing said"
        print(
            f"  {what}: {len(paths)}, {told}; {np.mean(found) if found else 0:.2f} ml; {air:.2f} ml\n    {shown[:200]}"
        )


def probabilities(segmenter: Segmenter, image: str | Path) -> dict[str, np.ndarray]:
    """Probability (S, A, R) of the tumour on the grid of a file, alone and averaged with that of the mirrored image."""
    parts = segmenter.parts
    case = segmenter.preprocess(segmenter.read(image))
    seen: MetaTensor = case.data[parts.image_key]
    back = next(t for t in parts.postprocess.transforms if isinstance(t, Invertd))
    with torch.no_grad():
        alone, mirrored = (
            parts.network(x)[0].sigmoid() for x in (seen.as_tensor()[None], seen.as_tensor()[None].flip(-1))
        )
    found = {}
    for name, values in (("alone", alone), ("mirrored", (alone + mirrored.flip(-1)) / 2)):
        pred = MetaTensor(values, meta=seen.meta, applied_operations=seen.applied_operations)
        found[name] = back({**case.data, "pred": pred})["pred"].numpy()[0]
    return found


def validation_cases(data: Path) -> Iterator[tuple[str, str, np.ndarray, tuple[float, ...]]]:
    """(kind, image, mask, spacing) of everything that a choice may look at."""
    for case in dataset_cases(data / STACKS, "validation"):
        yield "stack", case["image"], *read_mask(case["label"])
    for case in dataset_cases(data / HEADS, "validation"):
        mask, spacing = read_mask(case["label"])
        yield "head", case["image"], solid(mask, spacing), spacing
    for path in sorted((data / EMPTY).glob("*.nii.gz")):
        if path.name.startswith(EMPTY_OF["validation"]):
            image = read_volume(path)
            yield "empty", str(path), np.zeros(image.shape[1:], dtype=bool), grid_of(image).spacing


def choices_table(segmenter: Segmenter, data: Path) -> None:
    """Thresholds, smallest objects and mirrored copies on the validation lists."""
    cases = [(k, probabilities(segmenter, image), m, mm) for k, image, m, mm in validation_cases(data)]
    for copies in ("alone", "mirrored"):
        print(f"\n{copies}: threshold, smallest ml: Dice of stacks | heads; ml in tumour-free slices, in an empty head")
        for threshold in (0.4, 0.5, 0.6, 0.7, 0.8):
            for smallest_ml in (0.0, 0.5, 1.0):
                row = defaultdict(list)
                for kind, probability, mask, spacing in cases:
                    array = probability[copies] >= threshold
                    if smallest_ml and array.any():
                        array = without_specks(array, smallest_ml * 1000 / np.prod(spacing))
                    row[kind].append(dice(array, mask))
                    row[kind + " ml"].append(outside_tumour_slices(array, mask, spacing))
                print(f"  {threshold}, {smallest_ml}: {np.mean(row['stack']):.4f} | {np.mean(row['head']):.4f}; "
                      f"{np.mean(row['head ml']):.2f}, {np.mean(row['empty ml']):.2f}")  # fmt: skip


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("test", "validation", "choices", "unsuitable"), default="test")
    parser.add_argument("--bundle", default="brain_tumor_t1c")
    parser.add_argument("--checkpoint", type=Path)
    arguments = parser.parse_args()
    segmenter = Segmenter.load(arguments.bundle, checkpoint=arguments.checkpoint, device="cpu")
    print(f"{arguments.bundle}, weights {segmenter.parts.weights_sha256[:12]}")
    if arguments.part == "choices":
        choices_table(segmenter, arguments.data)
        return
    if arguments.part in ("test", "validation"):
        stacks_table(segmenter, arguments.data, arguments.part)
        heads_table(segmenter, arguments.data, arguments.part)
        empty_table(segmenter, arguments.data, arguments.part)
    if arguments.part == "test":
        demo_table(segmenter)
        brains_table(segmenter, arguments.data)
    if arguments.part in ("test", "unsuitable"):
        unsuitable_table(segmenter, arguments.data)


if __name__ == "__main__":
    main()
