"""Compressed pixels compared with the header before a decoder sees them, and run-length decoding that counts.

Decoders believe the header: they return part of an image, a rearranged one, or end the process.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

MOST_FRAGMENTS = 1 << 16
"""Pieces of compressed data per frame beyond which a file is believed to be damaged."""

_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_NOT_SOF = (0xC4, 0xC8, 0xCC)


@dataclass(frozen=True)
class CodedImage:
    """What a codestream says of its image; `bits` per sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def fragments_of(data: bytes, frames: int) -> list[bytes]:
    """Fragments of encapsulated pixel data, the offset table left out (PS3.5 A.4).

    Raises:
        ValueError: too many of them, or no items.
    """
    found: list[bytes] = []
    place = 0
    while place + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, place)
        tag = group << 16 | element
        if tag == _END:
            break
        if tag != _ITEM or place + 8 + length > len(data) + 1:
            raise ValueError("its compressed pixels are no list of items")
        found.append(data[place + 8 : place + 8 + length])
        if len(found) > MOST_FRAGMENTS * max(frames, 1):
            raise ValueError(f"it has more than {MOST_FRAGMENTS} pieces of compressed pixels per frame")
        place += 8 + length
    return found[1:]


def check_number(fragments: list[bytes], frames: int) -> None:
    """Compare the images that begin among the fragments with the number of frames.

    Raises:
        ValueError: they are not as many.
    """
    beginning = sum(fragment.startswith((_JPEG, _JPEG_2000)) for fragment in fragments)
    if beginning > frames:
        raise ValueError(f"it holds {beginning} compressed images, its header says {frames}")


def check_image(data: bytes, dataset: Dataset) -> int:
    """Compare a codestream with the header, and return its bits per sample; 0 where it does not say.

    Raises:
        ValueError: they contradict each other.
    """
    coded = coded_image(data)
    if coded is None:
        return 0
    allocated = int(dataset.BitsAllocated)
    if (coded.rows, coded.columns) != (dataset.Rows, dataset.Columns):
        raise ValueError(
            f"its pixels are {coded.rows} rows of {coded.columns}, its header says {dataset.Rows} of {dataset.Columns}"
        )
    if coded.samples != int(dataset.SamplesPerPixel):
        raise ValueError(f"its pixels have {coded.samples} samples, its header says {dataset.SamplesPerPixel}")
    if coded.bits > allocated or (data.startswith(_JPEG) and allocated > 16):
        raise ValueError(f"its pixels have {coded.bits} bits, its header allocates {allocated}")
    return coded.bits


def coded_image(data: bytes) -> CodedImage | None:
    """Size of the image in a JPEG, JPEG-LS or JPEG 2000 codestream; None where its header is not found."""
    if data.startswith(_JPEG_2000):
        if len(data) < 43:
            return None
        right, bottom, left, top = struct.unpack_from(">4I", data, 8)
        samples, bits = struct.unpack_from(">HB", data, 40)
        return CodedImage(bottom - top, right - left, samples, (bits & 0x7F) + 1)
    place = 2
    while data.startswith(_JPEG) and place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_SOF) or marker == 0xF7:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", data, place + 4)
            return CodedImage(rows, columns, samples, bits)
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def run_length_decoded(data: bytes, shape: tuple[int, int], bits: int) -> NDArray[np.unsignedinteger]:
    """One frame of grey values (rows, columns), unsigned little endian (PS3.5 G).

    Raises:
        ValueError: another number of segments or bytes than the header says.
    """
    count, *offsets = struct.unpack_from("<16I", data)
    size, wanted = shape[0] * shape[1], bits // 8
    if count != wanted:
        raise ValueError(f"its pixels have {count} bytes each, its header says {wanted}")
    ends = [*offsets[1:count], len(data)]
    planes = np.empty((size, wanted), np.uint8)
    for n, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        # the most significant byte comes first
        planes[:, wanted - 1 - n] = np.frombuffer(_unpacked(data[start:end], size), np.uint8)
    return planes.view(f"<u{wanted}").reshape(shape)


def _unpacked(segment: bytes, size: int) -> bytes:
    out = bytearray()
    place, last = 0, len(segment) - 1
    while place < last:
        head = segment[place]
        if head < 128:
            out += segment[place + 1 : place + 2 + head]
            place += head + 2
        elif head > 128:
            out += segment[place + 1 : place + 2] * (257 - head)
            place += 2
        else:
            place += 1
        if len(out) > size + 256:
            break
    # a segment of odd length ends in a byte that may decode to something
    if not size <= len(out) <= size + 1:
        raise ValueError(f"its pixels are {len(out)} bytes or more, its header says {size}")
    return bytes(out[:size])
