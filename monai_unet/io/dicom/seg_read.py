"""DICOM Segmentation objects of any maker, read by the position of each frame (DICOM PS3.3 C.8.20.2, C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import pixel_array
from pydicom.sr.coding import Code

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.dicom.codes import Meaning
from monai_unet.io.dicom.result_file import damage_named, open_result
from monai_unet.io.dicom.seg_checks import check_pixels, check_planes, check_segments
from monai_unet.io.dicom.source import FLIP_XY, SourceSeries, common_frame_of_reference, frames_of_reference
from monai_unet.io.results import Segment, StoredSegmentation

LARGEST_EDGE = 20_000
"""Voxels along an axis beyond which a header is believed to be damaged."""


@dataclass(frozen=True, eq=False)
class _Frame:
    index: int
    segment: int
    """Number of its segment; 0 for a frame that is a label map."""
    position: NDArray[np.float64]


def read_seg(path: str | Path, *, source: SourceSeries | None = None) -> StoredSegmentation:
    """Segments and masks of a DICOM SEG: binary, fractional or label map, overlapping or not.

    Args:
        source: series to put the masks on, voxel for voxel; without it they lie on the grid of their own frames,
            which ends at the outermost slices that hold a mask.

    Raises:
        InputError: not a readable SEG, no position in a patient, uneven slices, or voxels that are not the source's.
    """
    dataset = open_result(path, "seg")
    with damage_named(path):
        placed = _has_positions(dataset)
    if not placed:
        raise InputError(f"{path} has no positions in a patient (an X-ray or a microscopy slide); it cannot be used.")
    with damage_named(path):
        if source is not None:
            _check_frame_of_reference(path, dataset, source)
        frames = _frames(dataset)
        grid = _grid(dataset, frames, source.grid if source is not None else None, path)
        kind = str(dataset.get("SegmentationType", ""))
        segments = [_segment(item) for item in dataset.SegmentSequence if int(item.SegmentNumber) > 0]
        slice_of = {frame.index: _slice(frame.position, grid) for frame in frames}
        check_segments(dataset, [(frame.segment, slice_of[frame.index]) for frame in frames], kind)
        check_pixels(dataset, kind)
        scale = 1.0 / float(dataset.MaximumFractionalValue) if kind == "FRACTIONAL" else 1.0
        known = {0, *(int(item.SegmentNumber) for item in dataset.SegmentSequence)}
        referenced_series = _referenced_series(dataset)
    if max(grid.shape) > LARGEST_EDGE:
        raise InputError(f"{path} spans {grid.shape[2]} slices of {grid.shape[0]}×{grid.shape[1]}; it is damaged.")

    def planes(number: int) -> Iterator[tuple[int, NDArray[np.number] | NDArray[np.bool_]]]:
        for frame in frames:
            if frame.segment not in (0, number):
                continue
            pixels = _pixels(dataset, frame.index, grid, path)
            if kind == "LABELMAP" and not known.issuperset(found := set(np.unique(pixels).tolist())):
                raise InputError(f"{path} holds the values {sorted(found - known)}, which it does not describe.")
            if kind == "FRACTIONAL" and pixels.max(initial=0) * scale > 1 + 1e-6:
                raise InputError(f"{path} holds fractions beyond its Maximum Fractional Value; export it again.")
            if kind == "FRACTIONAL":
                yield slice_of[frame.index], pixels.astype(np.float32) * np.float32(scale)
            else:
                yield slice_of[frame.index], pixels == number if kind == "LABELMAP" else pixels.astype(bool)

    return StoredSegmentation(
        str(path),
        segments,
        grid,
        planes,
        fractional=kind == "FRACTIONAL",
        onto=source.grid if source is not None else None,
        referenced_series=referenced_series,
    )


def _has_positions(dataset: Dataset) -> bool:
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    return bool(groups) and all(
        "PlanePositionSequence" in item or "PlanePositionSequence" in shared[0] for item in groups
    )


def _pixels(dataset: FileDataset, index: int, grid: Grid, path: str | Path) -> NDArray[np.integer]:
    with damage_named(path):
        if dataset.BitsAllocated == 1 and not dataset.file_meta.TransferSyntaxUID.is_compressed:
            return _unpacked(dataset.PixelData, index, (int(dataset.Rows), int(dataset.Columns)))
        pixels = pixel_array(dataset, index=index, raw=True)
        if pixels.shape != grid.shape[1::-1]:
            raise ValueError(f"frame {index + 1} is {pixels.shape}")
        return pixels


def _unpacked(packed: bytes, index: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """One frame of bits: frames follow each other without padding, the first pixel in the lowest bit (PS3.5 8.1.1).

    pydicom 3.0.2 cannot decode a single frame that does not begin on a whole byte.
    """
    size = shape[0] * shape[1]
    first, shift = divmod(index * size, 8)
    bits = np.unpackbits(np.frombuffer(packed, np.uint8, offset=first), count=shift + size, bitorder="little")
    return bits[shift : shift + size].reshape(shape)


def _frames(dataset: Dataset) -> list[_Frame]:
    shared = dataset.SharedFunctionalGroupsSequence[0]
    found = []
    for index, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        segment = 0
        if dataset.SegmentationType != "LABELMAP":
            identification = own.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
            segment = int(identification[0].ReferencedSegmentNumber)
        position = (own.get("PlanePositionSequence") or shared.PlanePositionSequence)[0]
        found.append(_Frame(index, segment, np.array(position.ImagePositionPatient, dtype=float)))
    return found


def _grid(dataset: Dataset, frames: list[_Frame], hint: Grid | None, path: str | Path) -> Grid:
    shared, first = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence[0]
    orientation = (shared.get("PlaneOrientationSequence") or first.PlaneOrientationSequence)[0]
    measures = (shared.get("PixelMeasuresSequence") or first.PixelMeasuresSequence)[0]
    check_planes(dataset, orientation, measures)
    cosines = np.array(orientation.ImageOrientationPatient, dtype=float).reshape(2, 3)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    row_spacing, column_spacing = (float(value) for value in measures.PixelSpacing)
    normal = np.cross(cosines[0], cosines[1])
    positions = np.unique(np.array([frame.position for frame in frames]).round(6), axis=0)
    positions = positions[np.argsort(positions @ normal)]
    between = abs(float(measures.get("SpacingBetweenSlices") or 0))
    thickness = abs(float(measures.get("SliceThickness") or 0))
    for step in _steps(positions, normal, between, thickness, hint):
        count = (positions - positions[0]) @ normal / (step @ normal)
        off = positions - positions[0] - np.rint(count)[:, None] * step
        if np.abs(off).max() <= 0.1 * min(row_spacing, column_spacing):
            affine = np.eye(4)
            columns = [cosines[0] * column_spacing, cosines[1] * row_spacing, step, positions[0]]
            affine[:3] = (np.stack(columns, axis=1).T * FLIP_XY).T
            grid = Grid((int(dataset.Columns), int(dataset.Rows), round(count[-1]) + 1), affine)
            if reason := grid.no_patient():
                raise InputError(f"{path} {reason}")
            return grid
    raise InputError(
        f"{path}: its frames are unevenly spaced ({', '.join(f'{v:.2f}' for v in positions @ normal)} mm along the "
        "normal); give the series it was drawn on."
    )


def _steps(
    positions: NDArray[np.float64], normal: NDArray[np.float64], between: float, thickness: float, hint: Grid | None
) -> Iterator[NDArray[np.float64]]:
    """Candidates for the vector from a slice to the next one, most trusted first."""
    if hint is not None:
        columns = (hint.affine[:3, :3].T * FLIP_XY) / np.array(hint.spacing)[:, None]
        along = int(np.abs(columns @ normal).argmax())
        step = hint.affine[:3, along] * FLIP_XY
        yield step * np.sign(step @ normal)
    gaps = np.diff(positions, axis=0)
    if len(gaps):
        line = (positions[-1] - positions[0]) / ((positions[-1] - positions[0]) @ normal)
        if between:
            yield line * between
        yield gaps[(gaps @ normal).argmin()]
    else:
        yield normal * (between or thickness or 1.0)


def _slice(position: NDArray[np.float64], grid: Grid) -> int:
    return round((np.linalg.inv(grid.affine) @ [*(position * FLIP_XY), 1.0])[2])


def _segment(item: Dataset) -> Segment:
    color = item.get("RecommendedDisplayCIELabValue")
    modifier = item.SegmentedPropertyTypeCodeSequence[0].get("SegmentedPropertyTypeModifierCodeSequence")
    return Segment(
        number=int(item.SegmentNumber),
        name=str(item.SegmentLabel),
        meaning=Meaning(
            _code(item.SegmentedPropertyCategoryCodeSequence[0]),
            _code(item.SegmentedPropertyTypeCodeSequence[0]),
            _code(modifier[0]) if modifier else None,
        ),
        color=CIELabColor.from_dicom_value(list(color)).to_rgb(clip=True) if color else None,
        tracking_id=str(item.get("TrackingID", "")),
        tracking_uid=str(item.get("TrackingUID", "")),
        made_by=str(item.get("SegmentAlgorithmType", "")),
        algorithm=str(item.get("SegmentAlgorithmName", "")),
    )


def _code(item: Dataset) -> Code:
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    return Code(str(value), str(item.get("CodingSchemeDesignator", "")), str(item.CodeMeaning))


def _referenced_series(dataset: Dataset) -> str:
    referenced = dataset.get("ReferencedSeriesSequence")
    return str(referenced[0].get("SeriesInstanceUID", "")) if referenced else ""


def _check_frame_of_reference(path: str | Path, dataset: Dataset, source: SourceSeries) -> None:
    headers = source.headers()
    ours, theirs = dataset.get("FrameOfReferenceUID"), frames_of_reference(headers)
    if ours and theirs and ours not in {*theirs, common_frame_of_reference(headers)}:
        raise InputError(
            f"{path} was drawn in another frame of reference than the source series; give the series it was drawn on"
            f" ({_referenced_series(dataset) or 'the file does not name it'})."
        )
