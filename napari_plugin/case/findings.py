"""Measurements of a session's objects, each taken as one lesion (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Grid, bounding_box
from monai_unet.measurement import Lesion, acquisition_axis, measure_lesions

Findings = dict[int, Lesion | None]


def measure_objects(
    labels: NDArray[np.integer], image: NDArray[np.number], grid: Grid, values: Iterable[int]
) -> Generator[None, None, Findings]:
    """Lesion of each value of a label map (S, A, R), None for one without voxels; yields between two.

    Axes follow RECIST 1.1 in the acquisition plane, see `monai_unet.measurement.lesions`.
    """
    axis = acquisition_axis(grid)
    found: Findings = {}
    for value in values:
        yield None
        mask = labels == value
        box = bounding_box(mask)
        if box is None:
            found[value] = None
            continue
        parts = mask[box].astype(np.int32)
        here = grid.crop(box).affine
        (lesion,) = measure_lesions(parts, here, image=image[box], label=value, normal_axis=axis)
        found[value] = replace(lesion, slice_index=lesion.slice_index + box[axis].start)
    return found


def sum_of_long_axes(findings: Findings, counts: Callable[[int], bool] = lambda value: True) -> tuple[float, int]:
    """Sum of the long axes in mm, and of how many objects."""
    long = [lesion.long_axis.length_mm for value, lesion in findings.items() if lesion is not None and counts(value)]
    return float(sum(long)), len(long)


def counted(count: int) -> str:
    """A number of lesions in words."""
    return "1 lesion" if count == 1 else f"{count} lesions"


def centre_voxel(lesion: Lesion, grid: Grid) -> tuple[int, int, int]:
    """Where to look at a lesion, (S, A, R): the middle of its long axis, in the slice where that is longest."""
    middle = grid.to_index(lesion.long_axis.ends_mm.mean(axis=0))
    voxel = np.clip(np.rint(middle).astype(int), 0, np.array(grid.shape) - 1)
    voxel[lesion.normal_axis] = lesion.slice_index
    return int(voxel[0]), int(voxel[1]), int(voxel[2])
