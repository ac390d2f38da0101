"""Labelled images from which the editor's training windows are cut, kept in memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, label

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.io import read_volume
from monai_unet.mappings import Json

logger = logging.getLogger(__name__)

SMALLEST = 12
"""Voxels of a window that an object needs."""


@dataclass(frozen=True, eq=False)
class EditorObject:
    """One object of a case: its box, its voxels there, and where a user may click first, the deepest voxel in front."""

    box: tuple[slice, ...]
    mask: NDArray[np.bool_]
    inside: NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class EditorCase:
    """An image (S, A, R) in half precision, of order one, its spacing in mm, and its objects."""

    image: NDArray[np.float16]
    spacing: tuple[float, float, float]
    objects: list[EditorObject]


def editor_cases(sources: Sequence[Json], *, key: str = "training", seed: int = 0) -> list[list[EditorCase]]:
    """The cases of each source, kept in memory.

    Args:
        sources: mappings with `dataset` (a `dataset.json`); optionally `objects` (lists of label values, each one
            object; by default every value is one), `pieces` (each connected component is an object), `images` (the
            entries that are images; by default all but the label), `where` (a mapping that the entries must agree with)
            and `first` (so many cases of the list).
        key: the list that is read.
        seed: of the first clicks that are kept with each object.

    Raises:
        InputError: a source without cases or with no object in any.
    """
    random = np.random.default_rng(seed)
    result = []
    for source in sources:
        cases = [case for entry in _entries(source, key) for case in _read(entry, source, random)]
        if not any(case.objects for case in cases):
            raise InputError(f"{source['dataset']} has no labelled object under '{key}'.")
        logger.info("%s: %d images, %d objects", source["dataset"], len(cases), sum(len(c.objects) for c in cases))
        result.append(cases)
    return result


def _entries(source: Json, key: str) -> Iterator[Json]:
    path = Path(source["dataset"])
    try:
        entries = json.loads(path.read_text(encoding="utf-8")).get(key)
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of cases ({error}); give a dataset.json.") from error
    if not entries:
        raise InputError(f"{path} has no cases under '{key}'.")
    where = source.get("where") or {}
    chosen = [entry for entry in entries if all(entry.get(name) == value for name, value in where.items())]
    for entry in chosen[: source.get("first")]:
        names = source.get("images") or [name for name, value in entry.items() if _is_image(name, value)]
        yield {"label": path.parent / entry["label"], "images": [path.parent / entry[name] for name in names]}


def _is_image(name: str, value: object) -> bool:
    return name not in ("label", "brainmask") and isinstance(value, str) and ".nii" in value


def _read(entry: Json, source: Json, random: np.random.Generator) -> Iterator[EditorCase]:
    volume = read_volume(entry["label"])
    labels, spacing = np.asarray(volume[0]).round().astype(np.int16), grid_of(volume).spacing
    wanted = source.get("objects") or [[int(value)] for value in np.unique(labels) if value > 0]
    masks = [np.isin(labels, values) for values in wanted]
    objects = [found for mask in masks for found in _objects(mask, spacing, bool(source.get("pieces")), random)]
    for path in entry["images"]:
        volume = read_volume(path)
        image: NDArray[np.float32] = np.nan_to_num(np.asarray(volume[0], dtype=np.float32))
        if image.shape != labels.shape:
            raise InputError(
                f"{path} has {image.shape} voxels and its label {labels.shape}; they must lie on one grid."
            )
        scale = float(np.percentile(np.abs(image), 99.5)) or 1.0
        yield EditorCase((image / scale).astype(np.float16), grid_of(volume).spacing, objects)


def _objects(
    mask: NDArray[np.bool_], spacing: Sequence[float], pieces: bool, random: np.random.Generator
) -> Iterator[EditorObject]:
    parts = label(mask, structure=np.ones((3, 3, 3)))[0] if pieces else mask.astype(np.int32)
    for number, box in enumerate(find_objects(parts), start=1):
        if box is None:
            continue
        inside = parts[box] == number
        if inside.sum() < SMALLEST:
            continue
        # in mm, as the benchmark's user measures it: across thick slices no place is deep
        depth = distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
        deep = np.argwhere(depth >= depth.max() / 2)
        deepest = np.argwhere(depth == depth.max())[:1]
        chosen = np.concatenate([deepest, deep[random.integers(len(deep), size=63)]]) + [s.start for s in box]
        yield EditorObject(box, inside, chosen)
