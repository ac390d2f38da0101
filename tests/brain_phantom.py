"""A tiny skull-stripped head with four sequences and a tumour, in the layouts of BraTS, the Decathlon and our own."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (24, 28, 22)
SEQUENCES = ("flair", "t1", "t1c", "t2")
LEVELS = {"flair": (20, 90, 80), "t1": (20, 70, 100), "t1c": (20, 70, 100), "t2": (200, 90, 70)}
"""CSF, grey and white matter."""


def tissue() -> np.ndarray:
    """Maps (3, *SHAPE) of CSF, grey and white matter: shells of an ellipsoid, nothing outside."""
    centre = (np.array(SHAPE) - 1) / 2
    radius = np.sqrt((((np.indices(SHAPE).reshape(3, -1).T - centre) / (10.5, 12.5, 9.5)) ** 2).sum(1)).reshape(SHAPE)
    csf = ((radius < 1) & (radius > 0.9)) | (radius < 0.15)
    grey = (radius <= 0.9) & (radius > 0.7)
    white = (radius <= 0.7) & (radius >= 0.15)
    return np.stack([csf, grey, white]).astype(np.float32)


def sequences(*, seed: int = 0, tumour: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Images by sequence and the label map of BraTS 2023 (1 core, 2 oedema, 3 enhancing), all *SHAPE."""
    random = np.random.default_rng(seed)
    maps = tissue()
    images = {s: np.tensordot(LEVELS[s], maps, 1) for s in SEQUENCES}
    labels = np.zeros(SHAPE, dtype=np.uint8)
    if tumour:
        place = np.array(SHAPE) / 2 + [4, random.uniform(-3, 3), 0]
        distance = np.linalg.norm(np.indices(SHAPE).reshape(3, -1).T - place, axis=1).reshape(SHAPE)
        for value, reach, look in (
            (2, 5.0, {"flair": 150, "t1": 70, "t1c": 70, "t2": 150}),
            (3, 3.0, {"flair": 140, "t1": 70, "t1c": 200, "t2": 140}),
            (1, 1.6, {"flair": 60, "t1": 40, "t1c": 40, "t2": 180}),
        ):
            inside = (distance < reach) & (maps.sum(0) > 0)
            labels[inside] = value
            for name, level in look.items():
                images[name][inside] = level
    noisy = {s: (i + random.normal(0, 3, SHAPE)).clip(1) * (maps.sum(0) > 0) for s, i in images.items()}
    return {s: i.astype(np.float32) for s, i in noisy.items()}, labels


def _save(data: np.ndarray, path: Path, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1]) if affine is None else affine), path)
    return path


def write_sequences(folder: Path, *, names: dict[str, str] | None = None, seed: int = 0) -> dict[str, Path]:
    """One file per sequence, `<folder>/<name>.nii.gz`."""
    images, _ = sequences(seed=seed)
    return {s: _save(images[s], folder / f"{(names or {}).get(s, s)}.nii.gz") for s in SEQUENCES}


def own_layout(root: Path, *, training: int = 3, validation: int = 2, test: int = 2) -> Path:
    """A dataset.json whose cases name their files by sequence; the last test case lacks T1 and T2."""
    lists: dict[str, list[dict[str, str]]] = {}
    number = 0
    for key, count in (("training", training), ("validation", validation), ("test", test)):
        lists[key] = []
        for place in range(count):
            images, labels = sequences(seed=number)
            given = ("flair", "t1c") if key == "test" and place == count - 1 else SEQUENCES
            entry = {s: f"case_{number}/{s}.nii.gz" for s in given}
            for s in given:
                _save(images[s], root / entry[s])
            # enhancing tumour is 4 until 2023
            stored = np.where(labels == 3, 4, labels).astype(np.uint8)
            _save(stored, root / f"case_{number}/label.nii.gz")
            lists[key].append(entry | {"label": f"case_{number}/label.nii.gz", "label_convention": "BraTS 2018"})
            number += 1
    (root / "dataset.json").write_text(json.dumps({"name": "phantom", **lists}), encoding="utf-8")
    return root


def decathlon_layout(root: Path, *, count: int = 24) -> Path:
    """Task01_BrainTumour: one 4D image a case, 1 oedema, 2 non-enhancing, 3 enhancing, labels for `training` alone."""
    listed = []
    for number in range(count):
        images, labels = sequences(seed=number)
        name = f"BRATS_{number:03d}.nii.gz"
        _save(np.stack([images[s] for s in SEQUENCES], axis=-1), root / "imagesTr" / name)
        _save(np.array([0, 2, 1, 3], dtype=np.uint8)[labels], root / "labelsTr" / name)
        listed.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    content = {
        "name": "BRATS",
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "training": listed,
        "test": ["./imagesTs/BRATS_400.nii.gz"],
    }
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root


NAMES_2020 = {"flair": "flair", "t1": "t1", "t1c": "t1ce", "t2": "t2"}
NAMES_2023 = {"flair": "t2f", "t1": "t1n", "t1c": "t1c", "t2": "t2w"}


def brats_layout(root: Path, *, year: int = 2020, count: int = 24) -> Path:
    """Folders as BraTS 2020 or 2023 published them."""
    for number in range(count):
        images, labels = sequences(seed=number)
        case, names, joint = (
            (f"BraTS20_Training_{number:03d}", NAMES_2020, "_")
            if year < 2023
            else (f"BraTS-GLI-{number:05d}-000", NAMES_2023, "-")
        )
        for s in SEQUENCES:
            _save(images[s], root / case / f"{case}{joint}{names[s]}.nii.gz")
        stored = np.where(labels == 3, 4, labels) if year < 2023 else labels
        _save(stored.astype(np.uint8), root / case / f"{case}{joint}seg.nii.gz")
    return root
