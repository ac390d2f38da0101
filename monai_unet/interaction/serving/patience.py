"""Reading from a client within a time: one that sends a byte now and then does not hold a connection for long."""

from __future__ import annotations

import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IDLE_S = 180.0
"""That a connection may be kept without a request."""

HEADER_S, BODY_S, BODY_RATE = 15.0, 60.0, 500_000
"""For the head of a request; for its body, and the bytes in a second that lengthen it."""


class PatientReader(io.RawIOBase):
    """What a client sends, until a time that each part of a request sets anew.

    Args:
        connection: to the client.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._fresh = True
        self._until = time.monotonic() + IDLE_S

    def readable(self) -> bool:
        """It is."""
        return True

    def expect_request(self) -> None:
        """From now on a request may begin."""
        self._fresh, self._until = True, time.monotonic() + IDLE_S

    def expect_body(self, length: int) -> None:
        """From now on so many bytes should come."""
        self._fresh, self._until = False, time.monotonic() + BODY_S + length / BODY_RATE

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Some bytes.

        Raises:
            TimeoutError: the client took too long.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client took too long")
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self._connection.settimeout(BODY_S)  # for what is sent
        if self._fresh and count:
            self._fresh, self._until = False, time.monotonic() + HEADER_S
        return count
