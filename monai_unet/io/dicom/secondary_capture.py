"""Pictures of slices as RGB secondary captures (PS3.3 A.8.1), which every viewer shows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.source import SourceImages, SourceSeries
from monai_unet.io.results import AlgorithmIdentity


@dataclass(frozen=True, eq=False)
class Slide:
    """A picture of one slice.

    Attributes:
        pixels: (rows, columns, 3), 0 to 255, as it is seen: the first row is at the top.
        slice_index: index of the slice along the third axis of the source's grid.
    """

    pixels: NDArray[np.uint8]
    slice_index: int


def write_secondary_captures(
    slides: Iterable[Slide], folder: str | Path, *, source: SourceSeries, algorithm: AlgorithmIdentity
) -> list[Path]:
    """Write slides as `sc_0001.dcm`, … of one series, each with the image that it shows named as its source.

    The pixels say nothing of the patient but what the source's own pixels say.

    Raises:
        InputError: no images, or a slice of the grid that no image lies on.
    """
    images = SourceImages(source)
    shared = {**provenance.header(algorithm, "SC"), "transfer_syntax_uid": ExplicitVRLittleEndian}
    for of_each in ("sop_instance_uid", "instance_number"):
        shared.pop(of_each)
    written = []
    across, down = _directions(images)
    for number, slide in enumerate(slides, start=1):
        plane = images.planes[slide.slice_index]
        with warnings.catch_warnings():
            # highdicom's remarks on values of the source quote them, the patient's name among them
            warnings.simplefilter("ignore", UserWarning)
            result = hd.sc.SCImage.from_ref_dataset(
                plane.header,
                pixel_array=slide.pixels,
                photometric_interpretation="RGB",
                bits_allocated=8,
                coordinate_system="PATIENT",
                patient_orientation=(across[0], down[0]),  # highdicom takes no oblique ones
                sop_instance_uid=provenance.new_uid(),
                instance_number=number,
                **shared,
            )
        result.PatientOrientation = [across, down]
        result.BurnedInAnnotation = str(images.first.get("BurnedInAnnotation") or "NO")
        if "RecognizableVisualFeatures" in images.first:
            result.RecognizableVisualFeatures = images.first.RecognizableVisualFeatures
        result.ImageType = ["DERIVED", "SECONDARY"]
        result.DerivationDescription = algorithm.sentence
        result.SourceImageSequence = [_reference(plane.header, plane.frame)]
        provenance.mark_deidentified(result, images.first)
        result.Laterality = images.first.get("Laterality") or ""
        path = Path(folder) / f"sc_{number:04}.dcm"
        with atomic_path(path) as temporary:
            result.save_as(temporary)
        written.append(path)
    return written


def _reference(header: Dataset, frame: int | None) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    if frame is not None:
        made.ReferencedFrameNumber = frame
    made.PurposeOfReferenceCodeSequence = [
        hd.sr.CodedConcept.from_code(codes.cid7202.SourceImageForImageProcessingOperation)
    ]
    return made


def _directions(images: SourceImages) -> list[str]:
    """Patient Orientation: letters towards which columns and rows grow."""
    cosines = np.array(images.orientation).reshape(2, 3)
    return ["".join(_letters(direction)) for direction in cosines]


def _letters(direction: NDArray[np.float64]) -> list[str]:
    pairs = (("L", "R"), ("P", "A"), ("H", "F"))
    found = [(abs(v), pairs[n][0] if v > 0 else pairs[n][1]) for n, v in enumerate(direction) if abs(v) > 0.1]
    return [letter for _, letter in sorted(found, reverse=True)]
