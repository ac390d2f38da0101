"""OHIF's static build in front of an Orthanc on loopback, and a picture of it by headless Chromium.

`$MONAI_UNET_OHIF` names the folder `dist` of the npm package `@ohif/app`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DIST = Path(os.environ.get("MONAI_UNET_OHIF", ""))
needs_ohif = pytest.mark.skipif(
    "MONAI_UNET_OHIF" not in os.environ or shutil.which("chromium") is None,
    reason="MONAI_UNET_OHIF is not set, or chromium is missing",
)

CONFIG = """
window.config = {
  routerBasename: '/', showStudyList: true, extensions: [], modes: [], defaultDataSourceName: 'dicomweb',
  disableConfirmationPrompts: true, investigationalUseDialog: {option: 'never'},
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'dicomweb',
    configuration: {
      friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: false,
      supportsWildcard: true, omitQuotationForMultipartRequest: true, bulkDataURI: {enabled: true},
    },
  }],
};
"""


@contextmanager
def ohif(orthanc_port: int) -> Iterator[str]:
    """Address of the viewer while the block runs."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(DIST))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.path.startswith("/dicom-web"):
                self._pass_on()
            elif self.path.split("?")[0] == "/app-config.js":
                self._reply(200, "text/javascript", CONFIG.encode())
            else:
                if not (DIST / self.path.split("?")[0].lstrip("/")).is_file():
                    self.path = "/index.html"
                super().do_GET()

        def end_headers(self) -> None:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def _pass_on(self) -> None:
            link = http.client.HTTPConnection("127.0.0.1", orthanc_port, timeout=60)
            asked = {"Accept": self.headers.get("Accept", "*/*"), "Host": self.headers["Host"]}
            link.request("GET", self.path, headers=asked)
            answer = link.getresponse()
            self._reply(answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read())

        def _reply(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def picture_of(address: str, path: Path, *, seconds: int = 240) -> None:
    """A screenshot of a page, once it has come to rest."""
    profile = path.parent / "profile"
    words = [
        "chromium", "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--virtual-time-budget=60000", "--window-size=1600,900",
        "--disable-background-networking", "--disable-component-update", "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", f"--user-data-dir={profile}",
        f"--screenshot={path}", address,
    ]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True, timeout=seconds)
