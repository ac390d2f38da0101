"""A tiny dataset in Decathlon layout: bright ellipsoids of two halves in noise, at 1 mm."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (20, 26, 18)


def make_dataset(folder: Path, *, training: int = 4, validation: int = 2, test: int = 2, classes: int = 3) -> Path:
    """Write images, labels (1 anterior half, 2 posterior half where there are 3 classes) and `dataset.json`."""
    counts = {"training": training, "validation": validation, "test": test}
    lists: dict[str, list[dict[str, str]]] = {}
    number = 0
    for key, count in counts.items():
        lists[key] = []
        for _ in range(count):
            lists[key].append(make_case(folder, f"case_{number:02d}", seed=number, classes=classes))
            number += 1
    (folder / "dataset.json").write_text(json.dumps({"name": "phantom", **lists}), encoding="utf-8")
    return folder


def make_case(
    folder: Path, name: str, *, seed: int, affine: np.ndarray | None = None, classes: int = 3
) -> dict[str, str]:
    """One image and its label; returns their paths relative to the folder."""
    rng = np.random.default_rng(seed)
    centre = np.array(SHAPE) / 2 + rng.uniform(-1, 1, 3)
    grid = np.indices(SHAPE).reshape(3, -1).T - centre
    inside = ((grid / (5, 8, 5)) ** 2).sum(1) < 1
    label = (inside * np.where(grid[:, 1] > 0, 1, min(2, classes - 1))).reshape(SHAPE).astype(np.uint8)
    image = (100 * label + rng.normal(200, 20, SHAPE)).astype(np.float32)
    paths = {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"}
    for key, data in (("image", image), ("label", label)):
        path = folder / paths[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return paths
