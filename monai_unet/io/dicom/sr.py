"""Structured Reports of lesion measurements: template TID 1500 with one TID 1411 group per lesion (DICOM PS3.16).

The measurements come in finished; nothing is measured here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.result_file import damage_named, open_result
from monai_unet.io.dicom.seg_read import read_seg
from monai_unet.io.dicom.source import SourceImages, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity, LesionMeasurements, Segment

_MILLILITER = Code("ml", "UCUM", "milliliter")
_PROCEDURES = {
    "CT": codes.cid100.CTUnspecifiedBodyRegion,
    "MR": codes.cid100.MRIUnspecifiedBodyRegion,
    "PT": codes.cid100.PETUnspecifiedBodyRegion,
    "NM": codes.cid100.NMUnspecifiedBodyRegion,
}
_INTENSITIES = {
    "CT": codes.cid7469.AttenuationCoefficient,
    "MR": codes.cid7469.MRSignalIntensity,
    "PT": codes.cid7469.NuclearMedicineTomographicActivity,
    "NM": codes.cid7469.NuclearMedicineTomographicActivity,
}
_SUV = {"suv_mean": codes.SCT.Mean, "suv_max": codes.SCT.Maximum, "suv_peak": codes.DCM.PeakValueWithinROI}
_UNITS = {
    code.value: code for code in (codes.UCUM.HounsfieldUnit, codes.UCUM.NoUnits, codes.UCUM.BecquerelsPerMilliliter)
}


@dataclass(frozen=True)
class Report:
    """A measurement report that was read.

    Attributes:
        lesions: one entry per measurement group.
        segmentation_uid: SOPInstanceUID of the DICOM SEG that the groups refer to; empty when they refer to none.
        image_uids: SOPInstanceUIDs of the source images named with the segments.
    """

    lesions: tuple[LesionMeasurements, ...]
    segmentation_uid: str
    image_uids: frozenset[str]


def write_sr(
    lesions: Sequence[LesionMeasurements],
    path: str | Path,
    *,
    source: SourceSeries,
    segmentation: str | Path,
    algorithm: AlgorithmIdentity,
) -> Path:
    """Write measurements as a Comprehensive 3D SR that refers to the segments of a DICOM SEG and to its images.

    Args:
        lesions: their `segment` is a segment of the SEG, from which each takes its tracking identifiers.
        segmentation: the DICOM SEG file, on the images of `source`.

    Raises:
        InputError: no lesion, or one whose segment the SEG lacks or has no voxel of.
    """
    if not lesions:
        raise InputError("There is no lesion to report; a measurement report needs at least one.")
    images = SourceImages(source)
    seg = open_result(segmentation, "seg")
    segments = {segment.number: segment for segment in read_seg(segmentation).segments}
    missing = [lesion.name for lesion in lesions if lesion.segment not in segments]
    if missing:
        raise InputError(f"{segmentation} has no segment for {', '.join(missing)}; write it from the same mask.")
    modality = str(images.first.get("Modality", ""))
    device_name = f"monai-unet {algorithm.name}"[:64]
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=provenance.new_uid(),
            name=device_name,
            manufacturer_name=provenance.MANUFACTURER,
            model_name=algorithm.name[:64],
            serial_number=provenance.serial_number(algorithm),
        ),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_PROCEDURES.get(modality, codes.cid100.CTUnspecifiedBodyRegion),
        imaging_measurements=[_group(m, segments[m.segment], seg, images, algorithm) for m in lesions],
        title=codes.cid7021.ImagingMeasurementReport,
    )
    with warnings.catch_warnings():
        # highdicom's remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore", UserWarning)
        result = hd.sr.Comprehensive3DSR(
            evidence=[*images.headers, seg],
            content=report,
            is_complete=True,
            **provenance.header(algorithm, "SR"),
        )
    provenance.mark_deidentified(result, images.first)
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)


def _group(
    lesion: LesionMeasurements, segment: Segment, seg: Dataset, images: SourceImages, algorithm: AlgorithmIdentity
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    meaning = segment.codes
    sites = [hd.sr.FindingSite(meaning.type, laterality=meaning.laterality)] if meaning.laterality else None
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=lesion.tracking_uid or segment.tracking_uid, identifier=lesion.tracking_id or segment.tracking_id
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=lesion.segment,
            source_images=list(_source_images(seg, lesion, images)),
        ),
        finding_category=meaning.category,
        finding_type=lesion.finding or meaning.type,
        finding_sites=sites,
        algorithm_id=hd.sr.AlgorithmIdentification(
            name=algorithm.name,
            version=algorithm.version,
            parameters=[f"weights_sha256={algorithm.weights_sha256 or 'none'}", f"intended_use={RESEARCH_USE}"],
        ),
        measurements=list(_measurements(lesion, str(images.first.get("Modality", "")))),
    )


def _source_images(
    seg: Dataset, lesion: LesionMeasurements, images: SourceImages
) -> Iterator[hd.sr.SourceImageForSegmentation]:
    """The images in which the lesion's segment has a frame."""
    known = {str(header.SOPInstanceUID) for header in images.headers}
    shared = seg.SharedFunctionalGroupsSequence[0]
    frames: dict[tuple[str, str], set[int]] = {}
    for own in seg.PerFrameFunctionalGroupsSequence:
        identification = own.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        if int(identification[0].ReferencedSegmentNumber) != lesion.segment:
            continue
        for derivation in own.get("DerivationImageSequence") or []:
            for image in derivation.SourceImageSequence:
                key = str(image.ReferencedSOPClassUID), str(image.ReferencedSOPInstanceUID)
                number = image.get("ReferencedFrameNumber")
                frames.setdefault(key, set()).update([int(number)] if number is not None else [])
    if not frames:
        raise InputError(f"Segment {lesion.segment} ('{lesion.name}') has no voxel in the SEG; it cannot be reported.")
    if not {instance for _, instance in frames} <= known:
        raise InputError("The SEG was not made on the source series given; give the series it was made on.")
    for (sop_class, instance), numbers in frames.items():
        yield hd.sr.SourceImageForSegmentation(sop_class, instance, sorted(numbers) or None)


