"""Stored pixel values of DICOM images, and the quantities they stand for."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from monai_unet.errors import InputError
from monai_unet.io.dicom.codestream import check_image, check_number, fragments_of, run_length_decoded
from monai_unet.io.dicom.files import ZipAwareOpener, is_explicit
from monai_unet.io.dicom.frames import Frame, integer

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
_PLAIN = (*NATIVE, ExplicitVRBigEndian)
LARGEST_SIDE = 16384
"""Rows or columns; a header that asks for more is damaged, and believing it would fill the memory."""

AIR, HIGHEST_HU = -1024, 32767
"""Hounsfield units that scanners write: padding outside of them is set to the first."""

# GDCM (C++) is asked last: on damaged data it has ended the whole process.
_PREFERRED: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
}
_PIXEL_TAG = 0x7FE00010
_UNDEFINED_LENGTH = 0xFFFFFFFF
_DECODING_ELEMENTS = [
    "SOPClassUID", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "PixelData",
]  # fmt: skip


def transfer_syntax(dataset: Dataset) -> UID:
    """Transfer syntax of a file; how its elements are really written where it does not say, or says otherwise.

    Files without meta information are explicit as often as implicit, and some writers state the wrong one of the two.
    """
    stated = UID(str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "")))
    implicit, little = getattr(dataset, "original_encoding", (None, None))
    if (stated and stated not in _PLAIN) or implicit is None:
        return stated or ImplicitVRLittleEndian
    if little is False:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def why_not_decodable(frame: Frame) -> str:
    """What, in the header, keeps the pixels of a file from being read as grey values; empty when nothing does."""
    dataset = frame.header.dataset
    rows, columns = frame.shape
    samples, bits = integer(dataset.get("SamplesPerPixel"), 1), integer(dataset.get("BitsAllocated"), 0)
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if not 0 < rows <= LARGEST_SIDE or not 0 < columns <= LARGEST_SIDE:
        return f"its header gives {rows} rows and {columns} columns"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        return f"it is a colour image ({photometric}), not grey values"
    if bits not in (8, 16, 32):
        return f"it has {bits} bits per pixel; 8, 16 and 32 are read"
    if frame.header.pixel_offset is None:
        return "it has no pixel data"
    syntax = transfer_syntax(dataset)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return f"its transfer syntax ({syntax.name}) is not one for single images"
    if not decoder.is_available:
        return f"no installed decoder reads {syntax.name}; install python-gdcm, pyjpegls and pylibjpeg-openjpeg"
    return _why_not_as_long(frame, rows * columns * bits // 8)


def _why_not_as_long(frame: Frame, length: int) -> str:
    """Whether a file holds another number of bytes than its frames of `length` bytes take."""
    header, syntax = frame.header, transfer_syntax(frame.header.dataset)
    if syntax in _PLAIN and header.pixel_bytes is None:
        return "its pixels are compressed, and it does not say how"
    if syntax in NATIVE and header.size - (header.pixel_offset or 0) < (frame.index + 1) * length:
        return "it is cut short: it holds fewer bytes than its matrix needs"
    if syntax.is_encapsulated or header.pixel_bytes is None:
        return ""
    needed = length * integer(header.dataset.get("NumberOfFrames"), 1)
    # an odd number is made even (PS3.5 8.1.1)
    if header.pixel_bytes in (needed, needed + needed % 2):
        return ""
    return f"it holds {header.pixel_bytes} bytes of pixels where its matrix and bits take {needed}"


def read_quantities(frames: Sequence[Frame], out: NDArray[np.number]) -> list[str]:
    """Decode frames and apply slope and intercept, each its own, into `out` (n, rows, columns) of any strides.

    Quantities have the unit that DICOM's rescaling leads to, HU in CT.

    Returns:
        What was decided about them, one sentence each.

    Raises:
        InputError: a file is cut short, damaged, or contradicts its header.
    """
    masked: list[Frame] = []
    by_file: dict[Path, list[int]] = {}
    for place, frame in enumerate(frames):
        by_file.setdefault(frame.header.path, []).append(place)

    with ZipAwareOpener() as files:

        def fill(places: list[int]) -> None:
            wanted = [frames[place] for place in places]
            try:
                for place, frame, stored in zip(places, wanted, _decoded(wanted, files, masked), strict=True):
                    _quantities(frame, stored, out[place])
            except InputError:
                raise
            except Exception as error:
                # damaged bytes make the parser raise anything
                raise InputError(f"{wanted[0].header.path} is damaged ({error}); copy it again.") from None

        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(fill, by_file.values()):
                pass
    return _notes_of_masked(masked, frames)


def _notes_of_masked(masked: Sequence[Frame], frames: Sequence[Frame]) -> list[str]:
    """Bits above those stored may hold overlays; where the slices state different numbers of bits they may be voxels.

    Raises:
        InputError: they do.
    """
    if not masked:
        return []
    stated = {(frame.header.dataset.get("BitsStored"), frame.header.dataset.get("HighBit")) for frame in frames}
    path = masked[0].header.path
    if len(stated) > 1:
        raise InputError(
            f"{path} uses more bits than it says to store ({masked[0].header.dataset.get('BitsStored')}), and other "
            "slices of its series store more; export the series again."
        )
    return [
        f"bits above the {next(iter(stated))[0]} stored ones hold something in {len(masked)} images and are ignored"
    ]


def stored_values(frame: Frame) -> NDArray[np.integer]:
    """Pixels (rows, columns) as stored, before slope and intercept."""
    with ZipAwareOpener() as files:
        return next(iter(_decoded([frame], files, [])))


def _decoded(frames: Sequence[Frame], files: ZipAwareOpener, masked: list[Frame]) -> Iterator[NDArray[np.integer]]:
    """Stored values of several frames of one file, in the order given.

    Those of which bits above the stored ones were cleared are added to `masked`.
    """
    header = frames[0].header
    plain = transfer_syntax(header.dataset) in NATIVE and header.pixel_offset and header.pixel_bytes is not None
    most = (header.pixel_offset or 0) + 12 + (header.pixel_bytes or 0) if plain else None
    with files.open(header.path, most=most) as stream:
        start = _native_start(header.pixel_offset, stream, transfer_syntax(header.dataset))
        if start is not None:
            for frame in frames:
                yield _native(frame, stream, start, masked)
            return
        stream.seek(0)
        yield from _through_decoder(frames, stream, masked)


def _native_start(offset: int | None, stream: BinaryIO, syntax: UID) -> int | None:
    """Byte of the first stored pixel when the file holds them plainly, else None."""
    if offset is None or syntax not in NATIVE:
        return None
    stream.seek(offset)
    head = stream.read(12)
    if len(head) < 12:
        return None
    group, element = struct.unpack("<HH", head[:4])
    explicit = is_explicit(head)
    (length,) = struct.unpack("<I", head[8:12] if explicit else head[4:8])
    if (group << 16 | element) != _PIXEL_TAG or length == _UNDEFINED_LENGTH:
        return None
    return offset + (12 if explicit else 8)


def _native(frame: Frame, stream: BinaryIO, start: int, masked: list[Frame]) -> NDArray[np.integer]:
    rows, columns = frame.shape
    dtype = _stored_dtype(frame.header.dataset)
    stored = np.empty((rows, columns), dtype=dtype)
    stream.seek(start + frame.index * stored.nbytes)
    if stream.readinto(stored.view(np.uint8)) != stored.nbytes:  # type: ignore[attr-defined]
        raise InputError(
            f"{frame.header.path} is cut short: it holds fewer bytes than its matrix needs; copy it again."
        )
    return _masked(stored, frame, masked)


def _masked(stored: NDArray[np.integer], frame: Frame, masked: list[Frame]) -> NDArray[np.integer]:
    dataset = frame.header.dataset
    used = _used_bits(stored, dataset)
    if used is not stored and not np.array_equal(used, stored):
        bits = integer(dataset.get("BitsStored"), 0)
        below = integer(dataset.get("HighBit"), bits - 1) - bits + 1
        if below > 0 and (stored & ((1 << below) - 1)).any():
            raise InputError(
                f"{frame.header.path} contradicts itself: {bits} bits stored (Bits Stored) up to bit "
                f"{dataset.get('HighBit')} (High Bit), but bits below them hold something; export it again."
            )
        masked.append(frame)
    return used


def _stored_dtype(dataset: Dataset) -> np.dtype[np.integer]:
    kind = "i" if integer(dataset.get("PixelRepresentation"), 0) == 1 else "u"
    return np.dtype(f"<{kind}{integer(dataset.get('BitsAllocated'), 16) // 8}")


def _used_bits(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """PS3.5 8.1.1: bits above High Bit may hold anything (overlays, no sign extension)."""
    allocated = 8 * stored.dtype.itemsize
    used = integer(dataset.get("BitsStored"), allocated)
    if not 0 < used < allocated:
        return stored
    above = allocated - 1 - min(max(integer(dataset.get("HighBit"), used - 1), used - 1), allocated - 1)
    out = np.left_shift(stored, above)
    return np.right_shift(out, allocated - used, out=out)


def _through_decoder(frames: Sequence[Frame], stream: BinaryIO, masked: list[Frame]) -> Iterator[NDArray[np.integer]]:
    path, syntax = frames[0].header.path, transfer_syntax(frames[0].header.dataset)
    try:
        dataset = dcmread(stream, specific_tags=_DECODING_ELEMENTS, force=True)
        if not hasattr(dataset, "file_meta") or "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == RLELossless:
            yield from _run_lengths(frames, dataset)
        else:
            yield from _through_pydicom(frames, dataset, syntax, masked)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be decoded, it is damaged ({reason}); copy it again.") from None


def _run_lengths(frames: Sequence[Frame], dataset: Dataset) -> Iterator[NDArray[np.integer]]:
    number = integer(dataset.get("NumberOfFrames"), 1)
    fragments = fragments_of(dataset.PixelData, number)
    if len(fragments) != number:
        raise ValueError(f"it holds {len(fragments)} compressed images, its header says {number}")
    dtype = _stored_dtype(dataset)
    for frame in frames:
        array = run_length_decoded(fragments[frame.index], frame.shape, 8 * dtype.itemsize).view(dtype)
        yield _checked_bits(array, frame.header.dataset)


def _through_pydicom(
    frames: Sequence[Frame], dataset: Dataset, syntax: UID, masked: list[Frame]
) -> Iterator[NDArray[np.integer]]:
    indices = [frame.index for frame in frames]
    if syntax.is_encapsulated:
        number = integer(dataset.get("NumberOfFrames"), 1)
        fragments = fragments_of(dataset.PixelData, number)
        check_number(fragments, number)
        begin = fragments if len(fragments) == number else fragments[:1]
        bits = max(check_image(fragment, dataset) for fragment in begin)
        # a decoder that is told of fewer bits than there are shifts or clears some
        dataset.BitsStored = max(bits, int(dataset.BitsStored))
    else:
        dataset.BitsStored = dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    decoder = get_decoder(syntax)
    plugin = _PREFERRED.get(syntax, "")
    plugin = plugin if plugin in decoder.available_plugins else ""
    decoded = decoder.iter_array(dataset, indices=indices, raw=True, decoding_plugin=plugin)
    for frame, (array, _) in zip(frames, decoded, strict=True):
        if array.shape != frames[0].shape:
            raise ValueError(f"decoded to {array.shape}, the header says {frames[0].shape}")
        encapsulated = syntax.is_encapsulated
        yield _checked_bits(array, frame.header.dataset) if encapsulated else _masked(array, frame, masked)


def _checked_bits(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """Compressed values, with their sign where it is not extended to all bits; overlays are never among them.

    Raises:
        ValueError: they need more bits than the header says.
    """
    used = _used_bits(stored, dataset)
    if used is stored:
        return used
    bits = integer(dataset.get("BitsStored"), 0)
    below = integer(dataset.get("HighBit"), bits - 1) - bits + 1
    if below > 0:
        whole = np.array_equal(np.left_shift(used, below), stored)
    else:
        # negative values come with their sign in all bits, or as the unsigned number of their stored bits
        whole = stored.min() >= (-(1 << (bits - 1)) if stored.dtype.kind == "i" else 0) and stored.max() < 1 << bits
    if not whole:
        raise ValueError(f"its pixels use more than the {bits} bits that its header says")
    return used


def _quantities(frame: Frame, stored: NDArray[np.integer], out: NDArray[np.number]) -> None:
    dataset = frame.header.dataset
    if "ModalityLUTSequence" in dataset:
        out[...] = apply_modality_lut(stored, dataset)
    elif out.dtype == np.float32 and stored.dtype.itemsize <= 2:
        np.multiply(stored, np.float32(frame.slope), out=out, dtype=np.float32)
        if frame.intercept:
            np.add(out, np.float32(frame.intercept), out=out)
    else:
        out[...] = stored * np.float64(frame.slope) + frame.intercept
    if has_padding_below_air(frame):
        out[stored == np.array(frame.padding).astype(stored.dtype)] = AIR


def has_padding_below_air(frame: Frame) -> bool:
    """Whether a CT marks pixels outside the field of view by a value that no tissue has."""
    if frame.padding is None or frame.header.dataset.get("Modality") != "CT":
        return False
    return not AIR <= frame.padding * frame.slope + frame.intercept <= HIGHEST_HU
