"""A PDF in the study (Encapsulated PDF Storage, PS3.3 A.45.1)."""

from __future__ import annotations

import warnings
from pathlib import Path

import highdicom as hd
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.source import SourceImages, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity


def write_encapsulated_pdf(
    pdf: bytes, path: str | Path, *, source: SourceSeries, algorithm: AlgorithmIdentity, title: str
) -> Path:
    """Write a PDF as a document of the study; patient and study stand in its DICOM header as the source says them.

    Raises:
        InputError: the source holds no images.
        ValueError: it is no PDF.
    """
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("the document must be a PDF")
    images = SourceImages(source)
    first, header = images.first, provenance.header(algorithm, "DOC")
    equipment = header.pop("contributing_equipment")
    with warnings.catch_warnings():
        # remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore", UserWarning)
        result = hd.SOPClass(
            study_instance_uid=first.StudyInstanceUID,
            sop_class_uid=EncapsulatedPDFStorage,
            modality="DOC",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            patient_id=first.PatientID,
            patient_name=first.PatientName,
            patient_birth_date=first.PatientBirthDate,
            patient_sex=first.PatientSex,
            accession_number=first.AccessionNumber,
            study_id=first.StudyID,
            study_date=first.StudyDate,
            study_time=first.StudyTime,
            referring_physician_name=first.ReferringPhysicianName,
            **header,
        )
    result.ContributingEquipmentSequence = equipment
    result.ConversionType = "WSD"
    result.BurnedInAnnotation = "NO"
    result.AcquisitionDateTime = None
    result.DocumentTitle = f"{title}. {RESEARCH_USE}"
    result.ConceptNameCodeSequence = []
    result.MIMETypeOfEncapsulatedDocument = "application/pdf"
    result.EncapsulatedDocumentLength = len(pdf)
    result.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    provenance.mark_deidentified(result, first)
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)
