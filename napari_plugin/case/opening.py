"""What a path holds, and one image of it in memory (no Qt)."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, grid_of
from monai_unet.io import NOTES, DicomSeries, case_name, find_series, notes_of, read_volume
from monai_unet.io.datasets import Entry, inventory, place_onto
from monai_unet.io.dicom import suv_factor
from monai_unet.io.formats import VOLUME_SUFFIXES, format_of


@dataclass(frozen=True, eq=False)
class OpenImage:
    """A series or volume file in memory.

    Attributes:
        entry: where it came from and what its headers say.
        volume: (1, S, A, R) with its affine; its `meta` carries the grid of the file.
        modality: CT, MR, PT; empty where the file does not say.
        moved: what was done to put it on the grid of another image; empty when nothing was.
        siblings: what else was found where it came from, itself among them; empty when nobody looked.
        suv: of PET, what its values are multiplied with for SUV by body weight; None where that is not known.
        no_suv: why it is not known, in a sentence; empty for everything but PET.
    """

    entry: Entry
    volume: MetaTensor
    modality: str = ""
    moved: str = ""
    siblings: tuple[Entry, ...] = ()
    suv: float | None = None
    no_suv: str = ""

    @property
    def array(self) -> NDArray[Any]:
        """(S, A, R), shared with `volume`."""
        return self.volume.numpy()[0]

    @property
    def grid(self) -> Grid:
        """Grid of `array`."""
        return grid_of(self.volume)

    @property
    def name(self) -> str:
        """What a person calls it: series description, or file name."""
        return self.entry.description or (
            case_name(self.entry.path) if not self.entry.series else f"{self.entry.modality} series"
        )

    @property
    def key(self) -> str:
        """What tells it from every other image: the UID of its series, or its file."""
        return self.entry.series or self.entry.path

    @property
    def unit(self) -> str:
        """Of its values: HU in CT, Bq/ml or g/ml (SUV) in PET whose headers say so; else empty."""
        if self.modality == "CT":
            return "HU"
        known = {None: "", 1.0: "g/ml"}
        return known.get(self.suv, "Bq/ml")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading it."""
        return notes_of(self.volume.meta)


def list_images(path: str | Path) -> list[Entry]:
    """What can be opened below a path, and what cannot with the reason.

    Raises:
        InputError: nothing there.
    """
    path = Path(path)
    if path.is_file() and path.name.lower().endswith(VOLUME_SUFFIXES) and not zipfile.is_zipfile(path):
        # opening it says what is wrong with it; reading it twice would only cost time
        return [Entry(str(path), format_of(path).name)]
    return inventory(path)


def open_image(entry: Entry) -> OpenImage:
    """Read one entry.

    Raises:
        InputError: it cannot be read, or has a problem already known.
    """
    if entry.problems:
        raise InputError(refusal(entry))
    volume = read_volume(entry.path, series=entry.series or None)
    image = OpenImage(entry, volume, str(volume.meta.get("modality", "")) or entry.modality)
    return _with_suv(image) if image.modality == "PT" else image


def _with_suv(image: OpenImage) -> OpenImage:
    series = dicom_series(image)
    if series is None:
        return replace(image, no_suv="No SUV: this file does not state weight, dose and times; open the DICOM series.")
    try:
        return replace(image, suv=suv_factor(series.headers()))
    except InputError as error:
        return replace(image, no_suv=str(error))


def best_of(entries: list[Entry]) -> Entry:
    """The entry to show first: of those that can be read the one with most images.

    Raises:
        InputError: none can be read; the message gives the first reason.
    """
    readable = [entry for entry in entries if not entry.problems]
    if not readable:
        raise InputError(refusal(entries[0]))
    return max(readable, key=lambda entry: int(np.prod(entry.shape)) if entry.shape else 0)


def refusal(entry: Entry) -> str:
    """Why an entry cannot be opened, in a sentence."""
    return f"{title(entry)} cannot be opened: {'; '.join(entry.problems).rstrip('.')}; choose another series."


def title(entry: Entry) -> str:
    """One line that tells an entry from its siblings."""
    what = entry.description or (Path(entry.path).name if not entry.series else "without description")
    size = "×".join(map(str, entry.shape)) if entry.shape else (f"{entry.images} images" if entry.images else "")
    return "  ".join(part for part in (entry.modality, what, size) if part)


def details(entry: Entry) -> str:
    """All that is known about an entry, for a tooltip."""
    lines = [title(entry), entry.path]
    if entry.spacing:
        lines.append(f"{'×'.join(f'{mm:g}' for mm in entry.spacing)} mm, axes {entry.orientation} {entry.plane}")
    lines += [f"Cannot be opened: {problem}" for problem in entry.problems]
    return "\n".join([*lines, *entry.notes])


def onto(image: OpenImage, reference: OpenImage, *, insist: bool = False) -> OpenImage:
    """An image on the grid of another, for showing and for the channels of a model, by the rule of `place_onto`.

    Raises:
        UnrelatedFramesError: the two are not known to lie in one frame of reference, and the user does not insist.
        InputError: they show different parts of the body.
    """
    placed, note = place_onto(image.volume, reference.volume, insist=insist)
    if placed is image.volume:
        return image
    geometry = {key: reference.volume.meta[key] for key in ("affine", "original_affine", "spatial_shape")}
    notes = (*notes_of(image.volume.meta), note)
    volume = MetaTensor(placed.as_tensor(), meta={**image.volume.meta, **geometry, NOTES: notes})
    return replace(image, volume=volume, moved=note)


def dicom_series(image: OpenImage) -> DicomSeries | None:
    """The DICOM series of an image, which SEG, RTSTRUCT and SR refer to; None for a volume file."""
    if not image.entry.series:
        return None
    return next((series for series in find_series(image.entry.path) if series.id == image.entry.series), None)
