"""What is marked in one label map: voxels, volume, connected parts and place of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.geometry import bounding_box


@dataclass(frozen=True)
class ClassInCase:
    """One class in one case.

    Attributes:
        voxels: their number.
        volume_ml: their volume.
        components: connected parts (26 neighbours).
        largest: share of the voxels that lie in the largest of them; 0 where there is none.
        centre: mean index (S, A, R), or None.
    """

    voxels: int
    volume_ml: float
    components: int
    largest: float
    centre: tuple[float, float, float] | None


def voxels_of_values(labels: NDArray[np.integer]) -> dict[int, int]:
    """Voxels of each label value that occurs in a label map (S, A, R), 0 left out.

    >>> voxels_of_values(np.array([[[0, 2, 2, 5]]], np.uint8))
    {2: 2, 5: 1}
    """
    counts = np.bincount(labels.ravel())
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts) if value}


def class_facts(
    labels: NDArray[np.integer], classes: Sequence[Sequence[int]], voxel_ml: float
) -> tuple[ClassInCase, ...]:
    """Facts of each class, given by its label values, in a label map (S, A, R)."""
    return tuple(_facts(labels, values, voxel_ml) for values in classes)


def _facts(labels: NDArray[np.integer], values: Sequence[int], voxel_ml: float) -> ClassInCase:
    mask = labels == values[0] if len(values) == 1 else np.isin(labels, values)
    voxels = int(np.count_nonzero(mask))
    if not voxels:
        return ClassInCase(0, 0.0, 0, 0.0, None)
    box = bounding_box(mask)
    assert box is not None
    inside = mask[box]
    parts, count = ndimage.label(inside, np.ones((3, 3, 3)))
    largest = int(np.bincount(parts.ravel())[1:].max())
    where = [np.average(np.arange(n), weights=inside.sum(axis=_others(axis))) for axis, n in enumerate(inside.shape)]
    centre = [round(float(at) + bounds.start, 2) for at, bounds in zip(where, box, strict=True)]
    volume = float(f"{voxels * voxel_ml:.6g}")
    return ClassInCase(voxels, volume, int(count), round(largest / voxels, 4), (centre[0], centre[1], centre[2]))


def _others(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)
