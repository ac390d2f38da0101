"""DICOM series: what is below a path, and what of it can be read as a volume (by `dicom_read`).

Geometry comes from Image Position and Image Orientation (Patient) alone; see `geometry`. A series whose slices
no affine can place is refused by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.dicom.agreement import notes_of_scaling, problems_of
from monai_unet.io.dicom.completeness import notes_of_missing
from monai_unet.io.dicom.files import DamagedFile, FileHeader, ZipAwareOpener, damage_in, read_headers
from monai_unet.io.dicom.frames import Frame, NoPlaceError, frames_of, number
from monai_unet.io.dicom.geometry import QUIET, TOLERATED, Stack, describe_gaps, plane_of
from monai_unet.io.dicom.groups import SeriesPart, parts_of, repeated
from monai_unet.io.dicom.patients import by_patient
from monai_unet.io.dicom.pixels import (
    AIR,
    has_padding_below_air,
    stored_values,
    transfer_syntax,
    why_not_decodable,
)
from monai_unet.io.dicom.stacks import frame_of_reference, stack_of, usual
from monai_unet.io.limits import named
from monai_unet.mappings import Json

NOT_IMAGES = ("SEG", "RTSTRUCT", "SR", "RTPLAN", "RTDOSE", "PR", "KO", "REG", "RWV", "ANN", "DOC", "FID")
"""Modalities that describe images or are computed from them; they are listed, and never read as an image."""


@dataclass(frozen=True)
class DicomSeries:
    """One volume's worth of DICOM images, or an object that is none, with what a person needs to choose.

    Attributes:
        id: what `series=` of `read_series` takes: the SeriesInstanceUID, with `/2` behind it for the second volume of
            a series that holds several (echoes, b-values, time points, orientations).
        uid: SeriesInstanceUID.
        study_uid: StudyInstanceUID.
        frame_of_reference_uid: FrameOfReferenceUID, empty if not stated.
        modality: CT, MR, PT, ...
        description: series description, and what tells this volume from its siblings.
        date: YYYYMMDD, empty if not stated.
        files: in the order of the slices; one entry for a multi-frame file. Inside a zip, as if it were a folder.
        grid: array order (column i, row j, slice k) and affine to RAS mm; None where the headers give no place.
        plane: axial, coronal or sagittal, with "oblique" before it when more than 5 degrees off; empty without grid.
        frames: number of 2D images.
        tilt: gantry tilt in degrees (the affine is sheared by it), 0 without.
        transfer_syntax: its name in the standard.
        problems: why `read_series` refuses it, one sentence each; empty when it can be read.
        notes: what was decided in reading it, one sentence each.
        slices: the 2D images in order along the normal.
        stack: their places; None without grid.
        uneven: the one problem that resampling to a regular grid solves; empty without.
    """

    id: str
    uid: str
    study_uid: str
    frame_of_reference_uid: str
    modality: str
    description: str
    date: str
    files: tuple[Path, ...]
    grid: Grid | None
    plane: str
    frames: int
    tilt: float
    transfer_syntax: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    slices: tuple[Frame, ...] = field(repr=False)
    stack: Stack | None = field(repr=False, default=None)
    uneven: str = field(repr=False, default="")

    @property
    def is_image(self) -> bool:
        """Whether it holds images, and not results or documents about images."""
        return bool(self.slices)

    def headers(self) -> list[Dataset]:
        """Full headers without pixel data, in the order of `files`, read anew: they hold the patient's identity."""
        with ZipAwareOpener() as files:
            return [_full_header(files, path) for path in self.files]

    def __str__(self) -> str:
        size = "×".join(map(str, self.grid.shape)) if self.grid else f"{self.frames} images"
        return f"{self.id}: {self.modality} {self.description or 'without description'}, {size}"


def _full_header(files: ZipAwareOpener, path: Path) -> Dataset:
    with files.open(path) as stream:
        return dcmread(stream, stop_before_pixels=True, force=True)


def find_series(path: str | Path) -> list[DicomSeries]:
    """All DICOM series below a folder, DICOMDIR, zip or single file, in the order of study and series number.

    Raises:
        InputError: nothing is there, or no file of it is DICOM.
    """
    with named(path):
        return _found(Path(path))


def _found(path: Path) -> list[DicomSeries]:
    headers, damaged = read_headers(path)
    if not headers:
        raise InputError(_nothing_found(path, damaged))
    found = [series for members in _by_uid(headers) for series in _listed(members, damaged)]
    if not found:
        raise InputError(_nothing_found(path, damaged))
    return [_with_damage(series, damaged) for series in _numbered(found)]


def _numbered(found: Sequence[DicomSeries]) -> Iterator[DicomSeries]:
    """Ids made unique: one series can hold several volumes, and careless software repeats a UID in another study."""
    total, seen = Counter(series.uid for series in found), Counter[str]()
    for series in found:
        seen[series.uid] += 1
        yield series if total[series.uid] == 1 else replace(series, id=f"{series.uid}/{seen[series.uid]}")


