"""What lies below a path and can be read: one entry per DICOM series and per volume file."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.datasets.cases import passed_over_files, volume_files
from monai_unet.io.dicom import DicomSeries, find_series, is_dicom
from monai_unet.io.formats import VOLUME_SUFFIXES, format_of
from monai_unet.io.limits import named
from monai_unet.io.volume import read_grid
from monai_unet.mappings import Json

IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber")


@dataclass(frozen=True)
class Entry:
    """One series or volume.

    Attributes:
        path: what was named, or the file in it; `series` chooses within it.
        format: "DICOM", "NIfTI", ...
        series: id for `read_volume(..., series=)`, empty for files.
        modality, description, date, plane, transfer_syntax: as the DICOM headers say; empty for files.
        images: number of 2D images.
        shape: voxels along the file's axes, empty when unknown; `spacing` in mm and `orientation` letters likewise.
        affine: 4 × 4, voxel index to RAS mm, in the same axis order.
        problems: why it is refused; empty when it can be read.
        notes: what was decided in reading it.
        identity: of the patient, only where it was asked for.
    """

    path: str
    format: str
    series: str = ""
    modality: str = ""
    description: str = ""
    date: str = ""
    plane: str = ""
    transfer_syntax: str = ""
    images: int = 0
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    affine: tuple[tuple[float, ...], ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    identity: dict[str, str] | None = None

    def as_dict(self) -> Json:
        """For JSON; without the key `identity` where none was asked for."""
        found = asdict(self)
        return found if self.identity is not None else {key: found[key] for key in found if key != "identity"}


def inventory(path: str | Path, *, identity: bool = False) -> list[Entry]:
    """All series and volumes below a path, readable or not; `identity` adds who the patient is.

    Raises:
        InputError: nothing there, or nothing that could be a volume.
    """
    path = Path(path)
    if path.is_file():
        return _of_file(path, identity)
    if not path.is_dir():
        raise InputError(f"{path} does not exist; check the path.")
    found = [entry for file in volume_files(path) for entry in _of_file(file, identity)]
    passed_over = [Entry(str(path), "", problems=(sentence,)) for sentence in passed_over_files(path)]
    try:
        found += [_of_series(series, path, identity) for series in find_series(path)]
    except InputError:
        if not found and not passed_over:
            raise
    return [*found, *passed_over]


def _of_file(path: Path, identity: bool) -> list[Entry]:
    """Entries of one file, from heads alone; what cannot be read is an entry with the reason."""
    try:
        with named(path):
            if zipfile.is_zipfile(path) or (is_dicom(path) and not path.name.lower().endswith(VOLUME_SUFFIXES)):
                return [_of_series(series, path, identity) for series in find_series(path)]
            name = format_of(path).name
            grid, notes = read_grid(path)
    except InputError as error:
        return [Entry(str(path), "", problems=(str(error),))]
    return [Entry(str(path), name, notes=notes, **_geometry(grid))]


def _of_series(series: DicomSeries, path: Path, identity: bool) -> Entry:
    return Entry(
        path=str(path),
        format="DICOM",
        series=series.id,
        modality=series.modality,
        description=series.description,
        date=series.date,
        plane=series.plane,
        transfer_syntax=series.transfer_syntax,
        images=series.frames,
        problems=series.problems,
        notes=series.notes,
        identity=_identity(series) if identity else None,
        **(_geometry(series.grid) if series.grid else {}),
    )


def _identity(series: DicomSeries) -> dict[str, str]:
    header = series.headers()[0]
    return {keyword: str(header.get(keyword, "")) for keyword in IDENTITY}


def _geometry(grid: Grid) -> Json:
    return {
        "shape": grid.shape,
        "spacing": tuple(round(mm, 6) for mm in grid.spacing),
        "orientation": grid.orientation,
        "affine": _rows(grid.affine),
    }


def _rows(affine: ArrayLike) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in np.asarray(affine))
