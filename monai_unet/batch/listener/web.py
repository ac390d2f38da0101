"""STOW-RS received, and `/health` and `/metrics` for those who watch over the listener."""

from __future__ import annotations

import hmac
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pydicom
from pydicom.dataset import Dataset

from monai_unet.batch.listener.reception import STATUS, Room
from monai_unet.batch.listener.rules import ListenSettings
from monai_unet.batch.listener.spool import Spool
from monai_unet.errors import InputError
from monai_unet.io.dicom.network import LinkError, boundary_of, each_part

_PIECE = 1 << 16
_TIMEOUT_S = 60.0
_SENDER = "STOW"


class WebReception:
    """Listens for HTTP once `start` was called."""

    def __init__(
        self, spool: Spool, settings: ListenSettings, room: Room, health: Callable[[], dict[str, float]]
    ) -> None:
        self._settings = settings
        held = {"spool": spool, "settings": settings, "room": room, "numbers": staticmethod(health)}
        self._handler = type("Handler", (_Handler,), held)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen in threads.

        Raises:
            InputError: the port is taken, or certificates cannot be used.
        """
        address = self._settings.address, self._settings.http_port
        try:
            self._server = ThreadingHTTPServer(address, self._handler)
        except OSError as error:
            raise InputError(f"port {address[1]} of {address[0]} cannot be listened at ({error.strerror}).") from None
        self._server.daemon_threads = True
        if self._settings.tls is not None:
            # the handshake is done by the thread of the connection, so that a slow caller keeps nobody waiting
            self._server.socket = self._settings.tls.context(listening=True).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, name="monai-unet web", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    spool: Spool
    settings: ListenSettings
    room: Room
    numbers: Callable[[], dict[str, float]]
    timeout = _TIMEOUT_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            numbers = self.numbers()
            self._reply(200, "application/json", json.dumps({"status": "ok", **numbers}).encode())
        elif self.path == "/metrics":
            self._reply(200, "text/plain; version=0.0.4", self._metrics().encode())
        else:
            self._reply(404, "text/plain", b"nothing here\n")

    def do_POST(self) -> None:
        token = self.settings.http_token
        given = self.headers.get("Authorization", "")
        if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            self.close_connection = True
            self._reply(401, "text/plain", b"the token is missing or wrong\n")
            return
        if self.path.split("?")[0].rstrip("/").split("/")[1:2] != ["studies"]:
            self.close_connection = True
            self._reply(404, "text/plain", b"nothing here\n")
            return
        taken_items: list[Dataset] = []
        failed_items: list[Dataset] = []
        try:
            for part in each_part(self._body(), boundary_of(self.headers.get("Content-Type", ""))):
                self._take(part, taken_items, failed_items)
        except (ValueError, OSError) as error:
            self.close_connection = True
            self._reply(400, "text/plain", f"{error}\n".encode())
            return
        answer = Dataset()
        if taken_items:
            answer.ReferencedSOPSequence = taken_items
        if failed_items:
            answer.FailedSOPSequence = failed_items
        code = 200 if not failed_items else 202 if taken_items else 409
        self._reply(code, "application/dicom+json", json.dumps(answer.to_json_dict()).encode())

    def _take(self, part: Iterator[bytes], taken: list[Dataset], failed: list[Dataset]) -> None:
        handle, name = tempfile.mkstemp(dir=self.spool.incoming, suffix=".dcm")
        path, most = Path(name), self.settings.max_instance_mb * 2**20
        refusal, code = self.room.refusal(_SENDER), 0xA700
        try:
            with os.fdopen(handle, "wb") as stream:
                size = 0
                for piece in part:
                    size += len(piece)
                    if not refusal and size > most:
                        refusal = "too large"
                    if not refusal:
                        stream.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        item = Dataset()
        if refusal:
            path.unlink()
            self.spool.audit.note("refused", reason=refusal, sender=_SENDER)
        else:
            item = _reference(path)
            try:
                code = STATUS[self.spool.store(path, _SENDER)]
            except OSError as error:
                path.unlink(missing_ok=True)
                self.spool.audit.note("refused", reason=os.strerror(error.errno or 0), sender=_SENDER)
        if code == 0:
            taken.append(item)
        else:
            item.FailureReason = code
            failed.append(item)

    def _body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while True:
                size = int(self.rfile.readline(32).split(b";")[0] or b"0", 16)
                if not size:
                    self.rfile.readline(8)
                    return
                yield from self._pieces(size)
                self.rfile.read(2)
        else:
            yield from self._pieces(int(self.headers.get("Content-Length") or 0))

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read(min(size, _PIECE))
            if not piece:
                raise LinkError("the body was cut short.")
            size -= len(piece)
            yield piece

    def _metrics(self) -> str:
        lines = [f"monai_unet_listener_{name} {value}" for name, value in self.numbers().items()]
        lines.append(f"monai_unet_listener_memory_bytes {psutil.Process().memory_info().rss}")
        for event, count in sorted(self.spool.audit.counts.items()):
            lines.append(f'monai_unet_listener_events_total{{event="{event}"}} {count}')
        return "\n".join(lines) + "\n"

    def _reply(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The audit says what happened."""


def _reference(path: Path) -> Dataset:
    made = Dataset()
    try:
        header = pydicom.dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True)
        made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    except Exception:
        # damaged bytes make the parser raise anything; the queue says why it is not taken
        return Dataset()
    return made
