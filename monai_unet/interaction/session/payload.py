"""Compressed pieces of arrays that history, prompts and journal share; what exceeds the memory limit goes to disk.

A payload is immutable and numbered. A store loses nothing: beyond its limit the oldest payloads move to a
temporary file without a name of its own, which disappears with the process.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from monai_unet.geometry import Box, bounding_box, box_shape, shift

DEFAULT_LIMIT = 256 * 2**20
"""Bytes of compressed payloads that a store keeps in memory."""

_LEVEL = 1


class Payload:
    """Some zlib-compressed bytes, in memory or spilled; made by a `PayloadStore` only."""

    __slots__ = ("__weakref__", "_data", "_place", "_store", "number", "size")

    def __init__(self, store: PayloadStore, number: int, data: bytes) -> None:
        self.number = number
        self.size = len(data)
        self._store = store
        self._data: bytes | None = data
        self._place = 0

    @property
    def in_memory(self) -> bool:
        """False once it has moved to disk."""
        return self._data is not None

    def read(self) -> bytes:
        """The compressed bytes."""
        data = self._data  # once: another thread may spill it meanwhile
        return data if data is not None else self._store.read_spilled(self._place, self.size)

    def spill(self, place: int) -> None:
        """Forget the bytes, which now lie at this place of the store's file."""
        self._place = place  # first: whoever sees that the bytes are gone must find where they lie
        self._data = None


class PayloadStore:
    """Makes payloads and keeps at most `limit` bytes of them in memory."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._next = 0
        self._resident: weakref.WeakValueDictionary[int, Payload] = weakref.WeakValueDictionary()
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def put(self, data: bytes, number: int | None = None) -> Payload:
        """Keep compressed bytes; `number` is given when a journal is read back."""
        payload = Payload(self, self._next if number is None else number, data)
        self._next = max(self._next, payload.number + 1)
        self._resident[payload.number] = payload
        self._make_room()
        return payload

    @property
    def bytes_in_memory(self) -> int:
        """Sum over all payloads in memory that something still refers to."""
        return sum(payload.size for payload in list(self._resident.values()))

    def read_spilled(self, place: int, size: int) -> bytes:
        """Bytes from the temporary file."""
        assert self._file is not None
        with self._lock:  # a replay reads in another thread than the one that edits
            self._file.seek(place)
            return self._file.read(size)

    def close(self) -> None:
        """Remove the temporary file; spilled payloads cannot be read any more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _make_room(self) -> None:
        excess = self.bytes_in_memory - self.limit
        for payload in sorted(self._resident.values(), key=lambda payload: payload.number) if excess > 0 else ():
            if excess <= 0:
                break
            if not self._spill(payload):
                return
            excess -= payload.size

    def _spill(self, payload: Payload) -> bool:
        """Move one payload to disk; False where the disk has no room, and the payload stays in memory."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="monai-unet-undo-")  # noqa: SIM115 (lives as the store)
            data = payload.read()
            with self._lock:
                place = self._file.seek(0, 2)
                self._file.write(data)
                self._file.flush()
        except OSError:
            return False
        payload.spill(place)
        del self._resident[payload.number]
        return True


def compress(array: NDArray[np.integer]) -> bytes:
    """Whole numbers from 0 as zlib bytes, led by the voxel width (b"1" or b"2"): one byte where that holds them.

    Where all are 0 the result is b"0" alone: a label map of a large CT begins so, and packing it takes half a second.

    Array of any shape.
    """
    highest = array.max(initial=0)
    if highest == 0:
        return b"0"
    narrow = array.astype(np.uint8) if highest < 256 else array.astype("<u2")
    return str(narrow.itemsize).encode() + isal_zlib.compress(np.ascontiguousarray(narrow), _LEVEL)


def decompress(data: bytes, shape: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The array again, uint8 or uint16, read only."""
    if data[:1] == b"0":
        return np.broadcast_to(np.zeros((), dtype=np.uint8), tuple(shape))
    narrow, count = data[:1] == b"1", int(np.prod(shape))
    raw = isal_zlib.decompress(memoryview(data)[1:], bufsize=count * (1 if narrow else 2) + 1)
    if narrow:
        return np.frombuffer(raw, dtype=np.uint8).reshape(shape)
    return np.frombuffer(raw, dtype="<u2").astype(np.uint16, copy=False).reshape(shape)


@dataclass(frozen=True, eq=False)
class PackedMask:
    """A mask of the grid, as bits inside its bounding box; `box` is None where it is empty."""

    box: Box | None
    payload: Payload | None

    @classmethod
    def pack(cls, mask: NDArray[np.bool_], store: PayloadStore, within: Box | None = None) -> PackedMask:
        """Pack a mask that covers the grid, or the box `within` of it.

        Mask (S, A, R).
        """
        box = bounding_box(mask)
        if box is None:
            return cls(None, None)
        payload = store.put(compress(np.packbits(mask[box])))
        return cls(box if within is None else shift(box, [s.start for s in within]), payload)

    def write_into(self, target: NDArray[np.bool_]) -> None:
        """Set the voxels of the mask in an array that covers the grid; leave the others.

        Mask (S, A, R).
        """
        if self.box is None or self.payload is None:
            return
        shape = box_shape(self.box)
        count = int(np.prod(shape))
        bits = decompress(self.payload.read(), ((count + 7) // 8,))
        target[self.box] |= np.unpackbits(bits.view(np.uint8), count=count).reshape(shape).astype(bool)


@dataclass(frozen=True, eq=False)
class Patch:
    """Labels inside a box before and after a step."""

    box: Box
    before: Payload
    after: Payload

    @classmethod
    def make(cls, box: Box, before: NDArray[np.uint16], after: NDArray[np.uint16], store: PayloadStore) -> Patch:
        """Compress both sides.

        Labels (S, A, R) of the box.
        """
        return cls(box, store.put(compress(before)), store.put(compress(after)))

    def labels_before(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Labels of the box before the step."""
        return decompress(self.before.read(), box_shape(self.box))

    def labels_after(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Labels of the box after it."""
        return decompress(self.after.read(), box_shape(self.box))
