"""One client's connection to a server of nnInteractive's protocol: its key, its lease, and answers that are checked."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from monai_unet.errors import InputError
from monai_unet.interaction.remote.protocol import KEY_VARIABLE, LEASE_HEADER, META_HEADER, PORT

CONNECT_S, ANSWER_S, UPLOAD_S = 5.0, 60.0, 600.0
"""Seconds to wait for a connection, for an answer, and for the answer to an image."""

_MOST_TEXT = 1 << 20
_CHUNK = 1 << 20
_BEATS = 2.5
_MISSING = "!!MISSING!!"
"""By which the official server says that it does not know the licence of its model."""


class LostLeaseError(Exception):
    """The server does not know this client any more: it was idle for too long, or the server was started anew."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself before anything is sent to it.

    Attributes:
        address: of the server.
        licence: of its model, as it says it; "" where it does not know.
        marks: the kinds of marks that it takes: "points", "bbox2d", "bbox3d", "scribble", "lasso".
        begins_with_masks: whether it takes a mask to begin with.
        version: of what serves.
    """

    address: str
    licence: str
    marks: frozenset[str]
    begins_with_masks: bool
    version: str

    @property
    def sentence(self) -> str:
        """For a user, before the first image is sent."""
        licence = f"under the licence {self.licence}" if self.licence else "and does not state its model's licence"
        return f"The server {self.address} answers ({self.version}), {licence}; images are sent to it."


@dataclass(frozen=True)
class ServerReply:
    """JSON, and the bytes of a packed array where there are some."""

    values: Mapping[str, object]
    body: bytes = b""


def is_address(name: str) -> bool:
    """Whether a method's name is a server's address.

    >>> is_address("http://gpu.ward:1527"), is_address("lesion_editor")
    (True, False)
    """
    return name.lower().startswith(("http://", "https://"))


class Connection:
    """A lease on a server, taken when it is first needed, kept alive, and given back when nobody holds this any more.

    Args:
        address: `http://host:port` or `https://…`; without a port the protocol's own.
        key: that the server asks for; None takes `$NN_INTERACTIVE_API_KEY`.

    Raises:
        InputError: no such address.
    """

    def __init__(self, address: str, *, key: str | None = None) -> None:
        split = urlsplit(address)
        try:
            port = split.port
        except ValueError:
            port = 0
        path_only = split.query or split.fragment or split.username or split.password
        if split.scheme not in ("http", "https") or not split.hostname or path_only or port == 0:
            raise InputError(f"'{address}' is no server's address; write http://host:{PORT}.")
        default = 443 if split.scheme == "https" else PORT
        self._secure, self._host, self._port = split.scheme == "https", split.hostname, port or default
        self._prefix = split.path.rstrip("/")
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"{split.scheme}://{host}:{self._port}{self._prefix}"
        self._key = os.environ.get(KEY_VARIABLE, "") if key is None else key
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError("the key for the server has letters that cannot be sent; use plain ones.")
        self._lease: _Lease | None = None
        self._lock = threading.Lock()

    def facts(self) -> ServerFacts:
        """What the server says of itself; nothing is sent to it but the key.

        Raises:
            InputError: it cannot be reached, or is no such server.
        """
        says = self._ask("GET", "/capabilities").values
        marks, licence = says.get("supported_interactions"), str(says.get("license") or "")
        if not isinstance(marks, Mapping):
            raise InputError(f"{self.address} answers, but not as nnInteractive's server; check the address.")
        return ServerFacts(
            self.address,
            "" if licence == _MISSING else " ".join(licence.split())[:200],
            frozenset(str(kind) for kind, known in marks.items() if known is True),
            says.get("supports_initial_label") is True,
            " ".join(str(says.get("inference_session_version", "")).split())[:60],
        )

    def claim(self) -> None:
        """Take a new lease.

        Raises:
            InputError: the server has none free, or cannot be reached.
        """
        self.release()
        says = self._ask("POST", "/claim", b"{}").values
        token, alive = says.get("lease_token"), says.get("liveness_timeout_seconds")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise InputError(f"{self.address} gives no lease and is no server of nnInteractive's protocol.")
        self._lease = _Lease(token, threading.Event())
        weakref.finalize(self, _give_back_aside, self._sibling(), self._lease)
        if isinstance(alive, int | float) and alive > 0:
            beat = max(0.5, alive / _BEATS)
            arguments = (self._sibling(), self._lease, beat)
            threading.Thread(target=_keep_alive, args=arguments, name="monai-unet heartbeat", daemon=True).start()

    def release(self) -> None:
        """Give the lease back."""
        lease, self._lease = self._lease, None
        if lease is not None:
            _give_back(self._sibling(), lease)

    def post(
        self,
        path: str,
        values: Mapping[str, object],
        packed: bytes | None = None,
        *,
        seconds: float = ANSWER_S,
        most: int = _MOST_TEXT,
    ) -> ServerReply:
        """Ask for something of the lease's session: JSON, or a packed array with JSON beside it.

        Args:
            seconds: to wait for the answer.
            most: bytes that it may have.

        Raises:
            LostLeaseError: there is no lease (any more).
            InputError: the server is gone, too slow, or refuses; the message says why.
        """
        lease = self._lease
        if lease is None:
            raise LostLeaseError
        text = json.dumps(values, separators=(",", ":"))
        headers = {LEASE_HEADER: lease.token}
        if packed is not None:
            headers[META_HEADER] = text
        return self._ask("POST", path, text.encode() if packed is None else packed, headers, seconds, most)

    def ask_with(self, token: str, path: str, seconds: float) -> None:
        """Ask for something with a lease's token, for what is kept alive or given back without this object."""
        self._ask("POST", path, b"{}", {LEASE_HEADER: token}, seconds)

    def _sibling(self) -> Connection:
        return Connection(self.address, key=self._key)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_S,
        most: int = _MOST_TEXT,
    ) -> ServerReply:
        kind = "application/octet-stream" if META_HEADER in (headers or {}) else "application/json"
        sent = {"Content-Type": kind, **(headers or {})}
        if self._key:
            sent["Authorization"] = f"Bearer {self._key}"
        with self._lock:
            connection = self._opened()
            try:
                connection.connect()
                if connection.sock is not None:
                    connection.sock.settimeout(seconds)
                connection.request(method, self._prefix + path, body or None, sent)
                response = connection.getresponse()
                content = _read(response, most, time.monotonic() + seconds)
                meta = response.headers.get(META_HEADER)
            except TimeoutError as error:
                raise InputError(
                    f"the server {self.address} did not answer within {seconds:g} s; nothing was changed. Try again, "
                    "or choose another method."
                ) from error
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise InputError(
                    f"the server {self.address} cannot be reached ({reason}); nothing was changed. Check that it "
                    "runs, or choose another method."
                ) from error
            finally:
                connection.close()
        return self._checked(response.status, content, meta)

    def _opened(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_S, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)

    def _checked(self, status: int, content: bytes, meta: str | None) -> ServerReply:
        text = content if meta is None else meta
        try:
            values = json.loads(text) if len(text) <= _MOST_TEXT else None
        except (ValueError, RecursionError):
            values = None
        says = values if isinstance(values, dict) else {}
        if status == 200:
            if not isinstance(values, dict):
                raise InputError(f"{self.address} answers, but not as nnInteractive's server; check the address.")
            return ServerReply(says, b"" if meta is None else content)
        if status == 410:
            raise LostLeaseError
        detail = " ".join(str(says.get("detail", "")).split())[:300].rstrip(".")
        if status == 401:
            raise InputError(f"the server {self.address} wants another key; set it in ${KEY_VARIABLE}.")
        if status == 503:
            raise InputError(f"the server {self.address} is full ({detail}); try again later.")
        if status in (400, 413, 422):
            raise InputError(f"the server {self.address} refuses this ({detail or status}); nothing was changed.")
        raise InputError(f"the server {self.address} failed ({detail or f'HTTP {status}'}); nothing was changed.")


