"""Small labelled data sets, written by the tests of planning."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np


def boxes(
    root: Path,
    classes: int,
    *,
    cases: int = 8,
    shape: tuple[int, int, int] = (24, 28, 20),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    channels: int = 1,
    values: tuple[int, ...] | None = None,
) -> Path:
    """A folder images/ and labels/ with dataset.json: bright boxes in noise, one for each class; files are RAS."""
    rng = np.random.default_rng(0)
    values = values or tuple(range(1, classes + 1))
    entries = []
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    affine = np.diag([*spacing, 1.0])
    for number in range(cases):
        label = np.zeros(shape, np.uint8)
        for index, value in enumerate(values):
            start = [int(n * (0.1 + 0.7 * index / classes)) + int(rng.integers(0, 2)) for n in shape]
            label[tuple(slice(s, s + max(2, n // 4)) for s, n in zip(start, shape, strict=True))] = value
        paths = []
        for channel in range(channels):
            image = 100.0 * (label > 0) * (1 + channel) + 20 * label + rng.normal(0, 10, shape)
            paths.append(f"images/c{number}_{channel:04d}.nii.gz" if channels > 1 else f"images/c{number}.nii.gz")
            nib.save(nib.Nifti1Image(image.astype(np.float32), affine), root / paths[-1])
        nib.save(nib.Nifti1Image(label, affine), root / f"labels/c{number}.nii.gz")
        entries.append({"image": paths if channels > 1 else paths[0], "label": f"labels/c{number}.nii.gz"})
    names = {"0": "background"} | {str(value): f"box {value}" for value in values}
    content = {"labels": names, "training": entries[:-4], "validation": entries[-4:-2], "test": entries[-2:]}
    if channels > 1:
        content["channel_names"] = {str(n): f"series {n}" for n in range(channels)}
    (root / "dataset.json").write_text(json.dumps(content))
    return root
