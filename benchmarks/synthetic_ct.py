"""Thirty synthetic head-and-neck CTs of 512x512x200, segmented and scored in one batch.

    python benchmarks/synthetic_ct.py make DIR --cases 30     # images, references and dataset.json
    monai-unet evaluate --dataset DIR --key test --bundle head_neck_ct --output OUT
    python benchmarks/synthetic_ct.py perturb DIR OUT         # predictions without a model, to measure scoring alone

The body is an ellipsoid of soft tissue in air, the organs are ellipsoids, all with noise; images are uncompressed. It
is a CT to a reader, a scorer and the memory; it is no test of a model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (512, 512, 200)  # R, A, S: the order in which NIfTI stores it
SPACING = (0.977, 0.977, 1.5)
LABELS = {"0": "background", "1": "brainstem", "2": "spinal cord", "3": "right parotid", "4": "left parotid"}
ORGANS = {  # value: centre and radii as shares of the volume, HU
    1: ((0.50, 0.47, 0.80), (0.03, 0.03, 0.08), 35),
    2: ((0.50, 0.42, 0.38), (0.012, 0.012, 0.30), 30),
    3: ((0.64, 0.50, 0.70), (0.035, 0.05, 0.10), -10),
    4: ((0.36, 0.50, 0.70), (0.035, 0.05, 0.10), -10),
}
BODY = ((0.5, 0.5, 0.5), (0.33, 0.40, 0.75))


def paint(
    volume: np.ndarray, value: int, shares: tuple[tuple[float, ...], tuple[float, ...]], move: np.ndarray
) -> None:
    """Set the voxels of an ellipsoid, given in shares of the volume, to a value."""
    centre = (np.array(shares[0]) + move) * SHAPE
    radii = np.array(shares[1]) * SHAPE
    low = np.maximum(np.floor(centre - radii), 0).astype(int)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, np.ceil(centre + radii) + 1, strict=True))
    axes = np.ogrid[tuple(slice(b.start, min(b.stop, n)) for b, n in zip(box, SHAPE, strict=True))]
    inside = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)) <= 1
    volume[box][inside] = value


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (int16 HU) and label map (uint8), axes (R, A, S), x fastest in memory."""
    random = np.random.default_rng(seed)
    image = np.full(SHAPE, -1000, np.int16, order="F")
    labels = np.zeros(SHAPE, np.uint8, order="F")
    paint(image, 40, BODY, np.zeros(3))
    for value, (centre, radii, hu) in ORGANS.items():
        move = random.normal(0, 0.01, 3)
        paint(labels, value, (centre, radii), move)
        paint(image, hu, (centre, radii), move)
    # one slab of noise, repeated, is as good as new noise for a reader and far cheaper
    noise = random.integers(-15, 16, (*SHAPE[:2], 8), dtype=np.int16)
    for start in range(0, SHAPE[2], 8):
        image[:, :, start : start + 8] += noise
    return image, labels


def make(folder: Path, cases: int) -> None:
    """Write images, references and a Decathlon `dataset.json`."""
    affine = np.diag([*SPACING, 1.0])
    for name in ("imagesTs", "labelsTs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(cases):
        image, labels = case(number)
        entry = {"image": f"./imagesTs/ct_{number:03d}.nii", "label": f"./labelsTs/ct_{number:03d}.nii.gz"}
        nib.save(nib.Nifti1Image(image, affine), folder / entry["image"])
        nib.save(nib.Nifti1Image(labels, affine), folder / entry["label"])
        entries.append(entry)
        print(folder / entry["image"], flush=True)
    content = {"name": "synthetic CT", "modality": {"0": "CT"}, "labels": LABELS, "test": entries}
    (folder / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def perturb(folder: Path, output: Path) -> None:
    """Predictions for the references of a folder: each shifted by one voxel."""
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / "labelsTs").glob("*.nii.gz")):
        reference = nib.load(path)
        moved = np.roll(np.asarray(reference.dataobj), 1, axis=0)
        nib.save(nib.Nifti1Image(moved, reference.affine), output / path.name)


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("folder", type=Path)
    maker.add_argument("--cases", type=int, default=30)
    shifter = commands.add_parser("perturb")
    shifter.add_argument("folder", type=Path)
    shifter.add_argument("output", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.folder, arguments.cases)
    else:
        perturb(arguments.folder, arguments.output)


if __name__ == "__main__":
    main()
