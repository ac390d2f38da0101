"""Whether a DICOM result was written by this program."""

from __future__ import annotations

from pathlib import Path

import pydicom

from monai_unet.io.dicom.provenance import MANUFACTURER
from monai_unet.io.dicom.result_file import KINDS


def is_own_result(path: str | Path) -> bool:
    """Whether the file is a SEG, RTSTRUCT or SR that states this program as the one that made it."""
    try:
        header = pydicom.dcmread(path, specific_tags=["SOPClassUID", "Manufacturer"], stop_before_pixels=True)
        return str(header.get("SOPClassUID", "")) in KINDS and header.get("Manufacturer") == MANUFACTURER
    except Exception:  # whatever a foreign file makes the parser raise, it is not ours
        return False
