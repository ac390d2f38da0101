"""The one error that means "your input, not our code"."""

from __future__ import annotations


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
