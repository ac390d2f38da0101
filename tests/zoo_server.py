"""A Model Zoo on this machine that answers as Hugging Face, NGC and the older index do.

`test_zoo_server.py` compares it with the client of Hugging Face itself, where that is installed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from monai_unet.bundle_format.zoo import ZooAddresses

METADATA = {"copyright": "Copyright (c) somebody", "network_data_format": {"inputs": {"image": {"num_channels": 1}}}}
WEIGHTS = bytes(range(256)) * 4000


def bundle_files(metadata: object = METADATA, *, weights: bytes = WEIGHTS) -> dict[str, bytes]:
    """The files of a small bundle."""
    files = {"LICENSE": b"Apache License 2.0, in full", "models/model.pt": weights, ".gitattributes": b""}
    return files if metadata is None else {**files, "configs/metadata.json": json.dumps(metadata).encode()}


def archive(name: str, files: dict[str, bytes]) -> bytes:
    """The zip of a bundle, as NGC keeps it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as into:
        for path, content in files.items():
            into.writestr(f"{name}/{path}", content)
    return packed.getvalue()


@dataclass
class Zoo:
    """What the hosts hold and how they behave.

    Attributes:
        hub: name → tag → files, on Hugging Face.
        ngc: `<name>/<version>` → archive.
        index: `<name>_v<version>` → source and checksum.
        swapped: paths whose content is another than its hash says.
        cut: paths of which the connection breaks after so many bytes, each time.
        asked: (path, Range header) of every request.
        down: hosts that do not answer ("hub", "ngc", "index").
        no_ranges: a host that always sends a file from its beginning.
    """

    hub: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    ngc: dict[str, bytes] = field(default_factory=dict)
    index: dict[str, dict[str, str]] = field(default_factory=dict)
    swapped: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    no_ranges: bool = False

    def commit(self, name: str, tag: str) -> str:
        """The commit of a tag: 40 hexadecimal digits."""
        return hashlib.sha1(repr((name, tag, sorted(self.hub[name][tag].items()))).encode()).hexdigest()

    def fetched(self, path: str) -> list[str]:
        """The Range headers of what was asked of a path."""
        return [ranged for asked, ranged in self.asked if asked.endswith(path)]


@contextmanager
def zoo_served(zoo: Zoo) -> Iterator[ZooAddresses]:
    """The addresses of a zoo while the block runs."""

    class Handler(_Handler):
        holds = zoo

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield ZooAddresses(f"{host}/hub", f"{host}/ngc", f"{host}/index.json")
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    holds: Zoo

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        self.body = body
        split = urlsplit(self.path)
        path, zoo = unquote(split.path), self.holds
        if body:
            zoo.asked.append((path, self.headers.get("Range", "")))
        host = path.split("/")[1].split(".")[0]
        if host in zoo.down:
            self.send_error(502)
        elif path == "/index.json":
            self._json(zoo.index)
        elif host == "ngc":
            found = re.fullmatch(r"/ngc/([^/]+)/versions/([^/]+)/files/([^/]+)_v\2\.zip", path)
            packed = zoo.ngc.get(f"{found[3]}/{found[2]}") if found and found[1] == found[3].lower() else None
            self._file(path, packed) if packed is not None else self.send_error(404)
        elif path.startswith("/hub/cdn/"):
            name, commit, file = path.removeprefix("/hub/cdn/").split("/", 2)
            self._file(path, self._of(name, commit)[1][file])
        else:
            self._hub(path.removeprefix("/hub"), parse_qs(split.query))

    def _hub(self, path: str, query: dict[str, list[str]]) -> None:
        zoo = self.holds
        if path == "/api/models":
            self._json(
                [
                    {"id": f"MONAI/{name}", "tags": ["monai", "medical", "license:apache-2.0", "region:us"]}
                    for name in zoo.hub
                ]
                + [{"id": "MONAI/Llama3-VILA-M3-8B", "tags": ["safetensors"]}]
            )
            return
        found = re.fullmatch(r"(/api/models)?/MONAI/([^/]+)(?:/(refs|revision|resolve)(?:/([^/]+)(?:/(.+))?)?)?", path)
        name = found[2] if found else ""
        if found is None or name not in zoo.hub:
            self._refuse(401, "RepoNotFound")  # what does not exist is not told from what is private
        elif found[3] == "refs":
            refs = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": zoo.commit(name, t)} for t in zoo.hub[name]]
            self._json({"branches": [], "converts": [], "tags": [ref for ref in refs if ref["name"] != "main"]})
        else:
            tag, files = self._of(name, found[4] or "main")
            if tag is None:
                self._refuse(404, "RevisionNotFound")
            elif found[3] == "resolve":
                self._resolve(name, zoo.commit(name, tag), found[5], files)
            else:
                siblings = [_sibling(file, content) for file, content in files.items()]
                self._json({"id": f"MONAI/{name}", "sha": zoo.commit(name, tag), "siblings": siblings})

    def _of(self, name: str, revision: str) -> tuple[str | None, dict[str, bytes]]:
        tags = self.holds.hub[name]
        if revision == "main" and revision not in tags:
            revision = next(iter(tags))
        for tag, files in tags.items():
            if revision in (tag, self.holds.commit(name, tag)):
                return tag, files
        return None, {}

    def _resolve(self, name: str, commit: str, file: str, files: dict[str, bytes]) -> None:
        sibling = _sibling(file, files[file])
        if "lfs" not in sibling:
            self._file(self.path, files[file], {"X-Repo-Commit": commit, "ETag": f'"{sibling["blobId"]}"'})
            return
        lfs = sibling["lfs"]
        self.send_response(302)
        self.send_header("Location", f"/hub/cdn/{name}/{commit}/{file}")
        for key, value in {
            "X-Repo-Commit": commit,
            "X-Linked-Size": lfs["size"],
            "X-Linked-ETag": f'"{lfs["sha256"]}"',
        }.items():
            self.send_header(key, str(value))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _file(self, path: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        zoo = self.holds
        content = next((other for end, other in zoo.swapped.items() if path.endswith(end)), content)
        cut = next((count for end, count in zoo.cut.items() if path.endswith(end)), None)
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.headers.get("If-Range", etag) == etag and not zoo.no_ranges else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for key, value in ({"ETag": etag} | (headers or {})).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.body:
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])

    def _json(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.body:
            self.wfile.write(content)

    def _refuse(self, code: int, error: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _sibling(file: str, content: bytes) -> dict[str, object]:
    """A file as Hugging Face lists it: by git's SHA-1, and by the SHA-256 of what lies in LFS."""
    pointer = hashlib.sha256(content).hexdigest()
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    found: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": blob}
    if file.endswith(".pt"):
        found["lfs"] = {"sha256": pointer, "size": len(content), "pointerSize": 134}
    return found
