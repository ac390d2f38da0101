"""Measurements of a session's objects, of the wholes that they are parts of, and their sum (no Qt)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Grid, bounding_box
from monai_unet.interaction.session import SegmentObject
from monai_unet.measurement import Lesion, acquisition_axis, measure_structure

Findings = dict[int, Lesion | None]
Wholes = dict[str, Lesion | None]


def measure_objects(
    labels: NDArray[np.integer], image: NDArray[np.number], grid: Grid, values: Iterable[int]
) -> Generator[None, None, Findings]:
    """Each value of a label map (S, A, R) as one lesion, None for one without voxels; yields between two.

    Axes follow RECIST 1.1 in the acquisition plane, see `monai_unet.measurement`; of an object in several parts they
    are those of one part.
    """
    found: Findings = {}
    for value in values:
        yield None
        found[value] = _measured(labels == value, image, grid, value)
    return found


def measure_wholes(
    labels: NDArray[np.integer], image: NDArray[np.number], grid: Grid, wholes: Mapping[str, Sequence[int]]
) -> Generator[None, None, Wholes]:
    """The same of unions of values: one tumour of several classes, its core.

    Labels and image (S, A, R).
    """
    found: Wholes = {}
    for name, values in wholes.items():
        yield None
        found[name] = _measured(np.isin(labels, values), image, grid, values[0])
    return found


def wholes_of(objects: Sequence[SegmentObject]) -> dict[str, tuple[int, ...]]:
    """Name → values of the objects that are parts of it, where there are two or more, the largest union first."""
    names = dict.fromkeys(name for item in objects for name in item.regions)
    held = {name: tuple(item.value for item in objects if name in item.regions) for name in names}
    several = {name: values for name, values in held.items() if len(values) > 1}
    return dict(sorted(several.items(), key=lambda pair: -len(pair[1])))


def target_lesions(objects: Sequence[SegmentObject], findings: Findings) -> list[Lesion]:
    """What was measured of the chosen target lesions."""
    chosen = [findings.get(item.value) for item in objects if item.target]
    return [lesion for lesion in chosen if lesion is not None]


def sum_of_targets(objects: Sequence[SegmentObject], findings: Findings) -> str:
    """The sum of the long axes of the chosen target lesions in words; empty where none was chosen.

    RECIST 1.1 sums target lesions that somebody has chosen: never parts of one tumour, nor whatever was marked.
    """
    targets = target_lesions(objects, findings)
    if not targets:
        return ""
    total = sum(lesion.long_axis.length_mm for lesion in targets)
    return f"Sum of long axes: {total:.1f} mm ({counted(len(targets))} chosen)."


def in_parts(name: str, lesion: Lesion | None) -> str:
    """What to know of a structure that is not in one piece; empty of any other."""
    if lesion is None or lesion.parts < 2:
        return ""
    return f"{name} is in {lesion.parts} parts that do not touch; its diameters are those of one part."


def _measured(mask: NDArray[np.bool_], image: NDArray[np.number], grid: Grid, label: int) -> Lesion | None:
    box = bounding_box(mask)
    if box is None:
        return None
    axis = acquisition_axis(grid)
    lesion = measure_structure(mask[box], grid.crop(box).affine, image=image[box], label=label, normal_axis=axis)
    return None if lesion is None else replace(lesion, slice_index=lesion.slice_index + box[axis].start)


def counted(count: int) -> str:
    """A number of lesions in words."""
    return "1 lesion" if count == 1 else f"{count} lesions"


def centre_voxel(lesion: Lesion, grid: Grid) -> tuple[int, int, int]:
    """Where to look at a lesion, (S, A, R): the middle of its long axis, in the slice where that is longest."""
    middle = grid.to_index(lesion.long_axis.ends_mm.mean(axis=0))
    voxel = np.clip(np.rint(middle).astype(int), 0, np.array(grid.shape) - 1)
    voxel[lesion.normal_axis] = lesion.slice_index
    return int(voxel[0]), int(voxel[1]), int(voxel[2])
