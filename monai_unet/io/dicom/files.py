"""DICOM files below a path (folder, DICOMDIR, zip or single file), and the few header elements that geometry needs.

A file inside a zip is named as if the zip were a folder (`study.zip/IM001`) and read in memory: nothing of a patient
is unpacked to disk.
"""

from __future__ import annotations

import io
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from monai_unet.errors import InputError

PREFIX = b"DICM"
DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")

# The header of a slice is a few KB; where it is longer, the file itself is parsed.
_HEAD_BYTES = 1 << 16
_AHEAD = 256

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, NotImplementedError, OSError, EOFError)
# Element keywords (and private tags) read from every file; everything else stays on disk.
_KEYWORDS: tuple[str | int, ...] = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "SeriesDate", "AcquisitionDate",
    "AcquisitionTime", "ContentTime", "Modality", "Manufacturer", "SeriesDescription", "StudyDescription",
    "BodyPartExamined", "ScanOptions", "SliceThickness", "SpacingBetweenSlices", "RepetitionTime", "EchoTime",
    "InversionTime", "EchoNumbers", "TriggerTime", "FlipAngle", "DiffusionBValue", "DiffusionGradientOrientation",
    "GantryDetectorTilt", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID",
    "TemporalPositionIdentifier", "StackID", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope",
    "RescaleType", "ModalityLUTSequence", "Units", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DirectoryRecordSequence", "ExtendedOffsetTable",
    0x0019100A,  # Siemens: number of images in a mosaic
    0x0019100C,  # Siemens: b-value
    0x00431039,  # GE: b-value
)  # fmt: skip
_ELEMENTS = [Tag(keyword) for keyword in _KEYWORDS]


@dataclass(frozen=True)
class FileHeader:
    """Header elements of one DICOM file.

    Attributes:
        path: where it lies; inside a zip, as if the zip were a folder.
        dataset: the elements that geometry, grouping and decoding need, and `file_meta`.
        pixel_offset: byte at which the pixel data element begins, 0 in a deflated file, None where there is none.
        size: bytes of the file.
    """

    path: Path
    dataset: Dataset
    pixel_offset: int | None
    size: int


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

    def open(self, path: Path) -> BinaryIO:
        """Open for reading in binary.

        Raises:
            InputError: it does not exist, or the zip is damaged or encrypted.
        """
        if path.is_file():
            return path.open("rb")
        for parent in path.parents:
            if parent.is_file():
                return self._member(parent, path.relative_to(parent).as_posix())
        raise InputError(f"{path} does not exist; check the path.")

    def _member(self, archive: Path, name: str) -> BinaryIO:
        try:
            with self._lock:
                if archive not in self._archives:
                    self._archives[archive] = zipfile.ZipFile(archive)
            return io.BytesIO(self._archives[archive].read(name))
        except _ZIP_ERRORS as error:
            raise InputError(f"{archive} cannot be unpacked ({error}); unpack it yourself.") from None


def read_headers(path: Path) -> tuple[list[FileHeader], list[DamagedFile]]:
    """Headers of all DICOM files below a path, in the order of their names; other files are passed over.

    Raises:
        InputError: nothing is there, or a DICOMDIR names files that are missing.
    """
    if path.is_dir():
        return _headers(sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")))
    if not path.is_file():
        raise InputError(f"{path} does not exist; check the path.")
    if zipfile.is_zipfile(path):
        return _headers_in_zip(path)
    headers, damaged = _headers([path])
    if headers and "DirectoryRecordSequence" in headers[0].dataset:
        return _headers(_referenced_files(headers[0]))
    return headers, damaged


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
            return stream.read(_HEAD_BYTES), stream.seek(0, io.SEEK_END)
    except OSError as error:
        return error


def _header_of_head(path: Path, head: tuple[bytes, int] | OSError) -> FileHeader | DamagedFile | None:
    if isinstance(head, OSError):
        return DamagedFile(path, str(head.strerror))
    first, size = head
    found = _header(path, io.BytesIO(first), size)
    cut = len(first) < size
    if cut and (isinstance(found, DamagedFile) or (isinstance(found, FileHeader) and _reaches(found, len(first)))):
        with path.open("rb") as stream:
            return _header(path, stream, size)
    return found


def _reaches(header: FileHeader, length: int) -> bool:
    """Whether a header may go on behind the first `length` bytes of its file."""
    return header.pixel_offset is None or header.pixel_offset == 0 or header.pixel_offset >= length


def _headers_in_zip(path: Path) -> tuple[list[FileHeader], list[DamagedFile]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(m.filename for m in archive.infolist() if not m.is_dir())
            return _sorted_out(
                _header(path / name, io.BytesIO(archive.read(name)), archive.getinfo(name).file_size)
                for name in members
            )
    except _ZIP_ERRORS as error:
        raise InputError(f"{path} is not a zip that can be unpacked ({error}); unpack it yourself.") from None


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
        dataset = dcmread(stream, stop_before_pixels=True, specific_tags=_ELEMENTS, force=not prefixed)
        if not prefixed and "SOPClassUID" not in dataset:
            return None
        if "SeriesInstanceUID" not in dataset and "DirectoryRecordSequence" not in dataset:
            return DamagedFile(path, "it belongs to no series")
        # pydicom parses an element when it is asked for: those that sort the files here, where damage is caught
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"):
            dataset.get(keyword)
        offset = 0 if _is_deflated(dataset) else stream.tell()
        if offset >= size and "Image Storage" in UID(str(dataset.get("SOPClassUID", ""))).name:
            return DamagedFile(path, "it ends before its pixels")
        return FileHeader(path, dataset, offset if offset < size else None, size)
    except Exception as error:
        return DamagedFile(path, f"{type(error).__name__}: {error}".splitlines()[0])


def damage_in(header: FileHeader) -> DamagedFile | None:
    """Parse every element that was read, and name the first that cannot be."""
    try:
        for _ in header.dataset:
            pass
    except Exception as error:
        return DamagedFile(header.path, f"{type(error).__name__}: {error}".splitlines()[0])
    return None


def _is_deflated(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None)
    return getattr(meta, "TransferSyntaxUID", "") == DeflatedExplicitVRLittleEndian


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