@dataclass(frozen=True, eq=False)
class _Lease:
    token: str
    ended: threading.Event


def _keep_alive(connection: Connection, lease: _Lease, seconds: float) -> None:
    while not lease.ended.wait(seconds):
        try:
            connection.ask_with(lease.token, "/heartbeat", CONNECT_S)
        except LostLeaseError:
            return  # whoever asks next is told, and begins anew
        except InputError:
            continue


def _read(response: http.client.HTTPResponse, most: int, until: float) -> bytes:
    """The content of an answer.

    Raises:
        TimeoutError, HTTPException: it takes too long, or is too long.
    """
    content = bytearray()
    while chunk := response.read1(_CHUNK):
        content += chunk
        if len(content) > most:
            raise http.client.HTTPException("its answer is larger than any that fits")
        if time.monotonic() > until:
            raise TimeoutError
    if response.length:
        raise http.client.HTTPException("its answer was cut short")
    return bytes(content)


def _give_back_aside(connection: Connection, lease: _Lease) -> None:
    """Whoever let go of the connection does not wait for the server."""
    try:
        threading.Thread(target=_give_back, args=(connection, lease), daemon=True).start()
    except RuntimeError:  # the interpreter ends
        _give_back(connection, lease)


def _give_back(connection: Connection, lease: _Lease) -> None:
    if not lease.ended.is_set():
        lease.ended.set()
        try:
            connection.ask_with(lease.token, "/release", CONNECT_S)
        except (InputError, LostLeaseError):
            return  # the server takes it back by itself
