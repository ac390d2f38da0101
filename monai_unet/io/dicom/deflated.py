"""Deflated DICOM (PS3.5 A.5), unpacked no further than is wanted: a few megabytes can unpack to gigabytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

HEAD_BYTES = 1 << 24
"""Unpacked bytes in which the elements before the pixels are looked for."""

_CHUNK = 1 << 20
_LONG_VR = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN")


def is_deflated(stream: BinaryIO) -> bool:
    """Whether the meta information at the beginning of a file says so; the stream is left at its beginning."""
    stream.seek(0)
    head = stream.read(2048)
    stream.seek(0)
    return DeflatedExplicitVRLittleEndian.encode() in head[:2048] and head[128:132] == b"DICM"


def head_of(stream: BinaryIO) -> io.BytesIO:
    """The beginning of a deflated file, unpacked, as a file of explicit VR little endian."""
    meta = _meta(stream)
    unpacked = bytearray()
    for piece in _inflated(stream):
        unpacked += piece
        if len(unpacked) >= HEAD_BYTES:
            break
    # of one length, so that the group length stays right
    deflated = DeflatedExplicitVRLittleEndian.encode()
    plain = ExplicitVRLittleEndian.encode().ljust(len(deflated), b"\0")
    return io.BytesIO(meta.replace(deflated, plain) + bytes(unpacked))


def inflates_beyond(stream: BinaryIO, most: int) -> bool:
    """Whether what follows the meta information unpacks to more than `most` bytes; unpacked in pieces, kept nowhere."""
    _meta(stream)
    total = 0
    for piece in _inflated(stream):
        total += len(piece)
        if total > most:
            return True
    return False


def _meta(stream: BinaryIO) -> bytes:
    """Preamble and meta information; the stream is left behind them."""
    stream.seek(0)
    found = bytearray(stream.read(132))
    while True:
        start = stream.tell()
        head = stream.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            stream.seek(start)
            return bytes(found)
        found += head
        if head[4:6] in _LONG_VR:
            more = stream.read(4)
            found += more
            (length,) = struct.unpack("<I", more)
        else:
            (length,) = struct.unpack("<H", head[6:8])
        found += stream.read(min(length, _CHUNK))


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        packed = inflater.unconsumed_tail or stream.read(_CHUNK)
        if not packed:
            return
        yield inflater.decompress(packed, _CHUNK)
