"""Measurements of a session's objects, of the wholes that they are parts of, and their sum (no Qt)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Grid, bounding_box
from monai_unet.interaction.session import SegmentObject
from monai_unet.measurement import (
    Lesion,
    Target,
    Uptake,
    acquisition_axis,
    bidimensional_product,
    measure_structure,
    measure_uptake,
    rano_measurable,
    recist_objections,
    sum_of_diameters,
)

Findings = dict[int, Lesion | None]
Wholes = dict[str, Lesion | None]
Uptakes = dict[int, Uptake]


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


def measure_uptakes(
    labels: NDArray[np.integer], image: NDArray[np.number], grid: Grid, values: Iterable[int], suv: float | None
) -> Uptakes:
    """SUV by body weight in each value of a label map (S, A, R); empty where `suv`, the factor for it, is not known."""
    found = {} if suv is None else {v: measure_uptake(labels == v, image, grid.spacing) for v in values}
    scaled = {}
    for value, one in found.items():
        if one is not None and suv is not None:
            peak = None if one.peak is None else one.peak * suv
            scaled[value] = replace(one, mean=one.mean * suv, highest=one.highest * suv, peak=peak)
    return scaled


def chosen_targets(objects: Sequence[SegmentObject], findings: Findings) -> list[Target]:
    """The chosen target lesions that have voxels, with their organs."""
    chosen = [(item, findings.get(item.value)) for item in objects if item.target]
    return [Target(item.name, lesion, item.organ) for item, lesion in chosen if lesion is not None]


def sum_of_targets(objects: Sequence[SegmentObject], findings: Findings) -> str:
    """The sums over the chosen target lesions in words; empty where none was chosen.

    RECIST 1.1 sums the long axes, of lymph nodes the short ones, of target lesions that somebody has chosen: never
    parts of one tumour, nor whatever was marked. RANO sums the products of the two diameters.
    """
    targets = chosen_targets(objects, findings)
    if not targets:
        return ""
    what = "diameters" if any(target.node for target in targets) else "long axes"
    products = sum(bidimensional_product(target.lesion) for target in targets)
    total = f"Sum of {what}: {sum_of_diameters(targets):.1f} mm"
    return f"{total}, of products {products:.0f} mm² ({counted(len(targets))} chosen)."


def rules_of(item: SegmentObject | None, lesion: Lesion, grid: Grid, unit: str) -> dict[str, str]:
    """What each number of a lesion is and by which rule, for tooltips: "volume", "axes", "mean"; None of a whole."""
    slice_mm = grid.spacing[lesion.normal_axis]
    long, short = lesion.long_axis.length_mm, lesion.short_axis.length_mm
    axes = [
        f"{long:.1f} × {short:.1f} mm: the longest diameter in a slice, and the longest one perpendicular to it there.",
        f"Product (RANO): {bidimensional_product(lesion):.0f} mm²; "
        + ("measurable." if rano_measurable(lesion, slice_mm) else "not measurable: both must be 10 mm or two slices."),
    ]
    if item is not None and lesion is not None:
        against = recist_objections([Target(item.name, lesion, item.organ)], slice_mm)
        axes.append("RECIST 1.1: " + (against[0] if against else "large enough for a target lesion."))
    values = ""
    if lesion.intensity_mean is not None and lesion.intensity_range is not None:
        low, high = lesion.intensity_range
        unit = unit or "the unit of the image"
        spread = f"{lesion.intensity_mean:.5g} ± {lesion.intensity_sd:.4g}"
        values = f"{spread}, from {low:.5g} to {high:.5g}, in {unit}, over all voxels of the lesion."
    return {
        "volume": f"{lesion.voxels} voxels of {grid.voxel_ml * 1000:.4g} mm³, whole ones.",
        "axes": "\n".join([*axes, f"Longest in 3D: {lesion.longest_diameter.length_mm:.1f} mm."]),
        "mean": values,
    }


def uptake_text(uptake: Uptake | None) -> str:
    """SUV of a lesion in words: mean, highest, peak, and mean times volume; empty without."""
    if uptake is None:
        return ""
    peak = "no ball of 1 ml lies within the image" if uptake.peak is None else f"{uptake.peak:.2f}"
    return (
        f"SUVbw: mean {uptake.mean:.2f}, highest {uptake.highest:.2f}, peak {peak} (highest mean in a ball of 1 ml); "
        f"mean × volume {uptake.total:.1f} g."
    )


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
