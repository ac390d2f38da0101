"""What sending and receiving over DIMSE share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

if TYPE_CHECKING:
    from pynetdicom import evt

STORED_SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless,
    RLELossless, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit,
]  # fmt: skip
"""Transfer syntaxes that are taken, those without loss first."""


def end_silence(event: evt.Event, seconds: float) -> None:
    """For EVT_CONN_OPEN: a link that falls silent within a message is broken; pynetdicom would wait for ever."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.settimeout(seconds)
