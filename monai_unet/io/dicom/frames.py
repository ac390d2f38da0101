"""One 2D image of a DICOM file: its place, how stored values become quantities, and what tells it from others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from monai_unet.io.dicom.files import FileHeader
from monai_unet.io.dicom.scaling import Scaling, UnclearError, scaling_of, stated_number

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
        scaling: how stored values become quantities.
        padding: stored value that marks pixels outside the measured field, or None.
        problem: what of its header is given and cannot be understood, padding and thickness; empty otherwise.
        groups: functional groups of this frame (multi-frame files), or None.
    """

    header: FileHeader
    index: int
    position: Vector
    orientation: Vector
    spacing: Vector
    thickness: float
    scaling: Scaling
    padding: int | None
    problem: str = ""
    groups: FunctionalGroups | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.header.dataset.get("Rows") or 0), int(self.header.dataset.get("Columns") or 0)

    @property
    def slope(self) -> float:
        """Factor from stored value to quantity."""
        return self.scaling.slope

    @property
    def intercept(self) -> float:
        """Summand from stored value to quantity."""
        return self.scaling.intercept

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector (LPS) across the image."""
        cross = np.cross(self.orientation[:3], self.orientation[3:])
        return cross / np.linalg.norm(cross)

    def trait(self, name: str) -> object:
        """What may tell this image from another at the same place (a key of `TRAITS`); None where not stated."""
        if self.groups is None:
            return _first(self.header.dataset, TRAITS[name])
        try:
            return _functional_trait(name, self)
        except Exception:
            # damaged bytes make the parser raise anything; what cannot be read tells nothing apart
            return None


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
"""What tells images of one place apart: name in messages → elements of single-frame files, best first."""

_FUNCTIONAL: dict[str, tuple[str, ...]] = {
    "stack": ("FrameContentSequence", "StackID"),
    "echo time": ("MREchoSequence", "EffectiveEchoTime"),
    "inversion time": ("MRModifierSequence", "InversionTimes"),
    "flip angle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "repetition time": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue"),
    "diffusion direction": (
        "MRDiffusionSequence",
        "DiffusionGradientDirectionSequence",
        "DiffusionGradientOrientation",
    ),
    "time point": ("FrameContentSequence", "TemporalPositionIndex"),
    "trigger time": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "acquisition time": ("FrameContentSequence", "FrameAcquisitionDateTime"),
    "content time": ("FrameContentSequence", "FrameReferenceDateTime"),
}


@dataclass(frozen=True)
class FunctionalGroups:
    """Functional groups of one frame: its own, and behind them those that all frames share (PS3.3 C.7.6.16)."""

    own: Dataset
    shared: Dataset

    def item(self, name: str) -> Dataset:
        """The item of one functional group, empty where there is none."""
        return _only_item(self.own.get(name)) or _only_item(self.shared.get(name)) or Dataset()


class NoPlaceError(ValueError):
    """An image of which the header does not say where it lies in the patient; the message says what is missing.

    Attributes:
        given: whether it says something that cannot be understood.
    """

    def __init__(self, message: str, *, given: bool = False) -> None:
        super().__init__(message)
        self.given = given


def frames_of(header: FileHeader) -> list[Frame]:
    """All images of a file.

    Raises:
        NoPlaceError: the header does not give position, orientation and pixel spacing of each.
    """
    dataset = header.dataset
    if "PerFrameFunctionalGroupsSequence" in dataset:
        try:
            return list(_functional_frames(header))
        except NoPlaceError:
            raise
        except Exception as error:
            # damaged bytes make the parser raise anything
            raise NoPlaceError(f"it has damaged functional groups ({type(error).__name__})", given=True) from None
    if integer(dataset.get("NumberOfFrames"), 1) != 1:
        raise NoPlaceError("it is a multi-frame file without the place of each frame")
    place = _place(dataset, dataset, dataset)
    return [_frame(header, 0, place, dataset, dataset)]


def _functional_frames(header: FileHeader) -> Iterator[Frame]:
    dataset = header.dataset
    shared = _only_item(dataset.get("SharedFunctionalGroupsSequence")) or Dataset()
    frames = dataset.PerFrameFunctionalGroupsSequence
    stated = integer(dataset.get("NumberOfFrames"), 1)
    if stated != len(frames):
        raise NoPlaceError(f"it states {stated} frames and the places of {len(frames)}", given=True)
    for index, own in enumerate(frames):
        groups = FunctionalGroups(own, shared)
        measures = groups.item("PixelMeasuresSequence")
        place = _place(groups.item("PlanePositionSequence"), groups.item("PlaneOrientationSequence"), measures)
        # where no group scales the values, the file as a whole may
        scale = groups.item("PixelValueTransformationSequence") or dataset
        yield _frame(header, index, place, measures, scale, groups)


def _frame(
    header: FileHeader,
    index: int,
    place: tuple[Vector, Vector, Vector],
    measures: Dataset,
    scale: Dataset,
    groups: FunctionalGroups | None = None,
) -> Frame:
    dataset, problem = header.dataset, ""
    thickness, padding = 0.0, None
    try:
        thickness, padding = _thickness(measures), _padding(dataset)
    except UnclearError as error:
        problem = str(error)
    scaling = scaling_of(scale, bits=integer(dataset.get("BitsAllocated"), 16))
    return Frame(header, index, *place, thickness, scaling, padding, problem, groups)


def _padding(dataset: Dataset) -> int | None:
    value = stated_number(dataset, "PixelPaddingValue")
    return None if value is None else int(value)


def _place(position: Dataset, orientation: Dataset, measures: Dataset) -> tuple[Vector, Vector, Vector]:
    """Position, orientation and pixel spacing, from the datasets that hold each."""
    found = []
    for name, dataset, count in (
        ("Image Position (Patient)", position, 3),
        ("Image Orientation (Patient)", orientation, 6),
        ("Pixel Spacing", measures, 2),
    ):
        value = dataset.get(name.translate(_KEYWORD))
        values = numbers(value, count)
        if values is None:
            given = value is not None and str(value).strip() not in ("", "[]")
            raise NoPlaceError(f"it has no valid {name}: where its images lie in the patient is not known", given=given)
        found.append(values)
    cosines = np.reshape(found[1], (2, 3))
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=0.01):
        raise NoPlaceError(
            "it has an Image Orientation (Patient) that is not two perpendicular unit vectors", given=True
        )
    if min(found[2]) <= 0:
        raise NoPlaceError(f"it has a Pixel Spacing of {found[2][0]:g} × {found[2][1]:g} mm", given=True)
    return found[0], found[1], found[2]


_KEYWORD = str.maketrans("", "", " ()")


def _functional_trait(name: str, frame: Frame) -> object:
    assert frame.groups is not None
    if name == "file":
        return frame.header.path.name
    if name == "image type":
        kind = frame.groups.item("MRImageFrameTypeSequence") or frame.groups.item("CTImageFrameTypeSequence")
        return _plain((kind.get("FrameType"), kind.get("ComplexImageComponent")))
    group, *inner, keyword = _FUNCTIONAL[name]
    item = frame.groups.item(group)
    for sequence in inner:
        item = _only_item(item.get(sequence)) or Dataset()
    return _plain(item.get(keyword))


def _thickness(dataset: Dataset) -> float:
    # some scanners give the spacing a sign
    return abs(stated_number(dataset, "SpacingBetweenSlices") or stated_number(dataset, "SliceThickness") or 0.0)


def _first(dataset: Dataset, keys: Iterable[str | int]) -> object:
    for key in keys:
        value = dataset.get(key)
        value = getattr(value, "value", value) if isinstance(key, int) else value
        if value not in (None, "", b""):
            return _plain(value)
    return None


def _plain(value: Any) -> object:
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


def _only_item(sequence: Sequence[Dataset] | None) -> Dataset | None:
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


def integer(value: object, default: int) -> int:
    """A whole number, or `default`."""
    return int(number(value, default))
