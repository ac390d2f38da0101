"""RT Structure Sets: closed planar contours of masks, exact both ways (DICOM PS3.3 A.19, C.8.8.5, C.8.8.6)."""

from __future__ import annotations

import datetime
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.base import SOPClass
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.codes import Meaning
from monai_unet.io.dicom.contours import Polygon, fill, trace
from monai_unet.io.dicom.mask_frames import Masks, frames_on
from monai_unet.io.dicom.result_file import damage_named, open_result
from monai_unet.io.dicom.source import FLIP_XY, SourceImages, SourcePlane, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity, Segment, StoredSegmentation

_DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = Tag("ContourData")
OFF_PLANE = 0.25
"""Largest distance of a contour from the slice it is counted to, in slice spacings."""

Contours = Mapping[int, Mapping[int, Sequence[Polygon]]]
"""ROI number → slice k → polygons in (column, row) voxels."""


def write_rtstruct(
    masks: Masks,
    path: str | Path,
    *,
    source: SourceSeries,
    segments: Sequence[Segment],
    algorithm: AlgorithmIdentity,
) -> Path:
    """Write masks as an RT Structure Set on the images of `source`; arguments and errors as `write_seg`.

    Contours follow the edges of voxels, so that area and volume are those of the mask and any reader that fills them at
    voxel centres gets the mask back. A hole is joined to its outline by a keyhole. A structure without a voxel is an
    ROI without contours.
    """
    images = SourceImages(source)
    segments = sorted(segments, key=lambda segment: segment.number)
    frames = frames_on(masks, images.grid, segments, fractional=False)
    with warnings.catch_warnings():
        # highdicom's remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore")
        result = _document(images, algorithm)
    result.StructureSetROISequence = [_roi(s, images.first.FrameOfReferenceUID, algorithm) for s in segments]
    result.RTROIObservationsSequence = [_observation(segment) for segment in segments]
    result.ROIContourSequence = []
    for number, segment in enumerate(segments, start=1):
        item = Dataset()
        item.ROIDisplayColor = list(segment.rgb)
        item.ReferencedROINumber = segment.number
        contours = list(_contours(frames == number if frames.ndim == 3 else frames[..., number - 1] > 0, images))
        if contours:
            item.ContourSequence = contours
        result.ROIContourSequence.append(item)
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)


def _document(images: SourceImages, algorithm: AlgorithmIdentity) -> SOPClass:
    first, now = images.first, datetime.datetime.now()
    result = SOPClass(
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=provenance.new_uid(),
        series_number=provenance.SERIES_NUMBERS["RTSTRUCT"],
        sop_instance_uid=provenance.new_uid(),
        sop_class_uid=RTStructureSetStorage,
        instance_number=1,
        modality="RTSTRUCT",
        manufacturer=provenance.MANUFACTURER,
        manufacturer_model_name=algorithm.name[:64],
        software_versions=algorithm.version[:64],
        device_serial_number=provenance.serial_number(algorithm),
        # a contour may be longer than the 64 kB that explicit VR allows its element
        transfer_syntax_uid=ImplicitVRLittleEndian,
        patient_id=first.PatientID,
        patient_name=first.PatientName,
        patient_birth_date=first.PatientBirthDate,
        patient_sex=first.PatientSex,
        accession_number=first.AccessionNumber,
        study_id=first.StudyID,
        study_date=first.StudyDate,
        study_time=first.StudyTime,
        referring_physician_name=first.ReferringPhysicianName,
        series_description=provenance.series_description(algorithm, "RTSTRUCT"),
        specific_character_set="ISO_IR 192",
    )
    result.copy_patient_and_study_information(first)
    result.OperatorsName = ""
    result.FrameOfReferenceUID = first.FrameOfReferenceUID
    result.PositionReferenceIndicator = first.get("PositionReferenceIndicator", "")
    result.ContributingEquipmentSequence = [provenance.equipment(algorithm)]
    result.StructureSetLabel = "RESEARCH USE"
    result.StructureSetName = RESEARCH_USE
    result.StructureSetDescription = algorithm.sentence
    result.StructureSetDate, result.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    result.ApprovalStatus = "UNAPPROVED"
    result.ReferencedFrameOfReferenceSequence = [_referenced(images)]
    provenance.mark_deidentified(result, first)
    return result


def _referenced(images: SourceImages) -> Dataset:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images.first.SeriesInstanceUID
    series.ContourImageSequence = [_image(plane) for plane in images.planes]
    study.ReferencedSOPClassUID = _DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = images.first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = images.first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _image(plane: SourcePlane) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = plane.header.SOPClassUID
    item.ReferencedSOPInstanceUID = plane.header.SOPInstanceUID
    if plane.frame is not None:
        item.ReferencedFrameNumber = plane.frame
    return item


def _roi(segment: Segment, frame_of_reference: str, algorithm: AlgorithmIdentity) -> Dataset:
    item = Dataset()
    item.ROINumber = segment.number
    item.ReferencedFrameOfReferenceUID = frame_of_reference
    item.ROIName = segment.name[:64]
    item.ROIGenerationAlgorithm = segment.made_by or algorithm.made_by
    item.ROIGenerationDescription = f"{f'{algorithm.name} {algorithm.version}'[:42]} (research use only)"
    return item


def _observation(segment: Segment) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = segment.number
    item.ROIObservationLabel = segment.name[:16]
    item.RTROIIdentificationCodeSequence = [hd.sr.CodedConcept.from_code(segment.codes.type)]
    item.RTROIInterpretedType = ""
    item.ROIInterpreter = ""
    return item


