"""Arrays on the wire as nnInteractive packs them: a header, then blosc2 frames. Sizes are checked first.

    magic "NNIA", version 1, codec, number of axes, length of the type's name (one byte each), the name, an int64 for
    each axis, the number of chunks (uint32), and for each chunk its unpacked and packed length (uint64) and its frame

All numbers are little endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError

_MAGIC, _VERSION, _ZSTD = b"NNIA", 1, 1
_CHUNK = 1 << 30
_FRAME = 32
_TYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
)
_MOST_AXES = 4

Packed = bytes | bytearray | memoryview


class WireError(InputError):
    """Bytes that are no packed array, or not of the size that they state."""


@dataclass(frozen=True)
class Stated:
    """What a packed array says of itself.

    Attributes:
        shape: of one to four axes.
        dtype: a plain number or bool, little endian.
        begin: where its chunks begin.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    begin: int

    @property
    def bytes(self) -> int:
        """Of the array unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize


def packer() -> ModuleType:
    """The package that packs arrays.

    Raises:
        InputError: it is not installed.
    """
    try:
        import blosc2
    except ImportError as error:
        raise InputError('nnInteractive\'s protocol needs blosc2: pip install "monai-unet[nninteractive]".') from error
    module: ModuleType = blosc2
    return module


def pack_array(array: NDArray[np.generic], *, threads: int = 1) -> bytes:
    """An array (any shape of up to four axes, numbers or bool) as bytes.

    >>> unpack_array(pack_array(np.arange(6, dtype=np.int16).reshape(1, 2, 3)), most_bytes=100)
    array([[[0, 1, 2],
            [3, 4, 5]]], dtype=int16)
    """
    blosc2 = packer()
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    name = array.dtype.name.encode("ascii")
    raw = memoryview(array.data).cast("B") if array.size else memoryview(b"")
    starts = range(0, raw.nbytes, _CHUNK)
    # bytes that belong together are sorted, which halves a CT; a mask has one byte anyway
    filters = [blosc2.Filter.SHUFFLE if array.dtype.itemsize > 1 else blosc2.Filter.NOFILTER]
    parts = [
        struct.pack("<4sBBBB", _MAGIC, _VERSION, _ZSTD, array.ndim, len(name)),
        name,
        struct.pack(f"<{array.ndim}q", *array.shape),
        struct.pack("<I", len(starts)),
    ]
    for start in starts:
        piece = raw[start : start + _CHUNK]
        packed = blosc2.compress2(
            piece,
            typesize=array.dtype.itemsize,
            codec=blosc2.Codec.ZSTD,
            clevel=1,
            filters=filters,
            nthreads=threads,
        )
        parts += [struct.pack("<QQ", piece.nbytes, len(packed)), packed]
    return b"".join(parts)


def stated(packed: Packed) -> Stated:
    """Shape and type of a packed array, before anything of its size is taken into memory.

    Raises:
        WireError: it is none.
    """
    view = memoryview(packed).cast("B")
    try:
        magic, version, codec, axes, length = struct.unpack_from("<4sBBBB", view, 0)
        name = bytes(view[8 : 8 + length]).decode("ascii")
        shape = struct.unpack_from(f"<{axes}q", view, 8 + length)
    except (struct.error, UnicodeDecodeError) as error:
        raise WireError("what was sent is no packed array; send it as nnInteractive's client does.") from error
    known = magic == _MAGIC and version == _VERSION and codec in (1, 2) and name in _TYPES
    if not known or not 1 <= axes <= _MOST_AXES or any(not 0 < n < 2**31 for n in shape):
        raise WireError("what was sent is no packed array that is known here; send it as nnInteractive's client does.")
    return Stated(shape, np.dtype(name), 8 + length + 8 * axes)


def unpack_array(packed: Packed, *, most_bytes: int) -> NDArray[np.generic]:
    """The array of some bytes, with the shape and type that they state.

    Raises:
        WireError: no packed array, not of the size that it states, or larger than `most_bytes`.
    """
    says = stated(packed)
    if says.bytes > most_bytes:
        raise WireError(
            f"an array of {says.shape} {says.dtype} was sent, more than the {most_bytes} bytes allowed here."
        )
    array = np.empty(says.shape, dtype=says.dtype)
    unpack_into(packed, array)
    return array


def unpack_into(packed: Packed, array: NDArray[np.generic]) -> None:
    """Unpack into an array of the stated shape and type that is there already, contiguous.

    Raises:
        WireError: no packed array, of another shape or type, or not of the size that it states.
    """
    blosc2 = packer()
    says = stated(packed)
    if array.shape != says.shape or array.dtype != says.dtype:
        raise WireError(f"an array of {says.shape} {says.dtype} was sent instead of {array.shape} {array.dtype}.")
    flat, written = array.reshape(-1).view(np.uint8), 0
    for length, frame in _frames(memoryview(packed).cast("B"), says.begin):
        found, compressed, _ = blosc2.get_cbuffer_sizes(frame)
        if found != length or compressed != len(frame) or written + length > flat.size:
            raise WireError("what was sent is longer or shorter than it states; send it again.")
        try:
            blosc2.decompress2(frame, dst=flat[written : written + length])
        except (RuntimeError, ValueError) as error:
            raise WireError("what was sent is damaged; send it again.") from error
        written += length
    if written != flat.size:
        raise WireError("what was sent is longer or shorter than it states; send it again.")


def _frames(view: memoryview, begin: int) -> Iterator[tuple[int, memoryview]]:
    """Unpacked length and bytes of each chunk."""
    try:
        (count,) = struct.unpack_from("<I", view, begin)
        place = begin + 4
        for _ in range(count):
            length, packed = struct.unpack_from("<QQ", view, place)
            place += 16
            if not _FRAME <= packed <= len(view) - place or not 0 < length <= 2**31:
                raise WireError("what was sent is cut short or damaged; send it again.")
            yield length, view[place : place + packed]
            place += packed
    except struct.error as error:
        raise WireError("what was sent is cut short or damaged; send it again.") from error
