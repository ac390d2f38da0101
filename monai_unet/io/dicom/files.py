"""DICOM files below a path (folder, DICOMDIR, zip or single file), and the few header elements that geometry needs.

A file inside a zip is named as if the zip were a folder (`study.zip/IM001`) and read in memory: nothing of a patient
is unpacked to disk.
"""

from __future__ import annotations

import io
import struct
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from monai_unet.errors import InputError
from monai_unet.io.dicom import deflated
from monai_unet.io.dicom.patients import KEYWORDS, Patient, take_patient
from monai_unet.io.limits import check_need

PREFIX = b"DICM"
DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")

# The header of a slice is a few KB; where it is longer, the file itself is parsed.
_HEAD_BYTES = 1 << 16
_AHEAD = 256
# Of the member of a zip: what says whether it is DICOM, and the longest header looked for.
_PREFIX_BYTES, _LONGEST_HEAD = 132, 1 << 28

# Element keywords (and private tags) read from every file; everything else stays on disk.
_KEYWORDS: tuple[str | int, ...] = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate",
    "AcquisitionTime", "ContentTime", "Modality", "Manufacturer", "SeriesDescription", "StudyDescription",
    "BodyPartExamined", "ScanOptions", "SliceThickness", "SpacingBetweenSlices", "RepetitionTime", "EchoTime",
    "InversionTime", "EchoNumbers", "TriggerTime", "FlipAngle", "DiffusionBValue", "DiffusionGradientOrientation",
    "GantryDetectorTilt", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID",
    "TemporalPositionIdentifier", "ImagesInAcquisition", "NumberOfSlices", "NumberOfTemporalPositions",
    "NumberOfSeriesRelatedInstances", "StackID",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope",
    "RescaleType", "ModalityLUTSequence", "Units", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DirectoryRecordSequence", "ExtendedOffsetTable",
    0x0019100A,  # Siemens: number of images in a mosaic
    0x0019100C,  # Siemens: b-value
    0x00431039,  # GE: b-value
)  # fmt: skip
_ELEMENTS = [Tag(keyword) for keyword in (*_KEYWORDS, *KEYWORDS)]


@dataclass(frozen=True)
class FileHeader:
    """Header elements of one DICOM file.

    Attributes:
        path: where it lies; inside a zip, as if the zip were a folder.
        dataset: the elements that geometry, grouping and decoding need, and `file_meta`.
        pixel_offset: byte at which the pixel data element begins, 0 in a deflated file, None where there is none.
        size: bytes of the file.
        pixel_bytes: length that the pixel data element states, None where it is compressed or cannot be told.
        patient: whose it is, to tell patients apart.
    """

    path: Path
    dataset: Dataset
    pixel_offset: int | None
    size: int
    pixel_bytes: int | None = None
    patient: Patient = field(default=Patient(), repr=False)


@dataclass(frozen=True)
class DamagedFile:
    """A file that calls itself DICOM and cannot be parsed, with the parser's reason."""

    path: Path
    reason: str


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM: the prefix of PS3.10, or the suffix of older files without it."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == PREFIX or path.suffix.lower() in DICOM_SUFFIXES


