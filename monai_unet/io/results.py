"""What a result consists of, whatever file carries it: segments, who made them, masks on a grid, measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, meta_of, place, to_working_frame
from monai_unet.io.dicom import Meaning, meaning_of
from monai_unet.io.notes import NOTES
from monai_unet.io.palette import Color, label_color

Scalar = TypeVar("Scalar", bound=np.generic)

RESEARCH_USE = "For research use; not a medical device"


@dataclass(frozen=True)
class AlgorithmIdentity:
    """What drew the masks.

    Attributes:
        name: of the model or bundle, for example "hippocampus_unet".
        version: of that model.
        weights_sha256: of the weights file, 64 hexadecimal digits; empty when there are none.
        made_by: "AUTOMATIC", "SEMIAUTOMATIC" or "MANUAL", DICOM's terms.
        notes: what was unusual about the images it saw, one sentence each.
    """

    name: str
    version: str
    weights_sha256: str = ""
    made_by: str = "AUTOMATIC"
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for a free-text attribute of DICOM (VR ST: at most 1024 characters)."""
        weights = f", weights SHA-256 {self.weights_sha256}" if self.weights_sha256 else ""
        stated = f"{RESEARCH_USE}. Made by {self.name} {self.version}{weights}."
        return " ".join([stated, *(f"{note.rstrip('.')}." for note in self.notes)])[:1024]


@dataclass(frozen=True)
class Segment:
    """One structure of a segmentation.

    Attributes:
        number: its value in the label map, from 1.
        name: what a person calls it.
        meaning: its SNOMED codes; looked up from the name when not given.
        color: RGB, 0 to 255; None leaves the choice to `label_color(number)`.
        tracking_id, tracking_uid: the same lesion has the same ones in every file and every study.
        made_by: "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", or empty when the file does not say.
        algorithm: name of what drew it, as the file says.
    """

    number: int
    name: str
    meaning: Meaning | None = None
    color: Color | None = None
    tracking_id: str = ""
    tracking_uid: str = ""
    made_by: str = ""
    algorithm: str = ""

    @property
    def codes(self) -> Meaning:
        """The given meaning, or the one looked up from the name."""
        return self.meaning or meaning_of(self.name)

    @property
    def rgb(self) -> Color:
        """The given colour, or the one of its number."""
        return self.color if self.color is not None else label_color(self.number)


@dataclass(frozen=True)
class LesionMeasurements:
    """Finished measurements of one lesion or structure, as a report carries them.

    Attributes:
        segment: number of its segment in the segmentation the report refers to.
        name: what a person calls it; in a report that was read, its tracking identifier.
        volume_ml: volume in ml.
        long_axis_mm, short_axis_mm: RECIST 1.1 diameters in mm; None where there is none.
        mean, sd: intensity inside, in `unit`; None without an image.
        unit: UCUM code of the intensity; "1" for no unit.
        tracking_id, tracking_uid: those of its segment; taken from there when empty.
        finding: code of what it is; taken from its segment when None.
        suv_mean, suv_max, suv_peak: SUV by body weight in g/ml, of PET; None where it is not known.
    """

    segment: int
    name: str
    volume_ml: float
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None
    mean: float | None = None
    sd: float | None = None
    unit: str = "1"
    tracking_id: str = ""
    tracking_uid: str = ""
    finding: Code | None = None
    suv_mean: float | None = None
    suv_max: float | None = None
    suv_peak: float | None = None


Planes = Callable[[int], Iterator[tuple[int, NDArray[np.number] | NDArray[np.bool_]]]]
"""Segment number → (slice index k, mask (row j, column i)) of each slice where that segment has something."""


class StoredSegmentation:
    """Masks of named segments on one grid, as read from a file; slices are decoded when asked for.

    Attributes:
        path: the file.
        segments: in the order of the file.
        grid: of the masks, array order (column i, row j, slice k): their own, or that of the source they were put on.
        fractional: whether masks hold fractions 0 to 1 (float32) instead of True and False.
        referenced_series: SeriesInstanceUID of the images it was drawn on; empty when the file does not say.
        notes: what is unusual about it, for the provenance, one sentence each.
    """

    def __init__(
        self,
        path: str,
        segments: Sequence[Segment],
        grid: Grid,
        planes: Planes,
        *,
        fractional: bool = False,
        onto: Grid | None = None,
        referenced_series: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.segments = tuple(segments)
        self.grid = onto if onto is not None else grid
        self.fractional = fractional
        self.referenced_series = referenced_series
        self.notes = tuple(notes)
        self._planes = planes
        self._own_grid = grid

    def mask(self, number: int) -> MetaTensor:
        """Mask of one segment, (1, S, A, R), bool, or float32 from 0 to 1 when fractional."""
        array = _blank(self._own_grid, np.float32 if self.fractional else np.bool_)
        for k, plane in self._planes(number):
            array[k] = plane
        return self._volume(array)

    def masks(self) -> MetaTensor:
        """Masks of all segments, (N, S, A, R), in the order of `segments`; they may overlap."""
        volumes = [self.mask(segment.number) for segment in self.segments]
        return MetaTensor(torch.cat([volume.as_tensor() for volume in volumes]), meta=dict(volumes[0].meta))

    def label_map(self, *, threshold: float | None = None) -> MetaTensor:
        """Label map (1, S, A, R), the smallest unsigned type, values the numbers of the segments.

        Args:
            threshold: of a fractional segmentation: what reaches it belongs to the segment.

        Raises:
            InputError: segments overlap, or a fractional segmentation without threshold.
        """
        if self.fractional and threshold is None:
            raise InputError(f"{self.path} holds fractions, not a label map; give a threshold, for example 0.5.")
        highest = max((segment.number for segment in self.segments), default=0)
        labels = _blank(self._own_grid, np.uint8 if highest < 256 else np.uint16)
        for segment in self.segments:
            for k, plane in self._planes(segment.number):
                inside = plane >= threshold if threshold is not None and self.fractional else plane.astype(bool)
                taken = labels[k][inside]
                if taken.any():
                    other = int(taken[taken > 0][0])
                    raise InputError(
                        f"{self.path}: '{self._name(other)}' and '{segment.name}' overlap, which a label map cannot "
                        "hold; write one mask per segment instead."
                    )
                labels[k][inside] = segment.number
        return self._volume(labels)

    def _name(self, number: int) -> str:
        return next(segment.name for segment in self.segments if segment.number == number)

    def _volume(self, array: NDArray[np.generic]) -> MetaTensor:
        placed = place(array.transpose(2, 1, 0), self._own_grid, self.grid, name=self.path)
        working, grid = to_working_frame(placed, self.grid)
        meta = {
            **meta_of(grid, of_file=self.grid),
            "filename_or_obj": self.path,
            NOTES: self.notes,
        }
        return MetaTensor(torch.from_numpy(np.ascontiguousarray(working)[None]), meta=meta)


def _blank(grid: Grid, dtype: type[Scalar]) -> NDArray[Scalar]:
    columns, rows, slices = grid.shape
    return np.zeros((slices, rows, columns), dtype=dtype)
