"""Thirty synthetic head-and-neck CTs of 512x512x200, segmented and scored in one batch.

    python benchmarks/synthetic_ct.py make DIR --cases 30     # images, references and dataset.json
    monai-unet evaluate --dataset DIR --key test --bundle head_neck_ct --workers 1 --output OUT
    python benchmarks/synthetic_ct.py perturb DIR OUT         # predictions without a model, to measure scoring alone

Head, neck and shoulders are ellipsoids of soft tissue, bone and air around the four organs of `head_neck_ct`, a little
elsewhere and of another size in each case, with noise; images are uncompressed, 105 MB each. It is a CT to a reader, a
scorer and the memory; it is no test of a model.
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

Body = tuple[tuple[float, float, float], tuple[float, float, float], int]
TISSUE: tuple[Body, ...] = (  # centre (right, anterior, superior) and radii in mm, HU; painted in this order
    ((0, -10, 0), (190, 110, 75), 40),  # shoulders
    ((0, -5, 110), (60, 65, 110), 40),  # neck
    ((0, 10, 215), (78, 98, 110), 40),  # head
    ((0, 55, 120), (48, 45, 14), 900),  # mandible, its inside
    ((0, 48, 120), (40, 44, 16), 45),
    ((0, 0, 240), (70, 90, 75), 900),  # skull, brain
    ((0, 0, 240), (63, 83, 68), 35),
    ((0, -12, 85), (24, 26, 92), 350),  # spine, its canal
    ((0, -22, 90), (9, 9, 95), 5),
    ((0, 32, 120), (10, 9, 62), -950),  # airway
)
ORGANS: dict[int, Body] = {
    1: ((0, -8, 188), (14, 15, 26), 35),
    2: ((0, -22, 92), (6, 5, 78), 35),
    3: ((54, 0, 145), (11, 20, 27), -10),
    4: ((-54, 0, 145), (11, 20, 27), -10),
}


def paint(volume: np.ndarray, value: int, centre: np.ndarray, radii: np.ndarray) -> None:
    """Set the voxels of an ellipsoid, centre and radii in mm from the volume's first corner, to a value."""
    middle, reach = centre / SPACING, radii / SPACING
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, SHAPE).astype(int)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    axes = np.ogrid[box]
    inside = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, middle, reach, strict=True)) <= 1
    volume[box][inside] = value


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (int16 HU) and label map (uint8), axes (R, A, S), x fastest in memory."""
    random = np.random.default_rng(seed)
    image = np.full(SHAPE, -1000, np.int16, order="F")
    labels = np.zeros(SHAPE, np.uint8, order="F")
    origin = np.array([SHAPE[0] * SPACING[0] / 2, SHAPE[1] * SPACING[1] / 2, 0]) + random.normal(0, 5, 3)
    size = random.normal(1, 0.03)
    for centre, radii, hu in TISSUE:
        paint(image, hu, origin + size * np.array(centre), size * np.array(radii))
    for value, (centre, radii, hu) in ORGANS.items():
        place = origin + size * np.array(centre) + random.normal(0, 1, 3)
        paint(labels, value, place, size * np.array(radii))
        paint(image, hu, place, size * np.array(radii))
    # one slab of noise, repeated, is as good as new noise for a reader and far cheaper
    noise = random.integers(-15, 16, (*SHAPE[:2], 8), dtype=np.int16)
    for start in range(0, SHAPE[2], 8):
        image[:, :, start : start + 8] += noise[:, :, : SHAPE[2] - start]
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