class ZipAwareOpener:
    """Opens files, and members of zips named as if the zip were a folder; keeps each zip open until closed."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ZipAwareOpener:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()

    def open(self, path: Path, *, most: int | None = None) -> BinaryIO:
        """Open for reading in binary; of the member of a zip no more than `most` bytes are unpacked.

        Raises:
            InputError: it does not exist, the zip is damaged or encrypted, or it unpacks to more than is allowed.
        """
        if path.is_file():
            return path.open("rb")
        for parent in path.parents:
            if parent.is_file():
                return self._member(parent, path.relative_to(parent).as_posix(), most)
        raise InputError(f"{path} does not exist; check the path.")

    def _member(self, archive: Path, name: str, most: int | None) -> BinaryIO:
        with _zip_named(archive):
            with self._lock:
                if archive not in self._archives:
                    self._archives[archive] = zipfile.ZipFile(archive)
            opened = self._archives[archive]
            size = opened.getinfo(name).file_size
            wanted = size if most is None else min(size, most)
            check_need(wanted, archive / name)
            with opened.open(name) as member:
                return io.BytesIO(member.read(wanted))


@contextmanager
def _zip_named(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # damaged directories of zips raise anything
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a zip that can be unpacked ({reason}); unpack it yourself.") from None


def read_headers(path: Path) -> tuple[list[FileHeader], list[DamagedFile]]:
    """Headers of all DICOM files below a path, in the order of their names; other files are passed over.

    Raises:
        InputError: nothing is there, or a DICOMDIR names files that are missing.
    """
    if path.is_dir():
        return _headers(sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p, path)))
    if not path.is_file():
        raise InputError(f"{path} does not exist; check the path.")
    if zipfile.is_zipfile(path):
        return _headers_in_zip(path)
    headers, damaged = _headers([path])
    if headers and "DirectoryRecordSequence" in headers[0].dataset:
        return _headers(_referenced_files(headers[0]))
    return headers, damaged


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _headers(paths: Sequence[Path]) -> tuple[list[FileHeader], list[DamagedFile]]:
    return _sorted_out(_header_of_head(path, head) for path, head in _read_ahead(paths))


def _read_ahead(paths: Sequence[Path]) -> Iterator[tuple[Path, tuple[bytes, int] | OSError]]:
    """Each path with the first bytes and the size of its file.

    Threads wait for the drive; parsing holds the interpreter lock, and threads that parse hinder each other.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        for start in range(0, len(paths), _AHEAD):
            some = paths[start : start + _AHEAD]
            yield from zip(some, pool.map(_head, some), strict=True)


def _head(path: Path) -> tuple[bytes, int] | OSError:
    try:
        with path.open("rb", buffering=0) as stream:
            first = stream.read(_PREFIX_BYTES)
            if first[128:] == PREFIX or path.suffix.lower() in DICOM_SUFFIXES:
                first += stream.read(_HEAD_BYTES - len(first))
            return first, stream.seek(0, io.SEEK_END)
    except OSError as error:
        return error


def _header_of_head(path: Path, head: tuple[bytes, int] | OSError) -> FileHeader | DamagedFile | None:
    if isinstance(head, OSError):
        return DamagedFile(path, str(head.strerror))
    first, size = head
    found = _header(path, io.BytesIO(first), size)
    if len(first) < size and _is_cut(found, len(first)):
        with path.open("rb") as stream:
            return _header(path, stream, size)
    return found


def _is_cut(found: FileHeader | DamagedFile | None, length: int) -> bool:
    """Whether a header may go on behind the first `length` bytes of its file."""
    if isinstance(found, FileHeader):
        # twelve bytes begin the pixel data element
        return not found.pixel_offset or found.pixel_offset + 12 > length
    return found is not None


def _headers_in_zip(path: Path) -> tuple[list[FileHeader], list[DamagedFile]]:
    with _zip_named(path), zipfile.ZipFile(path) as archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
        return _sorted_out(_header_of_member(path, archive, member) for member in members)


def _header_of_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> FileHeader | DamagedFile | None:
    """Header of a member of which no more is unpacked than its header takes."""
    name, found = path / member.filename, None
    for most in (_PREFIX_BYTES, _HEAD_BYTES, _LONGEST_HEAD):
        with archive.open(member) as stream:
            first = stream.read(most)
        if most == _PREFIX_BYTES:
            if first[128:] != PREFIX and name.suffix.lower() not in DICOM_SUFFIXES:
                return None
            continue
        found = _header(name, io.BytesIO(first), member.file_size)
        if len(first) < most or not _is_cut(found, len(first)):
            break
    return found


