"""The images a result was drawn on: their headers, and which image or frame lies at which slice of their grid."""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.geometry import Grid

FLIP_XY = np.array([-1.0, -1.0, 1.0])
"""DICOM's patient axes (L, P, S) to RAS+ and back."""

POSITION_TOLERANCE = 0.1
"""Largest distance between an image and its slice of the grid, in smallest voxel edges."""

_REQUIRED_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


class SourceSeries(Protocol):
    """What is needed of a DICOM series: `monai_unet.io.dicom.series.DicomSeries` is one."""

    @property
    def grid(self) -> Grid | None:
        """Voxel grid in array order (column i, row j, slice k); None for what is no volume."""

    def headers(self) -> Sequence[Dataset]:
        """Datasets without pixels."""


@dataclass(frozen=True, eq=False)
class SourcePlane:
    """One image.

    Attributes:
        header: of its file.
        frame: its number from 1 in a multi-frame file, None in a file of one image.
        position: (x, y, z) of its first pixel in LPS mm, as the file has it.
    """

    header: Dataset
    frame: int | None
    position: NDArray[np.float64]


class SourceImages:
    """Headers of a series, made fit to build results on, and its images matched to the slices of its grid by position.

    Raises:
        InputError: no images, or a slice of the grid that no image lies on.
    """

    def __init__(self, series: SourceSeries) -> None:
        unique = {str(header.SOPInstanceUID): header for header in series.headers()}
        if not unique or series.grid is None:
            raise InputError("The source series holds no volume; give the folder of the series the mask was drawn on.")
        self.grid = series.grid
        self._frame_of_reference = common_frame_of_reference(list(unique.values()))
        self.headers = [self._completed(header) for header in unique.values()]

    def _completed(self, header: Dataset) -> Dataset:
        """A copy with what every result needs: empty where it is missing; orientation and spacing shared by all images.

        highdicom looks for both in the shared functional groups, where not every scanner puts them.
        """
        completed = copy.copy(header)
        for keyword in _REQUIRED_MAY_BE_EMPTY:
            if keyword not in completed:
                setattr(completed, keyword, "")
        completed.FrameOfReferenceUID = self._frame_of_reference
        if "SharedFunctionalGroupsSequence" in completed:
            shared = copy.copy(completed.SharedFunctionalGroupsSequence[0])
            shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [Dataset()], [Dataset()]
            shared.PlaneOrientationSequence[0].ImageOrientationPatient = self.orientation
            shared.PixelMeasuresSequence[0].PixelSpacing = [_decimal(self.grid.spacing[n]) for n in (1, 0)]
            shared.PixelMeasuresSequence[0].SliceThickness = _decimal(self.grid.spacing[2])
            completed.SharedFunctionalGroupsSequence = [shared]
        else:
            completed.ImageOrientationPatient = self.orientation
            if not completed.get("SliceThickness"):
                completed.SliceThickness = _decimal(self.grid.spacing[2])
        return completed

    @property
    def first(self) -> Dataset:
        """Header of one image, for what all have in common."""
        return self.headers[0]

    @property
    def orientation(self) -> list[float]:
        """Direction cosines (LPS) of a growing column index and a growing row index."""
        directions = (self.grid.affine[:3, :2] / np.array(self.grid.spacing[:2])).T * FLIP_XY
        return [_decimal(value) for value in directions.ravel()]

    @cached_property
    def planes(self) -> list[SourcePlane]:
        """The image at each slice of the grid."""
        images = [plane for header in self.headers for plane in _planes(header)]
        positions = np.array([image.position for image in images])
        origins = (self.grid.affine[:3, 3] + np.arange(self.grid.shape[2])[:, None] * self.grid.affine[:3, 2]) * FLIP_XY
        found = []
        for k, origin in enumerate(origins):
            distance = np.linalg.norm(positions - origin, axis=1)
            nearest = int(distance.argmin())
            if distance[nearest] > POSITION_TOLERANCE * min(self.grid.spacing):
                raise InputError(
                    f"No image of series {self.first.SeriesInstanceUID} lies at slice {k} of the mask's grid (nearest: "
                    f"{distance[nearest]:.2f} mm away); read the series without resampling it."
                )
            found.append(images[nearest])
        return found


def common_frame_of_reference(headers: Sequence[Dataset]) -> str:
    """The frame of reference of a series: what most images state, else one made from the series.

    Some anonymisers remove it, others give each image one of its own; every result on the series gets the same one.
    """
    counts = Counter(str(uid) for header in headers if (uid := header.get("FrameOfReferenceUID")))
    uid, count = next(iter(counts.most_common(1)), ("", 0))
    if count and (len(counts) == 1 or 2 * count > len(headers)):
        return uid
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, headers[0].SeriesInstanceUID).int}"


def frames_of_reference(headers: Sequence[Dataset]) -> set[str]:
    """Frames of reference that the images of a series state: one, or one per slice from some software."""
    return {str(uid) for header in headers if (uid := header.get("FrameOfReferenceUID"))}


def _decimal(value: float) -> float:
    """What fits into the 16 characters of a decimal string."""
    return float(f"{value:.10g}")


def _planes(header: Dataset) -> Iterator[SourcePlane]:
    if "PerFrameFunctionalGroupsSequence" not in header:
        yield SourcePlane(header, None, np.array(header.ImagePositionPatient, dtype=float))
        return
    shared = header.SharedFunctionalGroupsSequence[0]
    for number, own in enumerate(header.PerFrameFunctionalGroupsSequence, start=1):
        item = (own.get("PlanePositionSequence") or shared.PlanePositionSequence)[0]
        yield SourcePlane(header, number, np.array(item.ImagePositionPatient, dtype=float))
