"""RT Structure Sets: closed planar contours of masks, exact both ways (DICOM PS3.3 A.19, C.8.8.6)."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.base import SOPClass
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.contours import trace
from monai_unet.io.dicom.mask_frames import Masks, frames_on
from monai_unet.io.dicom.source import FLIP_XY, SourceImages, SourcePlane, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity, Segment

_DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = Tag("ContourData")


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
        warnings.simplefilter("ignore", UserWarning)
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
