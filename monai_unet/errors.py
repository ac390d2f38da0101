"""The one error that means "your input, not our code"."""

from __future__ import annotations

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM)


class InputError(ValueError):
    """Input that cannot be used: the message is one sentence that names what was found, where, and what to do.

    The command line prints it without a traceback, the napari plugin shows it in the status line.
    """


def input_error_behind(error: BaseException) -> InputError | None:
    """The `InputError` that an exception is or was raised from (MONAI wraps what its transforms and configs raise)."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    return cause


def system_sentence(error: OSError | MemoryError) -> str:
    """What the system refused, a full disk for example, as one sentence.

    >>> system_sentence(OSError(28, "No space left on device", "out/mask.nii.gz"))
    'out/mask.nii.gz cannot be written, the disk is full; free some space or write elsewhere, and run it again.'
    """
    cause = error.__cause__
    if getattr(error, "errno", None) is None and isinstance(cause, OSError):
        # pydicom raises another one, of which only the words remain
        cause.filename = cause.filename or getattr(error, "filename", None)
        return system_sentence(cause)
    if isinstance(error, MemoryError):
        return "the memory at hand does not suffice; close other programs or use a larger machine."
    what = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "a file"
    if error.errno in _FULL:
        return f"{what} cannot be written, the disk is full; free some space or write elsewhere, and run it again."
    if error.errno == errno.EFBIG:
        return f"{what} cannot be written, files of its size are not allowed here (ulimit, quota); write elsewhere."
    if error.errno == errno.EROFS:
        return f"{what} cannot be written, the disk can only be read; write elsewhere."
    reason = error.strerror or type(error).__name__
    if error.errno in _CLOSED:
        return f"{what} cannot be opened ({reason}); change its permissions, or name another place."
    return f"{what} cannot be read or written ({reason}); check the path and the disk."
