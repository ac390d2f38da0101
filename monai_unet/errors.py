"""The one error that means "your input, not our code"."""


class InputError(ValueError):
    """Input that cannot be used: the message is one sentence that names what was found, where, and what to do.

    The command line prints it without a traceback, the napari plugin shows it in the status line.
    """