def _measurements(lesion: LesionMeasurements, modality: str) -> Iterator[hd.sr.Measurement]:
    recist = codes.cid6147.RECIST1Point1
    millimeter = codes.UCUM.Millimeter
    yield hd.sr.Measurement(name=codes.SCT.Volume, value=_digits(lesion.volume_ml), unit=_MILLILITER)
    if lesion.long_axis_mm is not None:
        value = _digits(lesion.long_axis_mm)
        yield hd.sr.Measurement(name=codes.SCT.LongAxis, value=value, unit=millimeter, method=recist)
    if lesion.short_axis_mm is not None:
        value = _digits(lesion.short_axis_mm)
        yield hd.sr.Measurement(name=codes.SCT.ShortAxis, value=value, unit=millimeter, method=recist)
    intensity = _INTENSITIES.get(modality, codes.cid7469.MRSignalIntensity)
    unit = _UNITS.get(lesion.unit, Code(lesion.unit, "UCUM", lesion.unit))
    for number, derivation in ((lesion.mean, codes.SCT.Mean), (lesion.sd, codes.SCT.StandardDeviation)):
        if number is not None:
            yield hd.sr.Measurement(name=intensity, value=_digits(number), unit=unit, derivation=derivation)
    for name, derivation in _SUV.items():
        number = getattr(lesion, name)
        if number is not None:
            yield hd.sr.Measurement(
                name=codes.cid7469.Suvbw,
                value=_digits(number),
                unit=codes.UCUM.StandardizedUptakeValueBodyWeight,
                derivation=derivation,
            )