def _listed(headers: Sequence[FileHeader], damaged: list[DamagedFile]) -> list[DicomSeries]:
    """Volumes of a series; files with a damaged element are moved to `damaged`."""
    try:
        return list(_of_patients(headers))
    except Exception:
        # damaged bytes make the parser raise anything; to parse all elements of all files up front would be slow
        found = {header.path: damage_in(header) for header in headers}
        broken = [damage for damage in found.values() if damage is not None]
        if not broken:
            raise
        damaged += broken
        sound = [header for header in headers if found[header.path] is None]
        return list(_of_patients(sound))


def _nothing_found(path: Path, damaged: Sequence[DamagedFile]) -> str:
    if damaged:
        return f"{damaged[0].path} is damaged DICOM ({damaged[0].reason}); copy it again."
    return f"{path} holds no DICOM file; name a folder, DICOMDIR, zip or file that does."


def _by_uid(headers: Sequence[FileHeader]) -> Iterator[list[FileHeader]]:
    groups: dict[tuple[str, str], list[FileHeader]] = {}
    for header in headers:
        if "DirectoryRecordSequence" in header.dataset:
            continue
        key = str(header.dataset.get("StudyInstanceUID", "")), str(header.dataset.get("SeriesInstanceUID", ""))
        groups.setdefault(key, []).append(header)
    yield from sorted(groups.values(), key=_listing_order)


def _listing_order(headers: Sequence[FileHeader]) -> tuple[str, float, str]:
    dataset = headers[0].dataset
    return (
        str(dataset.get("StudyInstanceUID", "")),
        number(dataset.get("SeriesNumber"), 0.0),
        str(dataset.get("SeriesInstanceUID", "")),
    )


def _of_patients(headers: Sequence[FileHeader]) -> Iterator[DicomSeries]:
    """Volumes of a series; careless anonymisers give the series of two patients one UID."""
    groups = by_patient([header.patient for header in headers])
    for n, members in enumerate(groups, 1):
        found = _series_of([headers[index] for index in members])
        if len(groups) == 1:
            yield from found
        else:
            label = f"patient {n} of {len(groups)}"
            note = f"the series holds images of {len(groups)} patients, these are of one"
            yield from (
                replace(s, description=", ".join(filter(None, (s.description, label))), notes=(*s.notes, note))
                for s in found
            )


def _series_of(headers: Sequence[FileHeader]) -> Iterator[DicomSeries]:
    """One entry per volume of a series; what cannot be placed is one entry with the reason."""
    placed: list[Frame] = []
    unplaced: dict[str, list[FileHeader]] = {}
    unclear: list[tuple[FileHeader, str]] = []
    for header in headers:
        try:
            placed += _placed_frames(header)
        except NoPlaceError as error:
            unplaced.setdefault(str(error), []).append(header)
            if error.given:
                unclear.append((header, str(error)))
    left_out = [header for members in unplaced.values() for header in members]
    for part in parts_of(placed):
        yield _with_unclear(_with_left_out(_volume(part), left_out), unclear)
    for reason, members in unplaced.items():
        yield _unplaced(members, [reason])


def _with_left_out(series: DicomSeries, left_out: Sequence[FileHeader]) -> DicomSeries:
    images = [header for header in left_out if header.dataset.get("Modality") not in NOT_IMAGES]
    if not images:
        return series
    return replace(series, notes=(*series.notes, f"{len(images)} images of the series without a place were left out"))


def _with_unclear(series: DicomSeries, unclear: Sequence[tuple[FileHeader, str]]) -> DicomSeries:
    """An image of the same matrix, of which the header gives a place that makes no sense, may be one of the slices."""
    shape = series.slices[0].shape
    for header, reason in unclear:
        if (header.dataset.get("Rows"), header.dataset.get("Columns")) == shape:
            sentence = f"one of its images cannot be placed: {reason} ({header.path.name})"
            return replace(series, problems=(*series.problems, sentence))
    return series


def _placed_frames(header: FileHeader) -> list[Frame]:
    dataset = header.dataset
    modality = str(dataset.get("Modality", ""))
    if modality in NOT_IMAGES or "Rows" not in dataset:
        raise NoPlaceError(f"it is {modality or 'an object'}, without an image of its own")
    if "MOSAIC" in str(dataset.get("ImageType", "")).upper() or 0x0019100A in dataset:
        raise NoPlaceError(
            "it is a Siemens mosaic (many slices tiled into one image); export it as enhanced or untiled DICOM"
        )
    return frames_of(header)


