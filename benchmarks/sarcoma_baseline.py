"""The trivial baseline beside `sarcoma_mri`: an ellipsoid of the mean size in the centre of every volume.

    python benchmarks/sarcoma_baseline.py SoftTissueSarcoma --key test --output OUT
    monai-unet evaluate --predictions OUT --references OUT/references --output OUT/scores

The volumes are cropped around their tumour, so that even this finds a good part of it. The radii are half the mean
extent (mm) of the training tumours along S, A and R; no test case takes part in them.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch

from monai_unet.evaluation import score_case
from monai_unet.geometry import grid_of
from monai_unet.io import dataset_cases, read_volume, write_label_map


def mean_extent(folder: Path) -> np.ndarray:
    """Mean extent (3,) in mm, along S, A and R, of the training tumours' bounding boxes."""
    extents = []
    for case in dataset_cases(folder, "training"):
        label = read_volume(case["label"])
        voxels = np.argwhere(label.numpy()[0] > 0)
        extents.append((np.ptp(voxels, axis=0) + 1) * grid_of(label).spacing)
    return np.mean(extents, axis=0)


def ellipsoid(shape: tuple[int, ...], spacing: tuple[float, ...], extent_mm: np.ndarray) -> np.ndarray:
    """Bool array of that shape with an ellipsoid of that extent in its centre."""
    axes = [(np.arange(n) - (n - 1) / 2) * s / (e / 2) for n, s, e in zip(shape, spacing, extent_mm, strict=True)]
    return sum(np.square(axis) for axis in np.ix_(*axes)) <= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--key", default="test")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    extent = mean_extent(arguments.dataset)
    print("mean extent of the training tumours (S, A, R):", extent.round(1), "mm")
    scores = []
    for case in dataset_cases(arguments.dataset, arguments.key):
        image, label = read_volume(case["image"]), read_volume(case["label"])
        grid, name = grid_of(label), Path(case["label"]).parent.name
        guess = ellipsoid(grid.shape, grid.spacing, extent).astype(np.uint8)
        (arguments.output / "references").mkdir(parents=True, exist_ok=True)
        write_label_map(torch.from_numpy(guess), arguments.output / f"{name}.nii.gz", like=image.meta)
        shutil.copy(case["label"], arguments.output / "references" / f"{name}.nii.gz")
        reference = label.numpy()[0].astype(np.uint8)
        (score,) = score_case(guess, reference, spacing=grid.spacing, labels={1: "sarcoma"}, tolerance_mm=2.0)
        scores.append(score.dice)
        print(f"{name}: Dice {score.dice:.3f}")
    print(f"mean Dice {np.mean(scores):.3f} of {len(scores)} cases")


if __name__ == "__main__":
    main()