def _digits(value: float) -> float:
    """Six significant digits: what a decimal string of 16 characters holds, and more than anyone measures."""
    return float(f"{value:.6g}")


def read_sr(path: str | Path) -> Report:
    """Measurements of a TID 1500 report, whoever wrote it; codes of the retired SRT scheme are understood.

    Measurement groups without a volume are left out.

    Raises:
        InputError: not a structured report, or no group with a volume in it.
    """
    dataset = open_result(path, "sr")
    with damage_named(path):
        groups = [item for item in _descendants(dataset) if _name(item) == codes.DCM.MeasurementGroup]
        found = [lesion for lesion in map(_lesion, groups) if lesion is not None]
        segmentations, images = _references(groups)
    if not found:
        raise InputError(f"{path} holds no volume of a lesion; it is another kind of report.")
    return Report(tuple(found), next(iter(sorted(segmentations)), ""), frozenset(images))


def _references(groups: Sequence[Dataset]) -> tuple[set[str], set[str]]:
    """SOPInstanceUIDs of the segmentations and of the images that measurement groups name."""
    segmentations: set[str] = set()
    images: set[str] = set()
    for group in groups:
        for item in _descendants(group):
            for reference in item.get("ReferencedSOPSequence") or []:
                is_segment = "ReferencedSegmentNumber" in reference
                (segmentations if is_segment else images).add(str(reference.ReferencedSOPInstanceUID))
    return segmentations, images


def _lesion(group: Dataset) -> LesionMeasurements | None:
    values: dict[str, float] = {}
    unit, tracking_id, tracking_uid, segment, finding = "1", "", "", 0, None
    for item in group.get("ContentSequence") or []:
        name = _name(item)
        if item.ValueType == "NUM" and item.MeasuredValueSequence:
            kind = _kind(item)
            values[kind] = float(item.MeasuredValueSequence[0].NumericValue)
            if kind in ("mean", "sd"):
                unit = str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)
        elif name == codes.DCM.TrackingIdentifier:
            tracking_id = str(item.TextValue)
        elif name == codes.DCM.TrackingUniqueIdentifier:
            tracking_uid = str(item.UID)
        elif name == codes.DCM.ReferencedSegment:
            segment = int(item.ReferencedSOPSequence[0].ReferencedSegmentNumber)
        elif name == codes.DCM.Finding:
            finding = _code(item.ConceptCodeSequence[0])
    if "volume" not in values:
        return None
    return LesionMeasurements(
        segment=segment,
        name=tracking_id,
        volume_ml=values["volume"],
        long_axis_mm=values.get("long"),
        short_axis_mm=values.get("short"),
        mean=values.get("mean"),
        sd=values.get("sd"),
        suv_mean=values.get("suv_mean"),
        suv_max=values.get("suv_max"),
        suv_peak=values.get("suv_peak"),
        unit=unit,
        tracking_id=tracking_id,
        tracking_uid=tracking_uid,
        finding=finding,
    )


def _kind(item: Dataset) -> str:
    name = _name(item)
    for code, kind in ((codes.SCT.Volume, "volume"), (codes.SCT.LongAxis, "long"), (codes.SCT.ShortAxis, "short")):
        if name == code:
            return kind
    modifiers = [_code(m.ConceptCodeSequence[0]) for m in item.get("ContentSequence") or [] if m.ValueType == "CODE"]
    if name == codes.cid7469.Suvbw:
        return next((kind for kind, code in _SUV.items() if code in modifiers), "")
    if codes.SCT.Mean in modifiers:
        return "mean"
    return "sd" if codes.SCT.StandardDeviation in modifiers else ""


def _descendants(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or []:
        yield child
        yield from _descendants(child)


def _name(item: Dataset) -> Code:
    names = item.get("ConceptNameCodeSequence")
    return _code(names[0] if names else Dataset())


def _code(item: Dataset) -> Code:
    value = item.get("CodeValue") or item.get("LongCodeValue") or ""
    return Code(str(value), str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))
