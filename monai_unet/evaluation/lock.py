"""One writer per file: an advisory lock that ends with the process."""

from __future__ import annotations

import errno
import os
from typing import IO


def lock(file: IO[bytes]) -> bool:
    """Whether an open file is now ours alone; True too where the file system has no locks.

    The lock ends when the file is closed or its process dies.
    """
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 30)  # behind the content, which others may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True
