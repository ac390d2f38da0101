"""Memory for images and masks of sessions: bounded in all, and out of the way while nobody clicks.

An array lies in a temporary file without a name, readable by nobody else and gone with the process; the system may
take its pages out of memory, and `rest` asks for it.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from monai_unet.errors import InputError


class FullError(InputError):
    """There is no room now; the same may be asked again later."""


class MemoryBudget:
    """Bytes that all sessions together may hold.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Hold so many bytes.

        Raises:
            FullError: they are not free.
        """
        with self._lock:
            if self.taken + count > self.most:
                raise FullError("the server has no memory left for this image now; try again later.")
            self.taken += count

    def give(self, count: int) -> None:
        """Give them back."""
        with self._lock:
            self.taken -= count

    @contextlib.contextmanager
    def held(self, count: int) -> Iterator[None]:
        """Hold bytes while a block runs."""
        self.take(count)
        try:
            yield
        finally:
            self.give(count)


class KeptArray:
    """An array of zeros within a budget, until `close`.

    Args:
        shape, dtype: of the array; any shape.
        on_disk: in a temporary file, else in memory alone.

    Raises:
        FullError: the budget or the disk has no room for it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, budget: MemoryBudget, *, on_disk: bool) -> None:
        count = math.prod(shape)
        self._size = max(1, count * np.dtype(dtype).itemsize)
        self._budget, self._on_disk = budget, on_disk
        budget.take(self._size)
        try:
            self._map = self._mapped()
        except OSError as error:
            budget.give(self._size)
            raise FullError("the server has no room on its disk for this image now; try again later.") from error
        self.array: NDArray[np.generic] = np.frombuffer(self._map, dtype=dtype, count=count).reshape(shape)

    def rest(self) -> None:
        """Let the system have the memory; the next touch reads it back."""
        if self._on_disk and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Give the memory back; the array must not be used any more."""
        if self._size:
            self._budget.give(self._size)
            self._size = 0
            self.array = np.zeros(0)
            with contextlib.suppress(BufferError):  # else it goes with the last array that looks into it
                self._map.close()

    def _mapped(self) -> mmap.mmap:
        if not self._on_disk:
            return mmap.mmap(-1, self._size)
        with tempfile.TemporaryFile(prefix="monai-unet-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, self._size)  # a full disk is told now, and not by a signal later
            else:
                file.truncate(self._size)
            return mmap.mmap(file.fileno(), self._size)
