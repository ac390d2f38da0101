"""A data set for the smoke run: a bright and a grey half of an ellipsoid in noise, in Decathlon layout."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_unet.io import write_text

SIZE = (40, 44, 42)
LISTS = {"training": 4, "validation": 1, "test": 1}


def write_dataset(folder: Path) -> Path:
    """Write the images, the label maps and dataset.json; the same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset: dict[str, object] = {"labels": {"0": "background", "1": "front", "2": "back"}}
    random = np.random.default_rng(0)
    axes = np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij")
    for split, count in LISTS.items():
        cases = []
        for index in range(count):
            centre = np.array(SIZE) / 2 + random.uniform(-4, 4, 3)
            inside = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, (10, 14, 9), strict=True)) <= 1
            label = (inside * np.where(axes[1] > centre[1], 1, 2)).astype(np.uint8)
            image = (np.array([0, 200, 120])[label] + random.normal(0, 30, SIZE)).astype(np.float32)
            for name, array in (("image", image), ("label", label)):
                nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"{split}-{index}-{name}.nii.gz")
            cases.append({name: f"{split}-{index}-{name}.nii.gz" for name in ("image", "label")})
        dataset[split] = cases
    write_text(folder / "dataset.json", json.dumps(dataset, indent=2) + "\n")
    return folder
