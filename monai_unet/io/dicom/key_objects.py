"""The images with findings as a Key Object Selection (PS3.3 A.35.4, template TID 2010)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
from pydicom.sr.codedict import codes

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.source import SourceImages, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity


def write_key_objects(
    slices: Sequence[int], path: str | Path, *, source: SourceSeries, algorithm: AlgorithmIdentity, description: str
) -> Path:
    """Write which images are of interest.

    Args:
        slices: indices along the third axis of the source's grid.
        description: what is seen there.

    Raises:
        InputError: no slice.
    """
    images = SourceImages(source)
    chosen = {str(images.planes[k].header.SOPInstanceUID): images.planes[k].header for k in slices}
    if not chosen:
        raise InputError("There is no image with a finding to select.")
    header = provenance.header(algorithm, "KO")
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=provenance.new_uid(),
            name=f"monai-unet {algorithm.name}"[:64],
            manufacturer_name=provenance.MANUFACTURER,
            model_name=algorithm.name[:64],
            serial_number=provenance.serial_number(algorithm),
        ),
    )
    with warnings.catch_warnings():
        # highdicom's remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore", UserWarning)
        result = hd.ko.KeyObjectSelectionDocument(
            evidence=list(chosen.values()),
            content=hd.ko.KeyObjectSelection(
                document_title=codes.cid7010.OfInterest,
                referenced_objects=list(chosen.values()),
                observer_device_context=observer,
                description=f"{description}. {RESEARCH_USE}.",
            ),
            **header,
        )
    provenance.mark_deidentified(result, images.first)
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)
