"""One connection of a client: its key, its lease, the size of what it sends; then what was asked."""

from __future__ import annotations

import hmac
import io
import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from monai_unet.errors import InputError
from monai_unet.interaction.remote import LEASE_HEADER, META_HEADER, POSTS, READS
from monai_unet.interaction.serving.kept import FullError
from monai_unet.interaction.serving.leases import NoLeaseError
from monai_unet.interaction.serving.patience import PatientReader
from monai_unet.interaction.serving.requests import ARRAYS, Asked, Said

if TYPE_CHECKING:
    from monai_unet.interaction.serving.server import PromptServer

MOST_JSON = 1 << 16
_READY = "/readyz"
_LINGER_S = 5.0


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class ProtocolHandler(BaseHTTPRequestHandler):
    """Speaks the protocol over HTTP; what is asked is worked on in `requests`."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "monai-unet", ""
    disable_nagle_algorithm = True
    server: PromptServer

    def setup(self) -> None:
        """Read patiently."""
        super().setup()
        self._reader = PatientReader(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._reader, 1 << 16)

    def handle_one_request(self) -> None:
        """One request; a client that is gone or too slow ends the connection."""
        self._reader.expect_request()
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError, OSError):
            self.close_connection = True

    def log_message(self, *args: object) -> None:  # type: ignore[override]
        """Nothing: audit lines are written for what is asked."""

    def do_GET(self) -> None:
        """What may be read."""
        self._answer(READS)

    def do_POST(self) -> None:
        """What is done."""
        self._answer(POSTS)

    def _answer(self, known: tuple[str, ...]) -> None:
        started, self._unread, self._number = time.perf_counter(), 0, 0
        try:
            said = self._said(known)
        except _RefusedError as error:
            said = Said({"detail": error.sentence}, error.status)
        except NoLeaseError:
            said = Said({"detail": "the session has ended or is not known; connect again"}, 410)
        except FullError as error:
            said = Said({"detail": str(error)}, 503)
        except InputError as error:
            said = Said({"detail": str(error)}, 400)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as error:
            # what went wrong in here is for the log, and nothing of it for the client
            self.server.audit.failure(error)
            said = Said({"detail": "the server could not answer this; see its log"}, 500)
        self._send(said)
        if self.path not in ("/healthz", _READY, "/heartbeat", "/lease_status"):
            what = self.path.strip("/") if self.path in READS + POSTS else "unknown"
            took, number = 1000 * (time.perf_counter() - started), said.session or self._number
            self.server.audit.line(self.client_address[0], number, what, said.status, took)

    def _said(self, known: tuple[str, ...]) -> Said:
        self._unread = self._length()
        if self.headers.get("Origin"):
            raise _RefusedError(403, "pages of a browser may not ask this server")
        if self.path == "/healthz" and self.command == "GET":
            return Said({"ok": True})
        if self.path == _READY and self.command == "GET":
            ready = self.server.ready
            return Said({"ready": ready}, 200 if ready else 503)
        if self.path not in known:
            raise _RefusedError(404, "there is no such path here")
        self._check_key()
        if not self.server.ready:
            raise FullError("the model is being loaded; try again in a moment.")
        return self._asked()

    def _asked(self) -> Said:
        server, name = self.server, self.path.strip("/")
        token = self.headers.get(LEASE_HEADER, "")
        if name in ("claim", "capabilities", "release"):
            self._json()
            return server.requests.about_sessions(name, token)
        lease = server.leases.find(token, alive=name != "lease_status")
        self._number = lease.number
        if name in ("heartbeat", "lease_status"):
            self._json()
            return server.requests.about_time(name, lease)
        with lease.at_work() as conversation:
            if name not in ARRAYS:
                return server.requests.asked(Asked(name, self._json()), conversation)
            meta = self._parsed(self.headers.get(META_HEADER) or "{}")
            with server.budget.held(self._unread):
                return server.requests.asked(Asked(name, meta, self._body(server.most_bytes)), conversation)

    def _check_key(self) -> None:
        key = self.server.key
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if key and not hmac.compare_digest(given, f"Bearer {key}".encode()):
            raise _RefusedError(401, "the key is missing or wrong; ask for it where the server is run")

    def _length(self) -> int:
        stated = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not (stated.isascii() and stated.isdigit() and len(stated) < 16):
            self.close_connection = True
            raise _RefusedError(411, "say how long the request is (Content-Length)")
        return int(stated)

    def _json(self) -> Mapping[str, object]:
        return self._parsed(bytes(self._body(MOST_JSON)) or b"{}")

    def _parsed(self, text: str | bytes) -> Mapping[str, object]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _RefusedError(400, "what was sent is no JSON") from error
        if not isinstance(found, dict):
            raise _RefusedError(400, "what was sent is no JSON object")
        return found

    def _body(self, most: int) -> bytearray:
        length = self._unread
        if length > most:
            raise _RefusedError(413, f"{length} bytes were sent, more than the {most} that are allowed here")
        self._reader.expect_body(length)
        body, view, place = bytearray(length), None, 0
        view = memoryview(body)
        while place < length:
            count = self.rfile.readinto(view[place:])  # type: ignore[attr-defined]
            if not count:
                raise ConnectionError("the client is gone")
            place += count
        self._unread = 0
        return body

    def _send(self, said: Said) -> None:
        self.send_response(said.status)
        if self._unread:
            self.close_connection = True
        body, kind = _text(said.value), "application/json"
        if said.body is not None:
            body, kind = said.body, "application/octet-stream"
        headers: dict[str, str] = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        if said.body is not None:
            headers[META_HEADER] = _text(said.value).decode("ascii")
        if said.status == 503:
            headers["Retry-After"] = "10"
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if self._unread:
            self._linger()

    def _linger(self) -> None:
        """Take what still comes for a moment, else the client sees a broken connection and not the sentence."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            until = time.monotonic() + _LINGER_S
            self.connection.settimeout(_LINGER_S)
            while time.monotonic() < until and self.connection.recv(1 << 20):
                pass


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
