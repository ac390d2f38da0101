"""Bodies of the kind multipart/related (RFC 2387) read piece by piece, so that none is held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message
from typing import BinaryIO

from monai_unet.io.dicom.network.queries import LinkError

_MOST_HEADER = 1 << 14


def boundary_of(content_type: str) -> str:
    """What parts the parts, as the header Content-Type states it.

    Raises:
        LinkError: it states none.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if not message.get_content_type().startswith("multipart/") or not isinstance(boundary, str) or not boundary:
        raise LinkError(f"an answer is of the kind '{content_type[:80]}', where DICOM was asked for.")
    return boundary


def copy_first_part(pieces: Iterable[bytes], boundary: str, stream: BinaryIO) -> None:
    """Copy the content of the first part into a stream.

    Raises:
        LinkError: the body ends before the part does, or has no part.
    """
    parts = each_part(pieces, boundary)
    first = next(parts, None)
    if first is None:
        raise LinkError("an answer has no part, where an image was asked for.")
    for piece in first:
        stream.write(piece)


def each_part(pieces: Iterable[bytes], boundary: str) -> Iterator[Iterator[bytes]]:
    """The contents of the parts, each to be read to its end before the next is asked for.

    Raises:
        LinkError: the body is cut short, or is no multipart body.
    """
    source = _Source(pieces)
    delimiter = b"\r\n--" + boundary.encode("latin-1")
    source.held = b"\r\n"  # the first boundary may stand at the very beginning
    for _ in source.until(delimiter):
        pass
    while source.take(2) != b"--":
        source.skip_headers()
        yield source.until(delimiter)


class _Source:
    """Bytes that come in pieces, of which only as many are held as a delimiter may take."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.held = b""

    def until(self, delimiter: bytes) -> Iterator[bytes]:
        """What comes before a delimiter, which is taken too."""
        while True:
            found = self.held.find(delimiter)
            if found >= 0:
                content, self.held = self.held[:found], self.held[found + len(delimiter) :]
                yield content
                return
            keep = len(delimiter) - 1
            if len(self.held) > keep:
                content, self.held = self.held[:-keep], self.held[-keep:]
                yield content
            self._more()

    def take(self, count: int) -> bytes:
        while len(self.held) < count:
            self._more()
        taken, self.held = self.held[:count], self.held[count:]
        return taken

    def skip_headers(self) -> None:
        # behind the boundary two bytes were taken: the end of its line, or the begin of padding before it
        self.held = b"\r\n" + self.held
        end = self.held.find(b"\r\n\r\n")
        while end < 0:
            if len(self.held) > _MOST_HEADER:
                raise LinkError("an answer has a part whose header does not end.")
            self._more()
            end = self.held.find(b"\r\n\r\n")
        self.held = self.held[end + 4 :]

    def _more(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            raise LinkError("an answer was cut short.")
        self.held += piece
