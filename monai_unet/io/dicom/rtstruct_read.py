"""RT Structure Sets read as masks: what the closed contours of each ROI enclose (DICOM PS3.3 C.8.8.5, C.8.8.6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from monai_unet.errors import InputError
from monai_unet.io.dicom.codes import Meaning
from monai_unet.io.dicom.contour_areas import area, fill_planar, fill_xor
from monai_unet.io.dicom.contours import Polygon
from monai_unet.io.dicom.result_file import damage_named, open_result
from monai_unet.io.dicom.source import FLIP_XY, SourceSeries, common_frame_of_reference, frames_of_reference
from monai_unet.io.results import Segment, StoredSegmentation

OFF_PLANE = 0.25
"""Largest distance of a contour from the slice it is counted to, in slice spacings."""

_CONTOUR_DATA = Tag("ContourData")
_XOR = "CLOSEDPLANAR_XOR"


@dataclass
class _Roi:
    """What one ROI holds: polygons in (column, row) voxels per slice k, and what encloses nothing."""

    planar: dict[int, list[Polygon]] = field(default_factory=lambda: defaultdict(list))
    exclusive: dict[int, list[Polygon]] = field(default_factory=lambda: defaultdict(list))
    open_contours: int = 0


@dataclass(frozen=True, eq=False)
class _Plane:
    """What an ROI covers in one slice: the part of the mask that is not empty, and the (row, column) it begins at."""

    low: tuple[int, int]
    mask: NDArray[np.bool_]

    def within(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        whole = np.zeros(shape, dtype=bool)
        (top, left), (rows, columns) = self.low, self.mask.shape
        whole[top : top + rows, left : left + columns] = self.mask
        return whole


def read_rtstruct(path: str | Path, *, source: SourceSeries) -> StoredSegmentation:
    """ROIs of an RT Structure Set as masks on the grid of the series it was drawn on.

    A voxel belongs to an ROI if its centre lies inside. A contour inside another is a hole, as is a keyhole; contours
    that overlap in part are united, one that is stored twice counts once, those of type CLOSEDPLANAR_XOR are combined
    by exclusive or. Open contours and points enclose nothing. All of this stands in the notes.

    Raises:
        InputError: not an RT Structure Set, drawn on another series, or contours that are not in its slices.
    """
    dataset = open_result(path, "rtstruct")
    if source.grid is None:
        raise InputError(f"{path}: the source series holds no volume; give the folder of the series it was drawn on.")
    with damage_named(path):
        notes = _check_series(path, dataset, source.headers())
        items, twice = _items(path, dataset)
        rois = _numbered(items)
        found = _read_contours(path, dataset, rois, np.linalg.inv(source.grid.affine), source.grid.shape)
        segments = [_segment(dataset, item, number) for item, number in rois]
        referenced_series = ", ".join(_referenced_series(dataset)[:1])
        columns, rows, _ = source.grid.shape
        filled, more = _filled(found, segments, (rows, columns), source.grid.spacing)
    if twice:
        notes.append(f"{twice} ROIs that are there twice count once")

    def planes(number: int) -> Iterator[tuple[int, NDArray[Any]]]:
        for k, plane in filled.get(number, {}).items():
            yield k, plane.within((rows, columns))

    return StoredSegmentation(
        str(path),
        segments,
        source.grid,
        planes,
        referenced_series=referenced_series,
        notes=(*notes, *more),
    )


def _check_series(path: str | Path, dataset: Dataset, images: Sequence[Dataset]) -> list[str]:
    referenced, series = _referenced_series(dataset), str(images[0].SeriesInstanceUID)
    if referenced and series not in referenced:
        raise InputError(
            f"{path} was drawn on series {', '.join(referenced)}, not on {series}; give the series it was drawn on."
        )
    if referenced:
        return []
    frames = {str(item.get("ReferencedFrameOfReferenceUID")) for item in dataset.get("StructureSetROISequence") or []}
    if not frames or not frames <= {*frames_of_reference(images), common_frame_of_reference(images)}:
        raise InputError(
            f"{path} names no series and was drawn in another frame of reference than series {series}; "
            "give the series it was drawn on."
        )
    return ["names no series; matched by frame of reference"]


def _referenced_series(dataset: Dataset) -> list[str]:
    found = [
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    ]
    return list(dict.fromkeys(found))


def _items(path: str | Path, dataset: Dataset) -> tuple[list[Dataset], int]:
    """ROIs, and how many are left out because they are there twice.

    Raises:
        InputError: different ROIs have one number, so that contours belong to either.
    """
    kept: dict[int, Dataset] = {}
    twice = 0
    for item in dataset.StructureSetROISequence:
        other = kept.setdefault(int(item.ROINumber), item)
        if other is item:
            continue
        if str(other.get("ROIName")) != str(item.get("ROIName")):
            raise InputError(
                f"{path}: the ROIs '{other.get('ROIName')}' and '{item.get('ROIName')}' have one number, "
                f"{item.ROINumber}, so that it is not known whose its contours are; export it again."
            )
        twice += 1
    return list(kept.values()), twice


def _numbered(items: Sequence[Dataset]) -> list[tuple[Dataset, int]]:
    """ROIs with the value each has in a label map: its ROI number, or 1, 2, … where these cannot serve."""
    usable = min((int(item.ROINumber) for item in items), default=1) > 0
    return [(item, int(item.ROINumber) if usable else n) for n, item in enumerate(items, 1)]


def _read_contours(
    path: str | Path,
    dataset: Dataset,
    rois: Sequence[tuple[Dataset, int]],
    to_voxels: NDArray[Any],
    shape: tuple[int, int, int],
) -> dict[int, _Roi]:
    number_of = {int(item.ROINumber): number for item, number in rois}
    found: dict[int, _Roi] = {}
    for item in dataset.get("ROIContourSequence") or []:
        referenced = int(item.ReferencedROINumber)
        if referenced not in number_of:
            raise InputError(f"{path}: it has contours of ROI {referenced}, which it does not name; export it again.")
        roi = found.setdefault(number_of[referenced], _Roi())
        for contour in item.get("ContourSequence") or []:
            kind = str(contour.ContourGeometricType)
            if not kind.startswith("CLOSED") or len(points := _points(contour)) < 3:
                roi.open_contours += 1
                continue
            voxels = (points * FLIP_XY) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
            k = round(float(voxels[:, 2].mean()))
            if np.abs(voxels[:, 2] - k).max() > OFF_PLANE or not 0 <= k < shape[2]:
                raise InputError(
                    f"{path}: a contour of ROI {referenced} lies between or outside the slices of the "
                    f"series (slice {voxels[:, 2].min() + 1:.2f} to {voxels[:, 2].max() + 1:.2f} of {shape[2]}); give "
                    "the whole series it was drawn on."
                )
            (roi.exclusive if kind == _XOR else roi.planar)[k].append(voxels[:, :2])
    return found


def _points(contour: Dataset) -> NDArray[np.float64]:
    """Corners (n, 3) of a contour in LPS mm, without an object for each number."""
    element = contour.get_item(_CONTOUR_DATA)
    value = element.value if element is not None else b""
    numbers = value.split(b"\\") if isinstance(value, bytes) else list(value)
    points = np.array(numbers, dtype=float).reshape(-1, 3)
    stated = contour.get("NumberOfContourPoints")
    if stated not in (None, "") and int(stated) != len(points):
        raise ValueError(f"a contour states {stated} points and holds {len(points)}")
    return points


def _filled(
    rois: Mapping[int, _Roi], segments: Sequence[Segment], shape: tuple[int, int], spacing: Sequence[float]
) -> tuple[dict[int, dict[int, _Plane]], list[str]]:
    """Masks per ROI and slice, and what was decided in making them."""
    names = {segment.number: segment.name for segment in segments}
    filled: dict[int, dict[int, _Plane]] = {}
    counts: Counter[str] = Counter()
    united: dict[str, int] = {}
    empty: list[str] = []
    for number, roi in rois.items():
        planes: dict[int, _Plane] = {}
        overlapping = 0
        for k in sorted({*roi.planar, *roi.exclusive}):
            mask: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
            if roi.planar[k]:
                one = fill_planar(roi.planar[k], shape)
                mask, overlapping = one.mask, overlapping + one.united
                counts["repeated"] += one.repeated
            if roi.exclusive[k]:
                mask = mask ^ fill_xor(roi.exclusive[k], shape)
            if mask.any():
                planes[k] = _cropped(mask)
        filled[number] = planes
        counts["open"] += roi.open_contours
        if overlapping:
            united[names[number]] = overlapping
        if not planes:
            empty += _why_empty(names[number], roi, spacing)
    notes = []
    if counts["open"]:
        notes.append(f"{counts['open']} contours that enclose nothing were left out")
    if counts["repeated"]:
        notes.append(f"{counts['repeated']} contours that are there twice count once")
    notes += [f"{count} overlapping contours of '{name}' were united" for name, count in united.items()]
    return filled, notes + empty


def _why_empty(name: str, roi: _Roi, spacing: Sequence[float]) -> list[str]:
    polygons = [p for group in (roi.planar, roi.exclusive) for found in group.values() for p in found]
    if polygons:
        enclosed = sum(map(area, polygons)) * spacing[0] * spacing[1]
        return [f"'{name}' got no voxel, though its {len(polygons)} contours enclose {enclosed:.2g} mm²"]
    return [f"'{name}' got no voxel: it holds points or open contours only"] if roi.open_contours else []


def _cropped(mask: NDArray[np.bool_]) -> _Plane:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return _Plane((int(rows[0]), int(columns[0])), mask[window].copy())


def _segment(dataset: Dataset, item: Dataset, number: int) -> Segment:
    def same(sequence: str) -> Dataset:
        items = dataset.get(sequence) or []
        return next((i for i in items if int(i.ReferencedROINumber) == int(item.ROINumber)), Dataset())

    color = same("ROIContourSequence").get("ROIDisplayColor")
    codes = same("RTROIObservationsSequence").get("RTROIIdentificationCodeSequence")
    name = str(item.get("ROIName") or f"ROI {item.ROINumber}")
    plain = Segment(number, name, color=(int(color[0]), int(color[1]), int(color[2])) if color else None)
    meaning = None
    if codes:
        code = Code(str(codes[0].CodeValue), str(codes[0].CodingSchemeDesignator), str(codes[0].CodeMeaning))
        meaning = Meaning(plain.codes.category, code, plain.codes.laterality)
    return Segment(
        number,
        name,
        meaning=meaning,
        color=plain.color,
        made_by=str(item.get("ROIGenerationAlgorithm") or ""),
        algorithm=str(item.get("ROIGenerationDescription") or ""),
    )