def _contours(mask: NDArray[np.bool_], images: SourceImages) -> Iterator[Dataset]:
    along = images.grid.affine[:3, :2] * FLIP_XY[:, None]
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        plane = images.planes[k]
        for polygon in trace(mask[k]):
            points = plane.position + polygon @ along.T
            item = Dataset()
            item.ContourImageSequence = [_image(plane)]
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(points)
            item[_CONTOUR_DATA] = _decimals(points)
            yield item


def _decimals(points: NDArray[np.float64]) -> RawDataElement:
    """Coordinates as the bytes of a decimal string: pydicom makes and checks an object for each number otherwise."""
    text = "\\".join(f"{value:.4f}" for value in points.ravel()).encode("ascii")
    text += b" " * (len(text) % 2)
    return RawDataElement(_CONTOUR_DATA, "DS", len(text), text, 0, is_implicit_VR=True, is_little_endian=True)


def _points(contour: Dataset) -> NDArray[np.float64]:
    """Corners (n, 3) of a contour in LPS mm, without an object for each number."""
    element = contour.get_item(_CONTOUR_DATA)
    value = element.value if element is not None else b""
    numbers = value.split(b"\\") if isinstance(value, bytes) else list(value)
    return np.array(numbers, dtype=float).reshape(-1, 3)


def read_rtstruct(path: str | Path, *, source: SourceSeries) -> StoredSegmentation:
    """ROIs of an RT Structure Set as masks on the grid of the series it was drawn on.

    A voxel belongs to an ROI if its centre lies inside by the even-odd rule over all its closed contours in a slice:
    an inner contour is a hole, by keyhole or by a contour of its own. Open contours and points enclose nothing.

    Raises:
        InputError: not an RT Structure Set, drawn on another series, or contours that are not in its slices.
    """
    dataset = open_result(path, "rtstruct")
    if source.grid is None:
        raise InputError(f"{path}: the source series holds no volume; give the folder of the series it was drawn on.")
    with damage_named(path):
        notes = _check_series(path, dataset, source.headers()[0])
        rois = _numbered(dataset)
        contours, skipped = _read_contours(path, dataset, rois, np.linalg.inv(source.grid.affine), source.grid.shape)
        segments = [_segment(dataset, item, number) for item, number in rois]
        referenced_series = _referenced_series(dataset)
    if skipped:
        notes = (*notes, f"{skipped} contours that enclose nothing were left out")
    columns, rows, _ = source.grid.shape

    def planes(number: int) -> Iterator[tuple[int, NDArray[np.number] | NDArray[np.bool_]]]:
        for k, polygons in contours.get(number, {}).items():
            yield k, fill(polygons, (rows, columns))

    return StoredSegmentation(
        str(path), segments, source.grid, planes, referenced_series=referenced_series, notes=notes
    )


def _check_series(path: str | Path, dataset: Dataset, image: Dataset) -> tuple[str, ...]:
    referenced = _referenced_series(dataset)
    if referenced and referenced != image.SeriesInstanceUID:
        raise InputError(
            f"{path} was drawn on series {referenced}, not on {image.SeriesInstanceUID}; give the series it was drawn "
            "on."
        )
    if referenced:
        return ()
    frames = {str(item.get("ReferencedFrameOfReferenceUID")) for item in dataset.get("StructureSetROISequence") or []}
    if frames != {str(image.get("FrameOfReferenceUID"))}:
        raise InputError(
            f"{path} names no series and was drawn in another frame of reference than series "
            f"{image.SeriesInstanceUID}; give the series it was drawn on."
        )
    return ("names no series; matched by frame of reference",)


def _referenced_series(dataset: Dataset) -> str:
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                return str(series.SeriesInstanceUID)
    return ""


def _numbered(dataset: Dataset) -> list[tuple[Dataset, int]]:
    """ROIs with the value each has in a label map: its ROI number, or 1, 2, … where these cannot serve."""
    items = list(dataset.StructureSetROISequence)
    numbers = [int(item.ROINumber) for item in items]
    usable = min(numbers, default=1) > 0 and len(set(numbers)) == len(numbers)
    return list(zip(items, numbers if usable else range(1, len(items) + 1), strict=True))


def _read_contours(
    path: str | Path,
    dataset: Dataset,
    rois: Sequence[tuple[Dataset, int]],
    to_voxels: NDArray[np.generic],
    shape: tuple[int, int, int],
) -> tuple[Contours, int]:
    number_of = {int(item.ROINumber): number for item, number in rois}
    found: dict[int, dict[int, list[Polygon]]] = defaultdict(lambda: defaultdict(list))
    skipped = 0
    for roi in dataset.get("ROIContourSequence") or []:
        for contour in roi.get("ContourSequence") or []:
            if not str(contour.ContourGeometricType).startswith("CLOSED") or len(points := _points(contour)) < 3:
                skipped += 1
                continue
            voxels = (points * FLIP_XY) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
            k = round(float(voxels[:, 2].mean()))
            if np.abs(voxels[:, 2] - k).max() > OFF_PLANE or not 0 <= k < shape[2]:
                raise InputError(
                    f"{path}: a contour of ROI {roi.ReferencedROINumber} lies between or outside the slices of the "
                    f"series (slice {voxels[:, 2].min() + 1:.2f} to {voxels[:, 2].max() + 1:.2f} of {shape[2]}); give "
                    "the whole series it was drawn on."
                )
            found[number_of[int(roi.ReferencedROINumber)]][k].append(voxels[:, :2])
    return found, skipped


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
