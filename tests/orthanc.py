"""Orthanc and dcmtk's programs on loopback, and a proxy in front of them that cuts, delays and sends nonsense."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
needs_orthanc = pytest.mark.skipif(
    shutil.which("Orthanc") is None or not PLUGIN.is_file(),
    reason="Orthanc (Debian orthanc, orthanc-dicomweb) is missing",
)
needs_dcmtk = pytest.mark.skipif(shutil.which("storescp") is None, reason="storescp (Debian dcmtk) is missing")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None, *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens at {port}")


@contextmanager
def running(words: list[str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Orthanc:
    """A running server; AE title ORTHANC."""

    http: int
    dicom: int
    folder: Path

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def file(self, orthanc_id: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/instances/{orthanc_id}/file", timeout=30) as answer:
            return bytes(answer.read())

    def uids(self) -> list[str]:
        """SOPInstanceUIDs of all that it has."""
        return [one["MainDicomTags"]["SOPInstanceUID"] for one in self.get("instances?expand&since=0&limit=100000")]

    def modalities(self) -> list[str]:
        """Of each instance, the modality of its series."""
        series = {one["ID"]: one["MainDicomTags"].get("Modality", "") for one in self.get("series?expand")}
        return sorted(series[one["ParentSeries"]] for one in self.get("instances?expand&since=0&limit=100000"))

    def clear(self) -> None:
        for study in self.get("studies"):
            request = urllib.request.Request(f"http://127.0.0.1:{self.http}/studies/{study}", method="DELETE")
            with urllib.request.urlopen(request, timeout=30):
                pass

    def put(self, folder: Path) -> None:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.http}/instances", data=path.read_bytes(), method="POST"
            )
            with urllib.request.urlopen(request, timeout=30):
                pass


@contextmanager
def orthanc(folder: Path, *, peers: dict[str, tuple[str, int]] | None = None, **settings: Any) -> Iterator[Orthanc]:
    """Orthanc with DICOMweb; `peers` are the AE titles that it knows, each with its port."""
    folder.mkdir(parents=True, exist_ok=True)
    http, dicom = free_port(), free_port()
    config = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowStore": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomModalities": {title.lower(): [title, *peer] for title, peer in (peers or {}).items()},
        **settings,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config))
    with running(["Orthanc", str(path)], cwd=folder) as process:
        wait_for_port(http, process)
        wait_for_port(dicom, process)
        yield Orthanc(http, dicom, folder)


class BadLink:
    """A proxy on loopback in front of a port.

    Attributes:
        port: where it listens.
        cut_after: bytes from the server or to it, after which a connection is cut; None: never. It is called for each
            connection with its number from 0.
        delay_s: before each piece is passed on.
        tls: the client speaks TLS with the proxy.
        nonsense: bytes that are sent to the client instead of what the server says.
    """

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self.cut_after: Callable[[int], int | None] = lambda number: None
        self.delay_s = 0.0
        self.nonsense = b""
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            try:
                client = self._tls.wrap_socket(client, server_side=True) if self._tls is not None else client
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            left = [self.cut_after(number)]
            for one, other, to_client in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=(one, other, left, to_client), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, left: list[int | None], to_client: bool) -> None:
        with suppress(OSError):
            while piece := one.recv(1 << 14):
                if self.delay_s:
                    time.sleep(self.delay_s)
                if self.nonsense and to_client:
                    piece = self.nonsense
                if left[0] is not None:
                    left[0] -= len(piece)
                    if left[0] < 0:
                        break
                other.sendall(piece)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def bad_link(target: int, tls: ssl.SSLContext | None = None) -> Iterator[BadLink]:
    proxy = BadLink(target, tls)
    try:
        yield proxy
    finally:
        proxy.close()


def certificate(folder: Path, name: str, *, expired: bool = False) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key, by openssl."""
    folder.mkdir(parents=True, exist_ok=True)
    crt, key, conf = (folder / f"{name}.{kind}" for kind in ("crt", "key", "cnf"))
    (folder / f"{name}.index").write_text("")
    (folder / f"{name}.serial").write_text("01")
    conf.write_text(
        f"[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=127.0.0.1\n"
        f"[ca]\ndefault_ca=own\n[own]\nnew_certs_dir={folder}\ndatabase={folder}/{name}.index\n"
        f"serial={folder}/{name}.serial\ndefault_md=sha256\npolicy=any\nx509_extensions=ext\n"
        "[any]\ncommonName=supplied\n[ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n"
    )
    request = folder / f"{name}.csr"
    openssl = ["openssl"]
    subprocess.run(
        [*openssl, "req", "-config", conf, "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request],
        check=True, capture_output=True,
    )  # fmt: skip
    dates = ["-startdate", "200101000000Z", "-enddate", "210101000000Z"] if expired else ["-days", "30"]
    subprocess.run(
        [*openssl, "ca", "-config", conf, "-batch", "-selfsign", "-notext", "-keyfile", key, "-in", request,
         "-out", crt, *dates],
        check=True, capture_output=True,
    )  # fmt: skip
    return crt, key
