"""What is asked of the zoo's hosts: small JSON, and files that are fetched on where an earlier try has stopped."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import suppress
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

from monai_unet.errors import InputError
from monai_unet.version import __version__

SECONDS = 30
WAITS = (0.5, 2.0)
"""Seconds before a download that stopped is taken up again; once more it is given up."""

_CHUNK = 1 << 18
_MOST_JSON = 32 << 20


class NotThereError(Exception):
    """The host answers and has no such thing (Hugging Face says 401 to strangers, of what does not exist)."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """No redirect leaves HTTPS once it was asked for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        target = urlsplit(newurl).scheme
        if target not in ("http", "https") or (req.full_url.startswith("https:") and target != "https"):
            raise InputError(f"{_host(req.full_url)} sends the download on to {target}:, unprotected; it was left.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def read_json(url: str) -> object:
    """What a host says.

    Raises:
        NotThereError: it has no such thing.
        InputError: it cannot be reached, or says no JSON.
    """
    try:
        with _open(url) as response:
            content = response.read(_MOST_JSON + 1)
    except (OSError, HTTPException) as error:
        raise InputError(unreachable(url, error)) from error
    try:
        if len(content) <= _MOST_JSON:
            return json.loads(content)
    except (ValueError, RecursionError):
        pass
    raise InputError(
        f"{_host(url)} answers, but not as MONAI's Model Zoo; check the network (a proxy may stand in between)."
    )


def fetch(url: str, path: Path, size: int | None = None) -> Generator[int, None, None]:
    """Fetch a file, going on where `path` ends; yields the bytes that are there.

    Args:
        size: bytes that it must have, where they are stated.

    Raises:
        NotThereError: the host does not have it.
        InputError: it cannot be reached, or stops again and again; what was fetched stays in `path`.
    """
    tag = path.with_name(f"{path.name}.etag")
    for wait in (*WAITS, None):
        try:
            yield from _fetch_on(url, path, tag, size)
            break
        except (OSError, HTTPException) as error:
            if wait is None:
                there = path.stat().st_size if path.is_file() else 0
                raise InputError(
                    f"The download stopped at {there / 1e6:.1f} MB: {unreachable(url, error)} What was fetched is "
                    "kept; the same again goes on there."
                ) from error
            time.sleep(wait)
    tag.unlink(missing_ok=True)


def unreachable(url: str, error: Exception) -> str:
    """One sentence that names the host and the reason."""
    reason = str(getattr(error, "reason", None) or error) or type(error).__name__
    return f"MONAI's Model Zoo cannot be reached at {_host(url)} ({reason}); check the network."


def _fetch_on(url: str, path: Path, tag: Path, size: int | None) -> Generator[int, None, None]:
    done = path.stat().st_size if path.is_file() else 0
    if size is None and not tag.is_file():
        done = 0  # nothing would tell that the host has another file by now
    if done and size is not None and done >= size:
        if done > size:
            path.unlink()
            done = 0
        else:
            yield done
            return
    headers = {}
    if done:
        headers["Range"] = f"bytes={done}-"
        if tag.is_file():
            headers["If-Range"] = tag.read_text(encoding="ascii", errors="replace")
    try:
        response = _open(url, headers)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # more is there than the host has: another file of that name
            path.unlink(missing_ok=True)
        raise
    with response:
        if done and not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
            done = 0  # a host that does not know ranges, or has another file by now, begins anew
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        if size is not None and total is not None and total != size:
            raise InputError(f"{_host(url)} offers {total} bytes of {path.name}, and states {size}; it was left.")
        _remember(tag, response.headers.get("ETag"))
        with path.open("ab" if done else "wb") as file:
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                if size is not None and done > size:
                    raise InputError(f"{_host(url)} sends more of {path.name} than it states; it was left.")
                file.write(chunk)
                yield done
    if done < (size if size is not None else total or 0):
        raise ConnectionError("the connection was closed early")


def _remember(tag: Path, value: str | None) -> None:
    with suppress(OSError, UnicodeError):
        if value and not value.startswith("W/") and value.isprintable():
            tag.write_text(value, encoding="ascii")
        else:
            tag.unlink(missing_ok=True)


def _open(url: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": f"monai-unet/{__version__}", **(headers or {})})
    try:
        return cast(HTTPResponse, urllib.request.build_opener(_Redirects).open(request, timeout=SECONDS))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404, 410):
            raise NotThereError(url) from error
        raise


def _host(url: str) -> str:
    return urlsplit(url).netloc