def _sorted_out(found: Iterable[FileHeader | DamagedFile | None]) -> tuple[list[FileHeader], list[DamagedFile]]:
    headers: list[FileHeader] = []
    damaged: list[DamagedFile] = []
    for item in found:
        if isinstance(item, FileHeader):
            headers.append(item)
        elif isinstance(item, DamagedFile):
            damaged.append(item)
    return headers, damaged


def _header(path: Path, stream: BinaryIO, size: int) -> FileHeader | DamagedFile | None:
    prefixed = stream.read(132)[128:] == PREFIX
    if not prefixed and path.suffix.lower() not in DICOM_SUFFIXES:
        return None
    stream.seek(0)
    try:
        packed = prefixed and deflated.is_deflated(stream)
        unpacked = deflated.head_of(stream) if packed else stream
        dataset = dcmread(unpacked, stop_before_pixels=True, specific_tags=_ELEMENTS, force=not prefixed)
        if not prefixed and "SOPClassUID" not in dataset:
            return None
        if "SeriesInstanceUID" not in dataset and "DirectoryRecordSequence" not in dataset:
            return DamagedFile(path, "it belongs to no series")
        # pydicom parses an element when it is asked for: those that sort the files here, where damage is caught
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"):
            dataset.get(keyword)
        patient = take_patient(dataset)
        start = unpacked.tell()
        pixel_bytes = _stated_length(unpacked, dataset)
        if packed:
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            if deflated.inflates_beyond(stream, start + (pixel_bytes or 0) + deflated.HEAD_BYTES):
                return DamagedFile(path, "it unpacks to more than it says to hold")
            return FileHeader(path, dataset, 0, size, pixel_bytes, patient)
        if start >= size and "Image Storage" in UID(str(dataset.get("SOPClassUID", ""))).name:
            return DamagedFile(path, "it ends before its pixels")
        return FileHeader(path, dataset, start if start < size else None, size, pixel_bytes, patient)
    except Exception as error:
        return DamagedFile(path, f"{type(error).__name__}: {error}".splitlines()[0])


def is_explicit(head: bytes) -> bool:
    """Whether the first bytes of a pixel data element name its type; a length in their place would be odd.

    What the file states of its elements is not always how they are written.
    """
    return head[4:6] in (b"OW", b"OB")


def _stated_length(stream: BinaryIO, dataset: Dataset) -> int | None:
    """Length that the pixel data element at the place of a stream states; None where it states none."""
    head = stream.read(12)
    _, little = dataset.original_encoding
    order = "<" if little or little is None else ">"
    if len(head) < 12 or struct.unpack(f"{order}HH", head[:4]) != (0x7FE0, 0x0010):
        return None
    (length,) = struct.unpack(f"{order}I", head[8:12] if is_explicit(head) else head[4:8])
    return None if length == 0xFFFFFFFF else int(length)


def damage_in(header: FileHeader) -> DamagedFile | None:
    """Parse every element that was read, and name the first that cannot be."""
    try:
        for _ in header.dataset:
            pass
    except Exception as error:
        return DamagedFile(header.path, f"{type(error).__name__}: {error}".splitlines()[0])
    return None


def _referenced_files(directory: FileHeader) -> list[Path]:
    folder = directory.path.parent
    files: list[Path] = []
    missing: list[Path] = []
    for record in directory.dataset.DirectoryRecordSequence:
        parts = _parts(record.get("ReferencedFileID"))
        if parts:
            path = folder.joinpath(*parts)
            # discs copied through ISO 9660 often come out in lower case
            path = path if path.exists() else folder.joinpath(*(p.lower() for p in parts))
            (files if path.exists() else missing).append(path)
    if missing:
        raise InputError(
            f"{directory.path} names {len(missing)} files that are not there, {missing[0]} first; copy the whole disc."
        )
    return files


def _parts(file_id: str | Iterable[str] | None) -> list[str]:
    if not file_id:
        return []
    return [file_id] if isinstance(file_id, str) else [str(part) for part in file_id]
