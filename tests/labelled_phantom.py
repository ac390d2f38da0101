"""Small labelled volumes for tests of data sets: boxes of known size in noise, one file or fault at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (18, 16, 12)


def write_volume_file(path: Path, array: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> str:
    """A NIfTI file of an array (R, A, S) in RAS; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
    return str(path)


def boxes(classes: int = 2) -> np.ndarray:
    """Label map (R, A, S): class n is a box of 3 × 4 × 5 voxels that begins at R = 4 n - 3."""
    labels = np.zeros(SHAPE, np.uint8)
    for n in range(1, classes + 1):
        labels[4 * n - 3 : 4 * n, 2:6, 3:8] = n
    return labels


def picture_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """An image in which class n is 100 n brighter than a background of 200 ± 10."""
    noise = np.random.default_rng(seed).normal(200, 10, labels.shape)
    return (noise + 100 * labels.astype(np.float32)).astype(np.float32)


def write_pair(root: Path, name: str, *, seed: int = 0, labels: np.ndarray | None = None) -> dict[str, str]:
    """Image and label of one case; returns its entry of a `dataset.json`."""
    marked = boxes() if labels is None else labels
    write_volume_file(root / f"images/{name}.nii.gz", picture_of(marked, seed))
    write_volume_file(root / f"labels/{name}.nii.gz", marked)
    return {"image": f"./images/{name}.nii.gz", "label": f"./labels/{name}.nii.gz"}


def write_set(root: Path, *, count: int = 5, **content: object) -> Path:
    """A data set in Decathlon layout with `count` training cases a0, a1, …, and what else `dataset.json` says."""
    entries = [write_pair(root, f"a{n}", seed=n) for n in range(count)]
    stated: Mapping[str, object] = {"labels": {"0": "background", "1": "one", "2": "two"}, "training": entries}
    (root / "dataset.json").write_text(json.dumps({**stated, **content}), encoding="utf-8")
    return root


def touch_all(root: Path, *names: str) -> Path:
    """Empty files, for what is told from names alone."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
