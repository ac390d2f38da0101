"""Memory that a case gave back stays with the process, for the next case.

The C library gives arrays of more than 32 MB back to the system at once, and for the next case the system has to find,
clear and map the same gigabytes page by page: half of the processor time of a CT, by measurement.
"""

from __future__ import annotations

import ctypes
import platform
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Tell the C library to keep what is freed until the process ends; for a program of its own, not for an import.

    Called before threads begin, so that all share one heap. Only glibc (Linux) has these switches; gives whether they
    were set.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # one heap: blocks that threads free can serve other threads, and none is mapped by itself
    settings = {_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER}
    return all(bool(mallopt(name, value)) for name, value in settings.items())
