"""Keep Python alive where Qt's bindings give back None or True once too often.

Seen with Python 3.11 and PySide6 6.12: after some minutes of use the process ends with "none_dealloc: deallocating
None: bug likely caused by a refcount error in a C extension". From Python 3.12 on None cannot be deallocated; before,
the same is reached by a count that no session can use up.
"""

from __future__ import annotations

import ctypes
import sys

MANY = 1 << 40


def make_none_immortal() -> None:
    """Raise the reference counts of None, True and False, once, on CPython before 3.12; elsewhere nothing is needed."""
    plain_cpython = sys.implementation.name == "cpython" and not hasattr(sys, "getobjects")
    if sys.version_info >= (3, 12) or not plain_cpython:
        return
    for constant in (None, True, False):
        if sys.getrefcount(constant) < MANY // 2:
            # the count is the first field of every object (PyObject.ob_refcnt)
            ctypes.c_ssize_t.from_address(id(constant)).value += MANY
