"""Lesions: the connected parts of one class, measured one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from monai_unet.geometry import Grid
from monai_unet.io import LesionMeasurements
from monai_unet.measurement.diameters import Axis, in_plane_axes, longest_diameter, most_extent
from monai_unet.measurement.uptake import Uptake

_CLEARLY_THICKER = 1.2
_UCUM = {"CT": "[hnsf'U]", "PT": "Bq/ml", "NM": "Bq/ml"}
"""Modality → unit of its intensities in the code of UCUM."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """One connected part of a class, or a structure of several parts, see `measure_structure`.

    Attributes:
        number: 1 for the largest part of the class, then falling volume; also its value in `component_map`.
        label: value of the class in the label map.
        name: name of the class.
        voxels: their number.
        volume_ml: their volume.
        long_axis: RECIST long axis, in the acquisition plane, ends in RAS mm.
        short_axis: longest diameter perpendicular to it in the same slice.
        slice_index: that slice, as index along `normal_axis`.
        normal_axis: array axis that counts slices.
        longest_diameter: longest distance in 3D.
        centroid_mm: (3,) mean of the voxel centres in RAS mm.
        intensity_mean, intensity_sd: over the lesion's voxels (population standard deviation), None without image.
        parts: how many do not touch each other, not even by a corner.
        intensity_range: lowest and highest value, None without image.
    """

    number: int
    label: int
    name: str
    voxels: int
    volume_ml: float
    long_axis: Axis
    short_axis: Axis
    slice_index: int
    normal_axis: int
    longest_diameter: Axis
    centroid_mm: NDArray[np.float64]
    intensity_mean: float | None = None
    intensity_sd: float | None = None
    parts: int = 1
    intensity_range: tuple[float, float] | None = None


def component_map(mask: ArrayLike, *, connectivity: int = 26) -> NDArray[np.int32]:
    """Connected parts of a mask (3D), numbered 1, 2, ... by falling volume; ties by position in the array.

    Axes in any order, the same in the result.

    Args:
        mask: 3D, non-zero inside.
        connectivity: neighbours of a voxel, 6 (faces), 18 (and edges) or 26 (and corners).

    Raises:
        ValueError: another connectivity.
    """
    ranks = {6: 1, 18: 2, 26: 3}
    if connectivity not in ranks:
        raise ValueError(f"connectivity must be 6, 18 or 26, got {connectivity}")
    inside = np.asarray(mask).astype(bool, copy=False)
    numbered = np.zeros(inside.shape, np.int32)
    box = _bounding_box(inside)
    parts, count = ndimage.label(inside[box], ndimage.generate_binary_structure(3, ranks[connectivity]))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    order = np.zeros(count + 1, np.int32)
    order[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    numbered[box] = order[parts]
    return numbered


def measure_lesions(
    components: NDArray[np.int32],
    affine: ArrayLike,
    *,
    image: ArrayLike | None = None,
    label: int = 1,
    name: str = "lesion",
    normal_axis: int | None = None,
) -> list[Lesion]:
    """Measure every part of a `component_map`, in the order of its numbers.

    Args:
        components: as from `component_map`, any axis order.
        affine: (4, 4), index of `components` to RAS millimetres.
        image: intensities of the same shape.
        label, name: the class that the parts belong to.
        normal_axis: array axis that counts the slices of the acquisition; found by `acquisition_axis` if None.

    Raises:
        ValueError: the image has another shape.
    """
    matrix = np.asarray(affine, dtype=float)
    axis = acquisition_axis(Grid(components.shape, matrix)) if normal_axis is None else normal_axis  # type: ignore[arg-type]
    intensities = None if image is None else np.asarray(image)
    if intensities is not None and intensities.shape != components.shape:
        raise ValueError(f"image must be {components.shape} as the components, got {intensities.shape}")
    boxes = ndimage.find_objects(components)
    return [
        _measure(components, number, box, matrix, intensities, label, name, axis)
        for number, box in enumerate(boxes, start=1)
        if box is not None
    ]


def find_lesions(
    labels: ArrayLike,
    affine: ArrayLike,
    *,
    value: int,
    name: str = "lesion",
    image: ArrayLike | None = None,
    connectivity: int = 26,
    normal_axis: int | None = None,
) -> list[Lesion]:
    """Lesions of one class of an integer label map (3D, or with one leading channel), largest first.

    Args as `component_map` and `measure_lesions`.
    """
    array = np.asarray(labels)
    array = array[0] if array.ndim == 4 else array
    intensities = None if image is None else np.asarray(image)
    if intensities is not None and intensities.ndim == 4:
        intensities = intensities[0]
    components = component_map(array == value, connectivity=connectivity)
    return measure_lesions(components, affine, image=intensities, label=value, name=name, normal_axis=normal_axis)


def measure_structure(
    mask: ArrayLike,
    affine: ArrayLike,
    *,
    image: ArrayLike | None = None,
    label: int = 1,
    name: str = "lesion",
    normal_axis: int | None = None,
) -> Lesion | None:
    """A structure as one lesion, whether it is in one piece or not; None where it has no voxel.

    Volume, centroid and intensity are those of all its voxels. Diameters span no gap: the axes are those of the part
    in which the long axis is longest, the diameter in 3D that of the part where it is longest.

    Args:
        mask: 3D, any axis order.
        affine, image, label, name, normal_axis: as `measure_lesions`.

    >>> mask = np.zeros((1, 4, 30), bool)
    >>> mask[0, 1, 2:12] = mask[0, 1, 28] = True
    >>> found = measure_structure(mask, np.diag([1.0, 1.0, 2.0, 1.0]), normal_axis=0)
    >>> found.parts, found.long_axis.length_mm, round(found.volume_ml, 3)
    (2, 20.0, 0.022)
    """
    components = component_map(mask)
    boxes = ndimage.find_objects(components)
    if not boxes:
        return None
    matrix = np.asarray(affine, dtype=float)
    whole = Grid(components.shape, matrix)  # type: ignore[arg-type]
    axis = acquisition_axis(whole) if normal_axis is None else normal_axis
    inside = components > 0
    values = None if image is None else np.asarray(image)[inside].astype(float)
    voxels = int(inside.sum())
    measured = _measure(components, 1, boxes[0], matrix, None, label, name, axis)
    in_plane = [other for other in range(3) if other != axis]
    for number, box in enumerate(boxes[1:], start=2):
        shape = [part.stop - part.start for part in box]
        flat = most_extent([shape[other] for other in in_plane], matrix[:3, in_plane])
        part = components[box] == number
        here = whole.crop(box).affine
        if flat > measured.long_axis.length_mm:
            axes = in_plane_axes(part, here, normal_axis=axis)
            if axes.long.length_mm > measured.long_axis.length_mm:
                index = axes.slice_index + box[axis].start
                measured = replace(measured, long_axis=axes.long, short_axis=axes.short, slice_index=index)
        if most_extent(shape, matrix[:3, :3]) > measured.longest_diameter.length_mm:
            diameter = longest_diameter(part, here)
            if diameter.length_mm > measured.longest_diameter.length_mm:
                measured = replace(measured, longest_diameter=diameter)
    return replace(
        measured,
        voxels=voxels,
        volume_ml=voxels * whole.voxel_ml,
        centroid_mm=whole.to_world(np.argwhere(inside).mean(axis=0)),
        intensity_mean=None if values is None else float(values.mean()),
        intensity_sd=None if values is None else float(values.std()),
        parts=len(boxes),
        intensity_range=None if values is None else (float(values.min()), float(values.max())),
    )


def for_report(
    lesion: Lesion, *, segment: int, name: str, modality: str, uptake: Uptake | None = None
) -> LesionMeasurements:
    """A measured lesion as `write_sr` takes it; intensities are HU in CT, Bq/ml in PET and SPECT, else without a unit.

    Args:
        segment: its number in the SEG that the report refers to.
        modality: of the series, as DICOM writes it.
        uptake: in SUV by body weight, where it is known.
    """
    return LesionMeasurements(
        segment=segment,
        name=name,
        volume_ml=lesion.volume_ml,
        long_axis_mm=lesion.long_axis.length_mm,
        short_axis_mm=lesion.short_axis.length_mm,
        mean=lesion.intensity_mean,
        sd=lesion.intensity_sd,
        unit=_UCUM.get(modality, "1"),
        suv_mean=None if uptake is None else uptake.mean,
        suv_max=None if uptake is None else uptake.highest,
        suv_peak=None if uptake is None else uptake.peak,
    )


def acquisition_axis(grid: Grid) -> int:
    """Array axis that counts slices: the one with clearly the thickest voxels, else the one nearest to head-feet."""
    spacing = np.asarray(grid.spacing)
    thickest = int(np.argmax(spacing))
    if spacing[thickest] > _CLEARLY_THICKER * np.delete(spacing, thickest).max():
        return thickest
    return int(np.argmax(np.abs(grid.affine[2, :3]) / spacing))


def _bounding_box(inside: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Box of the voxels inside; empty where there are none."""
    box = []
    for axis in range(3):
        found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0))
    return tuple(box)


def _measure(
    components: NDArray[np.int32],
    number: int,
    box: tuple[slice, ...],
    affine: NDArray[np.float64],
    image: NDArray[np.number] | None,
    label: int,
    name: str,
    normal_axis: int,
) -> Lesion:
    mask = components[box] == number
    whole = Grid(components.shape, affine)  # type: ignore[arg-type]
    part = whole.crop(box)
    here = part.affine
    axes = in_plane_axes(mask, here, normal_axis=normal_axis)
    inside = None if image is None else image[box][mask].astype(float)
    voxels = int(mask.sum())
    return Lesion(
        number=number,
        label=label,
        name=name,
        voxels=voxels,
        volume_ml=voxels * whole.voxel_ml,
        long_axis=axes.long,
        short_axis=axes.short,
        slice_index=axes.slice_index + box[normal_axis].start,
        normal_axis=normal_axis,
        longest_diameter=longest_diameter(mask, here),
        centroid_mm=part.to_world(np.argwhere(mask).mean(axis=0)),
        intensity_mean=None if inside is None else float(inside.mean()),
        intensity_sd=None if inside is None else float(inside.std()),
        intensity_range=None if inside is None else (float(inside.min()), float(inside.max())),
    )
