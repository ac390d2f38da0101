"""What every DICOM result says about itself: who made it, with which weights, and that it is for research use."""

from __future__ import annotations

import datetime
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid

from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity
from monai_unet.version import __version__

MANUFACTURER = "monai-unet"
SERIES_NUMBERS = {"SEG": 9001, "RTSTRUCT": 9002, "SR": 9003, "SC": 9004, "KO": 9005, "DOC": 9006, "PR": 9007}


def new_uid() -> UID:
    """A UID under 2.25: made from a random UUID, so that nothing of the machine or the patient is in it."""
    return generate_uid(prefix=None)


def serial_number(algorithm: AlgorithmIdentity) -> str:
    """What stands for a device's serial number: the first 16 digits of the weights' hash."""
    return algorithm.weights_sha256[:16] or "0"


def series_description(algorithm: AlgorithmIdentity, kind: str) -> str:
    """At most 64 characters, with the research mark always whole."""
    return f"{f'{kind} {algorithm.name} {algorithm.version}'[:42]} (research use only)"


def header(algorithm: AlgorithmIdentity, kind: str) -> dict[str, Any]:
    """What results of ours say alike about themselves, as arguments of highdicom's classes.

    Args:
        kind: of `SERIES_NUMBERS`.
    """
    return {
        "series_instance_uid": new_uid(),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": algorithm.name[:64],
        "software_versions": algorithm.version[:64],
        "device_serial_number": serial_number(algorithm),
        "series_description": series_description(algorithm, kind),
        "contributing_equipment": [equipment(algorithm)],
        "specific_character_set": "ISO_IR 192",
    }


def equipment(algorithm: AlgorithmIdentity) -> hd.ContributingEquipment:
    """Item for the Contributing Equipment Sequence."""
    return hd.ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=algorithm.name[:64],
        software_versions=[algorithm.version[:64], f"monai-unet {__version__}"],
        device_serial_number=serial_number(algorithm),
        contribution_datetime=datetime.datetime.now(),
        contribution_description=algorithm.sentence,
    )


def identification(algorithm: AlgorithmIdentity) -> hd.AlgorithmIdentificationSequence | None:
    """Item of the Algorithm Identification Macro; None for what was drawn by hand."""
    if algorithm.made_by == "MANUAL":
        return None
    return hd.AlgorithmIdentificationSequence(
        name=algorithm.name[:64],
        family=codes.cid7162.ArtificialIntelligence,
        version=algorithm.version[:64],
        source=MANUFACTURER,
        parameters={"weights_sha256": algorithm.weights_sha256 or "none", "intended_use": RESEARCH_USE},
    )


def mark_deidentified(result: Dataset, source: Dataset) -> None:
    """Carry the source's statement that its identity was removed into the result."""
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"):
        if keyword in source:
            setattr(result, keyword, source[keyword].value)
