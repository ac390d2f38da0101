"""One 2D image of a DICOM file: its place, how stored values become quantities, and what tells it from others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from monai_unet.io.dicom_files import FileHeader

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Frame:
    """One 2D image.

    Attributes:
        header: the file it is in.
        index: its number in that file, from 0.
        position: centre of its first pixel, (x, y, z) in LPS millimetres.
        orientation: direction in which the column index grows, then the row index (LPS cosines).
        spacing: distance in mm between rows, then between columns.
        thickness: distance in mm to the next image as the header states it, for a single image; 0 if unknown.
        slope: factor from stored value to quantity.
        intercept: summand from stored value to quantity.
        traits: what may tell two images of one place apart (echo, b-value, time, ...), in the order of `TRAITS`.
    """

    header: FileHeader
    index: int
    position: Vector
    orientation: Vector
    spacing: Vector
    thickness: float
    slope: float
    intercept: float
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.header.dataset.get("Rows") or 0), int(self.header.dataset.get("Columns") or 0)

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector (LPS) across the image."""
        cross = np.cross(self.orientation[:3], self.orientation[3:])
        return cross / np.linalg.norm(cross)


# Name in messages → where a classic image has it; the functional groups of multi-frame images are read in `_traits`.
TRAITS: dict[str, tuple[str | int, ...]] = {
    "stack": ("StackID",),
    "image type": ("ImageType",),
    "echo time": ("EchoTime", "EchoNumbers"),
    "inversion time": ("InversionTime",),
    "flip angle": ("FlipAngle",),
    "repetition time": ("RepetitionTime",),
    "b-value": ("DiffusionBValue", 0x0019100C, 0x00431039),
    "diffusion direction": ("DiffusionGradientOrientation",),
    "time point": ("TemporalPositionIdentifier",),
    "trigger time": ("TriggerTime",),
    "acquisition": ("AcquisitionNumber",),
    "acquisition time": ("AcquisitionTime",),
    "content time": ("ContentTime",),
    "file": (),
}


class NoPlaceError(ValueError):
    """An image of which the header does not say where it lies in the patient; the message says what is missing."""


def frames_of(header: FileHeader) -> list[Frame]:
    """All images of a file.

    Raises:
        NoPlaceError: the header does not give position, orientation and pixel spacing of each.
    """
    dataset = header.dataset
    if "PerFrameFunctionalGroupsSequence" in dataset:
        return list(_functional_frames(header))
    if integer(dataset.get("NumberOfFrames"), 1) != 1:
        raise NoPlaceError("is a multi-frame file without the place of each frame")
    slope, intercept = number(dataset.get("RescaleSlope"), 1.0), number(dataset.get("RescaleIntercept"), 0.0)
    traits = {name: _first(dataset, keys) for name, keys in TRAITS.items()}
    place = _place(dataset, dataset, dataset)
    return [Frame(header, 0, *place, _thickness(dataset), slope, intercept, traits)]


def _functional_frames(header: FileHeader) -> Iterator[Frame]:
    shared = _only_item(header.dataset.get("SharedFunctionalGroupsSequence")) or Dataset()
    for index, own in enumerate(header.dataset.PerFrameFunctionalGroupsSequence):

        def group(name: str, own: Dataset = own) -> Dataset:
            return _only_item(own.get(name)) or _only_item(shared.get(name)) or Dataset()

        measures, transform = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
        place = _place(group("PlanePositionSequence"), group("PlaneOrientationSequence"), measures)
        slope, intercept = number(transform.get("RescaleSlope"), 1.0), number(transform.get("RescaleIntercept"), 0.0)
        yield Frame(header, index, *place, _thickness(measures), slope, intercept, _functional_traits(header, group))


def _place(position: Dataset, orientation: Dataset, measures: Dataset) -> tuple[Vector, Vector, Vector]:
    """Position, orientation and pixel spacing, from the datasets that hold each."""
    found = []
    for name, dataset, count in (
        ("Image Position (Patient)", position, 3),
        ("Image Orientation (Patient)", orientation, 6),
        ("Pixel Spacing", measures, 2),
    ):
        values = numbers(dataset.get(name.translate(_KEYWORD)), count)
        if values is None:
            raise NoPlaceError(f"has no valid {name}: where its images lie in the patient is not known")
        found.append(values)
    cosines = np.reshape(found[1], (2, 3))
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=0.01):
        raise NoPlaceError("has an Image Orientation (Patient) that is not two perpendicular unit vectors")
    if min(found[2]) <= 0:
        raise NoPlaceError(f"has a Pixel Spacing of {found[2][0]:g} × {found[2][1]:g} mm")
    return found[0], found[1], found[2]


_KEYWORD = str.maketrans("", "", " ()")


def _functional_traits(header: FileHeader, group: Any) -> dict[str, Any]:
    content, diffusion = group("FrameContentSequence"), group("MRDiffusionSequence")
    direction = _only_item(diffusion.get("DiffusionGradientDirectionSequence")) or Dataset()
    frame_type = group("MRImageFrameTypeSequence") or group("CTImageFrameTypeSequence")
    timing, modifier = group("MRTimingAndRelatedParametersSequence"), group("MRModifierSequence")
    found = {
        "stack": content.get("StackID"),
        "image type": (frame_type.get("FrameType"), frame_type.get("ComplexImageComponent")),
        "echo time": group("MREchoSequence").get("EffectiveEchoTime"),
        "inversion time": modifier.get("InversionTimes"),
        "flip angle": timing.get("FlipAngle"),
        "repetition time": timing.get("RepetitionTime"),
        "b-value": diffusion.get("DiffusionBValue"),
        "diffusion direction": direction.get("DiffusionGradientOrientation"),
        "time point": content.get("TemporalPositionIndex"),
        "trigger time": group("CardiacSynchronizationSequence").get("NominalCardiacTriggerDelayTime"),
        "acquisition": content.get("FrameAcquisitionNumber"),
        "acquisition time": content.get("FrameAcquisitionDateTime"),
        "content time": content.get("FrameReferenceDateTime"),
        "file": header.path.as_posix(),
    }
    return {name: _plain(found[name]) for name in TRAITS}


def _thickness(dataset: Dataset) -> float:
    return number(dataset.get("SpacingBetweenSlices"), 0.0) or number(dataset.get("SliceThickness"), 0.0)


def _first(dataset: Dataset, keys: Iterable[str | int]) -> Any:
    for key in keys:
        value = dataset.get(key)
        value = getattr(value, "value", value) if isinstance(key, int) else value
        if value not in (None, "", b""):
            return _plain(value)
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("ascii", "replace").strip("\0 ")
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "__iter__"):
        return tuple(_plain(part) for part in value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _only_item(sequence: Any) -> Dataset | None:
    return sequence[0] if sequence else None


def numbers(value: Any, count: int) -> Vector | None:
    """`count` finite numbers, or None."""
    try:
        found = tuple(float(part) for part in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and bool(np.isfinite(found).all()) else None


def number(value: Any, default: float) -> float:
    """A finite number, the first of several, or `default`."""
    try:
        found = float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return default
    return found if np.isfinite(found) else default


def integer(value: Any, default: int) -> int:
    """A whole number, or `default`."""
    return int(number(value, default))
