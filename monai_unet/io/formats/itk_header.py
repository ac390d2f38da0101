"""What the text headers of NRRD and MetaImage say of geometry, units, scaling and length; ITK fills gaps in silence."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import isal_zlib

from monai_unet.errors import InputError

HEADER_BYTES = 1 << 20
PADDING = 15
"""Bytes behind the voxels that are no sign of a wrong header."""

_SPACES = {
    "right-anterior-superior", "ras", "left-anterior-superior", "las", "left-posterior-superior", "lps",
}  # fmt: skip
_MILLIMETRES = {"mm", "millimeter", "millimeters", "millimetre", "millimetres"}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TextHeader:
    """Fields of a text header.

    Attributes:
        path: of the header.
        fields: name in lower case (NRRD) or as it is (MetaImage) → value.
        end: byte behind it, where attached data begin.
    """

    path: Path
    fields: dict[str, str]
    end: int

    def numbers(self, name: str, count: int) -> list[float] | None:
        """`count` numbers of a field; None where it is absent.

        Raises:
            InputError: something else is given.
        """
        if name not in self.fields:
            return None
        text = self.fields[name]
        return self.finite(re.sub(r"[(),]", " ", text).split(), count, f"{name} of '{text[:60]}'")

    def finite(self, words: Sequence[str], count: int, what: str) -> list[float]:
        """Words as finite numbers.

        Raises:
            InputError: they are not, or not as many.
        """
        try:
            found = [float(word) for word in words]
        except ValueError:
            found = []
        if len(found) != count or not np.isfinite(found).all():
            raise InputError(f"{self.path} has a {what}, which is not {count} numbers; export it again.")
        return found


def nrrd_header(path: Path) -> TextHeader:
    """Fields of a NRRD file, names in lower case."""
    head = _head(path)
    match = re.search(rb"\r?\n\r?\n", head)
    end = match.end() if match else len(head)
    fields = {}
    for line in head[:end].decode("utf-8", "replace").splitlines()[1:]:
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[name.strip().lower()] = value.strip()
    return TextHeader(path, fields, end)


def meta_header(path: Path) -> TextHeader:
    """Fields of a MetaImage file."""
    head = _head(path)
    match = re.search(rb"(?m)^ElementDataFile\s*=[^\n]*\n?", head)
    end = match.end() if match else len(head)
    fields = {}
    for line in head[:end].decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            fields[name.strip()] = value.strip()
    return TextHeader(path, fields, end)


def check_nrrd(header: TextHeader) -> list[str]:
    """Refuse what cannot be understood, and say what is taken where something is not stated.

    Raises:
        InputError: no or unclear directions, space, origin or unit.
    """
    path, fields = header.path, header.fields
    if "space directions" not in fields:
        raise InputError(f"{path} states no orientation, left and right cannot be told; export it again with geometry.")
    vectors = re.findall(r"none|\([^)]*\)", fields["space directions"])
    if len(vectors) != 3 or "none" in vectors:
        raise InputError(
            f"{path} gives its axes the directions {fields['space directions']}, not three vectors; export it again."
        )
    for vector in vectors:
        header.finite(vector.strip("()").split(","), 3, f"direction of {vector}")
    if fields.get("space", "").lower() not in _SPACES:
        raise InputError(
            f"{path} states no space of the patient ('{fields.get('space', 'none')}'), left and right cannot be told; "
            "export it again with space left-posterior-superior, for example."
        )
    units = re.findall(r'"([^"]*)"', fields.get("space units", ""))
    if any(unit.strip().lower() not in _MILLIMETRES | {""} for unit in units):
        raise InputError(f"{path} states its voxel size in {', '.join(units)}, not in mm; export it in mm.")
    if header.numbers("space origin", 3) is None:
        return ["no origin is stated, it is taken as 0"]
    return []


def check_meta(header: TextHeader) -> list[str]:
    """The same for MetaImage.

    Raises:
        InputError: no or unclear directions, spacing, origin or unit, or a scaling, which ITK leaves out.
    """
    path = header.path
    for name in ("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData"):
        if header.fields.get(name, "True").lower() not in ("true", "false", "1", "0"):
            raise InputError(f"{path} has {name} = {header.fields[name]}, neither True nor False; export it again.")
    matrices = [header.numbers(name, 9) for name in ("TransformMatrix", "Orientation", "Rotation")]
    if not any(matrices):
        raise InputError(f"{path} states no orientation, left and right cannot be told; export it again with geometry.")
    sizes = header.numbers("ElementSpacing", 3) or header.numbers("ElementSize", 3)
    if sizes is None or min(sizes) <= 0:
        raise InputError(f"{path} states no voxel size (ElementSpacing); export it again with geometry.")
    unit = header.fields.get("DistanceUnits", "mm").lower()
    if unit not in _MILLIMETRES | {"?", ""}:
        raise InputError(f"{path} states its voxel size in {unit}, not in mm; export it in mm.")
    slope = header.numbers("ElementToIntensityFunctionSlope", 1) or [1.0]
    offset = header.numbers("ElementToIntensityFunctionOffset", 1) or [0.0]
    if slope != [1.0] or offset != [0.0]:
        raise InputError(
            f"{path} scales its values by {slope[0]:g} and {offset[0]:g}, which is not read; export the scaled values."
        )
    origins = [header.numbers(name, 3) for name in ("Offset", "Position", "Origin")]
    return [] if any(origin is not None for origin in origins) else ["no origin is stated, it is taken as 0"]


def check_dimensions(header: TextHeader, name: str) -> None:
    """Refuse a number of dimensions that ITK would take as it is, and end the process by it.

    Raises:
        InputError: it is no whole number from 1 to 10.
    """
    stated = header.numbers(name, 1)
    if stated is None or stated[0] not in range(1, 11):
        raise InputError(
            f"{header.path} states {header.fields.get(name, 'no')} dimensions ({name}), not 3; export it again."
        )


def data_file(header: TextHeader, names: Sequence[str]) -> Path:
    """The file with the voxels: the header's own, or another one beside it.

    Raises:
        InputError: it is not there, lies elsewhere, or there are several.
    """
    name = next((header.fields[key] for key in names if key in header.fields), "LOCAL")
    if name == "LOCAL":
        return header.path
    if Path(name).name != name or "\\" in name:
        raise InputError(
            f"{header.path} names {name} as the file of its voxels; only a file beside it is read, copy both together."
        )
    data = header.path.parent / name
    if not data.is_file():
        raise InputError(f"{header.path} names {name} as the file of its voxels, which is not beside it; copy both.")
    return data


def check_length(header: TextHeader, data: Path, needed: int, *, nrrd: bool) -> None:
    """Compare the bytes of voxels in a file with those that the header takes.

    Raises:
        InputError: they are fewer or more.
    """
    start = header.end if data == header.path else 0
    if nrrd:
        kind = header.fields.get("encoding", "raw").lower()
        skip, lines = _whole(header, "byte skip", "byteskip"), _whole(header, "line skip", "lineskip")
        if lines or kind in ("ascii", "text", "txt", "hex", "bzip2", "bz2"):
            return
        compressed = kind in ("gzip", "gz")
        counted_from_end = skip == -1 and not compressed
        skip = max(skip, 0)
    else:
        compressed = header.fields.get("CompressedData", "").lower() in ("true", "1")
        skip = _whole(header, "HeaderSize")
        counted_from_end, skip = skip == -1, max(skip, 0)
    if compressed:
        held, packed, complete = _unpacked(data, start, needed + skip + PADDING + 1)
        held -= skip
        if held >= needed and held <= needed + PADDING and not complete:
            raise InputError(f"{data} is cut short: its compressed voxels have no end; copy it again.")
        if not nrrd:
            _check_packed_size(header, data, packed, data.stat().st_size - start)
    else:
        held = data.stat().st_size - start - skip
    if held < needed:
        raise InputError(f"{data} is cut short: {needed - held} of {needed} bytes are missing; copy it again.")
    if held > needed + PADDING and not counted_from_end:
        raise InputError(
            f"{data} holds more than the {needed} bytes that its matrix and voxel type take; its header is wrong, "
            "export it again."
        )


def _check_packed_size(header: TextHeader, data: Path, packed: int, there: int) -> None:
    """Where the size of the compressed voxels is wrong or missing, ITK gives memory that nobody wrote to."""
    stated = header.numbers("CompressedDataSize", 1)
    if stated is None and data != header.path:
        return
    if stated is None or not packed <= stated[0] <= there:
        size = "no size" if stated is None else f"a size of {stated[0]:g} bytes"
        raise InputError(
            f"{header.path} states {size} of its compressed voxels (CompressedDataSize), which are {packed}; export it "
            "again."
        )


def _whole(header: TextHeader, *names: str) -> int:
    for name in names:
        found = header.numbers(name, 1)
        if found is not None:
            return int(found[0])
    return 0


def _unpacked(data: Path, start: int, most: int) -> tuple[int, int, bool]:
    """Bytes that a gzip or zlib stream unpacks to, counted up to `most` and kept nowhere; bytes that it takes; whether
    its end was reached, where its checksum is."""
    inflater = isal_zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    total = taken = 0
    with data.open("rb") as stream:
        stream.seek(start)
        while total < most and not inflater.eof:
            packed = inflater.unconsumed_tail or stream.read(_CHUNK)
            if not packed:
                break
            total += len(inflater.decompress(packed, _CHUNK))
            taken += len(packed) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
    return total, taken, bool(inflater.eof)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEADER_BYTES)
