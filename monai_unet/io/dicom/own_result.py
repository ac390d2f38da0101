"""Whether a DICOM result was written by this program."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.uid import (
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)

from monai_unet.io.dicom.provenance import MANUFACTURER
from monai_unet.io.dicom.result_file import KINDS

SHOWN = (
    str(SecondaryCaptureImageStorage),
    str(KeyObjectSelectionDocumentStorage),
    str(EncapsulatedPDFStorage),
    str(GrayscaleSoftcopyPresentationStateStorage),
)
"""SOP classes of the results that viewers without SEG and SR show."""


def is_own_result(path: str | Path) -> bool:
    """Whether the file is a result (SEG, RTSTRUCT, SR or of `SHOWN`) that states this program as its maker."""
    try:
        header = pydicom.dcmread(path, specific_tags=["SOPClassUID", "Manufacturer"], stop_before_pixels=True)
        return str(header.get("SOPClassUID", "")) in {*KINDS, *SHOWN} and header.get("Manufacturer") == MANUFACTURER
    except Exception:  # whatever a foreign file makes the parser raise, it is not ours
        return False
