"""Every connected part of every structure of a mask, measured on the series it was drawn on, for a DICOM report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of, place, to_working_frame
from monai_unet.io import AlgorithmIdentity, LesionMeasurements, MaskFile, Segment, read_series
from monai_unet.io.dicom import DicomSeries, SourceSeries, new_uid, write_seg, write_sr
from monai_unet.measurement.lesions import component_map, for_report, measure_lesions


@dataclass(frozen=True, eq=False)
class MeasuredParts:
    """A label map (1, S, A, R) of connected parts, and for each its segment and its measurements."""

    labels: MetaTensor
    segments: tuple[Segment, ...]
    lesions: tuple[LesionMeasurements, ...]


def measure_parts(mask: MaskFile, image: MetaTensor, series: DicomSeries) -> MeasuredParts:
    """Measure every connected part of every structure.

    Args:
        mask: one label map (1, S, A, R) with its segments.
        image: (1, S, A, R) the series' voxels, for intensities.
        series: on whose grid the parts are put, and whose slices diameters are measured in.

    Raises:
        InputError: the mask does not lie on the series.
    """
    assert series.grid is not None
    file = str(mask.masks.meta["filename_or_obj"])
    placed = place(mask.masks.numpy()[0], grid_of(mask.masks), series.grid, name=file)
    labels, grid = to_working_frame(placed, series.grid)
    slices = int(np.argmax(np.abs(np.linalg.inv(series.grid.affine) @ grid.affine)[2, :3]))
    parts = np.zeros(labels.shape, dtype=np.uint16)
    segments: list[Segment] = []
    lesions: list[LesionMeasurements] = []
    for segment in mask.segments:
        components = component_map(labels == segment.number)
        found = measure_lesions(components, grid.affine, image=image.numpy()[0], normal_axis=slices)
        for lesion in found:
            number = len(segments) + 1
            name = f"{segment.name} {lesion.number}" if len(found) > 1 else segment.name
            parts[components == lesion.number] = number
            segments.append(
                Segment(
                    number,
                    name,
                    meaning=segment.codes,
                    color=segment.color,
                    tracking_id=name[:64],
                    tracking_uid=str(new_uid()),
                )
            )
            lesions.append(for_report(lesion, segment=number, name=name, modality=series.modality))
    return MeasuredParts(MetaTensor(parts[None], affine=torch.as_tensor(grid.affine)), tuple(segments), tuple(lesions))


def segmentation_beside(report: Path) -> Path:
    """Where the segmentation lies that a report refers to."""
    return report.with_name(f"{report.stem}.seg.dcm")


def write_lesion_report(
    mask: MaskFile,
    path: Path,
    *,
    images: Path,
    series: DicomSeries,
    target: SourceSeries,
    algorithm: AlgorithmIdentity,
) -> Path:
    """Write a report of every lesion's size and, beside it, the segmentation it refers to, whose path is given back.

    Args:
        mask: what is reported; one label map.
        path: of the report.
        images: folder, DICOMDIR or zip that holds the series, read for intensities.
        series: the images it was drawn on.
        target: the same series, or a de-identified one, as both files refer to it.
        algorithm: what drew the mask.

    Raises:
        InputError: structures overlap, the mask is empty, or it does not lie on the series.
    """
    file = str(mask.masks.meta["filename_or_obj"])
    if len(mask.masks) > 1:
        raise InputError(f"{file} has structures that overlap; report them one at a time.")
    parts = measure_parts(mask, read_series(images, series=series.id), series)
    if not parts.lesions:
        raise InputError(f"{file} is empty: there is no lesion to report.")
    segmentation = segmentation_beside(path)
    there = segmentation.exists()
    write_seg(parts.labels, segmentation, source=target, segments=parts.segments, algorithm=algorithm)
    try:
        write_sr(parts.lesions, path, source=target, segmentation=segmentation, algorithm=algorithm)
    except BaseException:
        # a segmentation without the report that was asked for
        if not there:
            segmentation.unlink(missing_ok=True)
        raise
    return segmentation