def _volume(part: SeriesPart) -> DicomSeries:
    frames, notes, problems = _without_copies(part.frames)
    notes += part.notes
    first = usual(frames)
    stacked = stack_of(frames, first.thickness or 1.0)
    ordered = tuple(frames[i] for i in stacked.order)
    uneven = ""
    if not problems and not stacked.regular:
        problems.append(f"no affine can place its slices: {describe_gaps(stacked)}")
        uneven = problems[-1] if stacked.sideways <= TOLERATED else ""
    elif stacked.deviation > QUIET:
        notes.append(f"slices lie up to {100 * stacked.deviation:.0f} % of a voxel off a regular grid")
    if stacked.tilt and stacked.regular:
        notes.append(f"gantry tilt of {stacked.tilt:.1f} degrees: the affine is sheared")
    if len(frames) == 1:
        origin = "its stated thickness" if first.thickness else "no thickness is stated, 1 mm"
        notes.append(f"a single slice: {origin} is taken as slice spacing")
    if first.header.dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("MONOCHROME1: values are kept as stored, a viewer shows them inverted")
    if any(has_padding_below_air(frame) for frame in ordered):
        notes.append(f"voxels outside the field of view (padding) were set to {AIR} HU")
    if not part.label:
        notes += notes_of_missing(ordered, stacked)
    notes += notes_of_scaling(ordered)
    problems += problems_of(ordered)
    problems += dict.fromkeys(filter(None, (why_not_decodable(frame) for frame in ordered)))
    rows, columns = first.shape
    grid = Grid((columns, rows, len(ordered)), stacked.affine)
    if reason := grid.no_patient():
        problems.append(f"it {reason}")
    return _entry(ordered, part.label, grid, stacked, problems, notes, uneven)


def _without_copies(frames: Sequence[Frame]) -> tuple[list[Frame], list[str], list[str]]:
    """Frames with identical copies dropped; several different images at one place are a problem."""
    kept, dropped = list(frames), 0
    notes: list[str] = []
    problems: list[str] = []
    clashes: list[tuple[float, ...]] = []
    for group in repeated(frames):
        try:
            reference = stored_values(group[0])
            same = all(np.array_equal(reference, stored_values(other)) for other in group[1:])
            same = same and len({frame.scaling for frame in group}) == 1
        except InputError:
            same = False
        if same:
            kept = [frame for frame in kept if all(frame is not other for other in group[1:])]
            dropped += len(group) - 1
        else:
            clashes.append(group[0].position)
    if dropped:
        notes.append(f"{dropped} images that are identical copies of others were left out")
    if clashes:
        where = ", ".join(f"({x:.1f}, {y:.1f}, {z:.1f})" for x, y, z in clashes[:3])
        problems.append(f"it has different images at one place, {len(clashes)} times (LPS mm {where})")
    return kept, notes, problems


def _unplaced(headers: Sequence[FileHeader], problems: list[str]) -> DicomSeries:
    dataset = headers[0].dataset
    return DicomSeries(
        files=tuple(header.path for header in headers),
        grid=None,
        plane="",
        frames=len(headers),
        tilt=0.0,
        problems=tuple(problems),
        notes=(),
        slices=(),
        **_shared(dataset, ""),
    )


def _entry(
    slices: tuple[Frame, ...],
    label: str,
    grid: Grid,
    stacked: Stack,
    problems: list[str],
    notes: list[str],
    uneven: str,
) -> DicomSeries:
    dataset = slices[0].header.dataset
    return DicomSeries(
        files=tuple(dict.fromkeys(frame.header.path for frame in slices)),
        grid=grid,
        plane=plane_of(slices[0].orientation),
        frames=len(slices),
        tilt=stacked.tilt,
        problems=tuple(problems),
        notes=tuple(notes),
        slices=slices,
        stack=stacked,
        uneven=uneven,
        **{**_shared(dataset, label), "frame_of_reference_uid": _usual_frame_of_reference(slices)},
    )


def _usual_frame_of_reference(slices: Sequence[Frame]) -> str:
    """The one that most slices state of those that state any; empty where none does."""
    (uid, count), *_ = Counter(filter(None, map(frame_of_reference, slices))).most_common(1) or [("", 0)]
    return uid if 2 * count > len(slices) or count == sum(1 for f in slices if frame_of_reference(f)) else ""


def _shared(dataset: Dataset, label: str) -> Json:
    description = str(dataset.get("SeriesDescription") or "").strip()
    dates = (str(dataset.get(name) or "") for name in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    return {
        "id": str(dataset.get("SeriesInstanceUID", "")),
        "uid": str(dataset.get("SeriesInstanceUID", "")),
        "study_uid": str(dataset.get("StudyInstanceUID", "")),
        "frame_of_reference_uid": str(dataset.get("FrameOfReferenceUID", "")),
        "modality": str(dataset.get("Modality", "")),
        "description": ", ".join(filter(None, (description, label))),
        "date": next(filter(None, dates), ""),
        "transfer_syntax": transfer_syntax(dataset).name,
    }


def _with_damage(series: DicomSeries, damaged: Sequence[DamagedFile]) -> DicomSeries:
    """A damaged file beside a series may be one of its slices; nobody can tell."""
    folders = {path.parent for path in series.files}
    beside = [item for item in damaged if item.path.parent in folders]
    if not beside:
        return series
    file = f"{beside[0].path.name}: {beside[0].reason}"
    sentence = f"a damaged DICOM file lies beside it, which may be one of its slices ({file})"
    return replace(series, problems=(*series.problems, sentence))
