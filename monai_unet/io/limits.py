"""What reading a file may take, asked before anything is unpacked or allocated, and one sentence for whatever fails.

A few megabytes can unpack to more than a machine has. What a header asks for is compared with the memory at hand; what
a zip or a deflated file unpacks to is counted while it is unpacked. `--memory-limit` of the commands, or
`$MONAI_UNET_MAX_GIB`, sets another limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from monai_unet.errors import InputError

VARIABLE = "MONAI_UNET_MAX_GIB"
"""Environment variable: GiB that reading one volume may take."""

SHARE = 0.7
"""Of the memory at hand, where the variable is not set."""

_GIB = 1 << 30


def allowed_bytes() -> int:
    """Bytes that reading one volume may take.

    Raises:
        InputError: `$MONAI_UNET_MAX_GIB` is no positive number.
    """
    stated = os.environ.get(VARIABLE, "")
    if not stated:
        return int(SHARE * psutil.virtual_memory().available)
    try:
        limit = float(stated)
    except ValueError:
        limit = -1.0
    if not 0 < limit < 1 << 20:
        raise InputError(f"{VARIABLE}={stated} is not a number of GiB; set it to 16, for example, or leave it out.")
    return int(limit * _GIB)


@contextmanager
def reading_limit(gib: float) -> Iterator[None]:
    """Inside, reading one volume may take so many GiB, in processes that are started too.

    Raises:
        InputError: that is no positive number.
    """
    if not 0 < gib < 1 << 20:
        raise InputError(f"--memory-limit takes a number of GiB above 0, such as 16, got {gib:g}.")
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(gib)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def check_need(needed: float, path: object) -> None:
    """Refuse what would take more memory than is allowed, before it is taken.

    Args:
        needed: bytes.

    Raises:
        InputError: it would.
    """
    allowed = allowed_bytes()
    if needed > allowed:
        raise InputError(
            f"{path} would take {needed / _GIB:.1f} GiB of memory to read, of which {allowed / _GIB:.1f} GiB may be "
            "used; free memory, use a larger machine, or allow more with --memory-limit GIB if you know that there is "
            f"enough (in Python {VARIABLE})."
        )


@contextmanager
def named(path: str | Path, what: str = "") -> Iterator[None]:
    """Whatever reading a file raises, as one `InputError` that holds the file's name.

    Damaged bytes make parsers raise anything, so no list of exceptions would be complete.

    Args:
        what: the kind of file, for the sentence.

    Raises:
        InputError: the reason.
    """
    kind = f" as {what}" if what else ""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None
    except MemoryError:
        raise InputError(f"{path} needs more memory to read than is at hand; use a larger machine.") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path} cannot be read{kind} ({error.strerror}); check that it may be read.") from None
        raise InputError(
            f"{path} cannot be read{kind}, it is damaged or cut short ({_reason(error)}); copy it again."
        ) from None


def _reason(error: Exception) -> str:
    text = str(error).strip()
    first = text.splitlines()[0][:200] if text else ""
    # KeyError and its like say only what was looked up
    return first if first and not isinstance(error, LookupError) else f"{type(error).__name__} {first}".strip()
