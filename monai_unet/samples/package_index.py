"""Fetch one file of a Python package from the package index that pip is configured for, without installing it.

Public volumes that travel inside packages are the one kind of data that every machine with pip can obtain.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_unet.errors import InputError
from monai_unet.io import atomic_path, sha256_of
from monai_unet.paths import cache_folder

TIMEOUT_SECONDS = 60


def fetch(project: str, filename: str, *, sha256: str) -> Path:
    """The file `filename` of `project` from the package index, cached.

    Args:
        project: name on the index.
        filename: the distribution file, for example "nilearn-0.14.1-py3-none-any.whl".
        sha256: what the file must hash to.

    Raises:
        InputError: no index can be reached, the file is not there, or its hash differs.
    """
    target = cache_folder() / filename
    if target.is_file() and sha256_of(target) == sha256:
        return target
    problems = []
    for index in index_urls():
        try:
            link = _find_link(index, project, filename)
            if link is None:
                continue
            with atomic_path(target) as temporary:
                with _open(link) as response, temporary.open("wb") as file:
                    shutil.copyfileobj(response, file)
                found = sha256_of(temporary)
                if found != sha256:
                    raise InputError(f"{filename} from the package index has sha256 {found}, expected {sha256}.")
            return target
        except (urllib.error.URLError, OSError) as error:
            problems.append(str(getattr(error, "reason", error)))
    reason = "; ".join(problems) or "no configured index has it"
    raise InputError(f"{filename} could not be fetched from the package index ({reason}); check the network and pip.")


def member(archive: Path, name: str) -> bytes:
    """One file out of a wheel (a zip archive) or a source distribution (tar.gz); nothing in it is run.

    Raises:
        InputError: a source distribution without that file, or one in which it is no plain file.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        try:
            found = tarfile.data_filter(source.getmember(name), "")
        except (KeyError, tarfile.FilterError) as error:
            raise InputError(f"{archive.name} does not hold {name} as a plain file ({error}).") from None
        content = source.extractfile(found) if found is not None and found.isfile() else None
        if content is None:
            raise InputError(f"{archive.name} does not hold {name} as a plain file.")
        return content.read()


def index_urls() -> list[str]:
    """Simple-index addresses in pip's order: environment, then pip's configuration files, then pip's own default."""
    settings = {**_pip_config(), **_environment()}
    urls = [settings.get("index-url") or _default_index(), *settings.get("extra-index-url", "").split()]
    return [url.rstrip("/") for url in urls if url]


def _default_index() -> str:
    """What pip falls back on; empty in an environment without pip."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return ""
    return str(PyPI.simple_url)


def _environment() -> dict[str, str]:
    names = {"PIP_INDEX_URL": "index-url", "PIP_EXTRA_INDEX_URL": "extra-index-url", "PIP_CERT": "cert"}
    return {key: os.environ[name] for name, key in names.items() if os.environ.get(name)}


def _pip_config() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = re.findall(r"^(?:global|install|site|user)\.([\w-]+)='(.*)'$", listing, flags=re.MULTILINE)
    return {key: value.replace("\\n", " ") for key, value in found}


def _find_link(index: str, project: str, filename: str) -> str | None:
    page_url = f"{index}/{re.sub(r'[-_.]+', '-', project).lower()}/"
    if page_url.startswith("file:"):
        page_url += "index.html"
    try:
        with _open(page_url) as response:
            page, base = response.read().decode("utf-8", "replace"), response.geturl()
    except urllib.error.HTTPError as error:
        if error.code in (403, 404):
            return None
        raise
    except urllib.error.URLError:
        if page_url.startswith("file:"):
            return None
        raise
    return next((link for link in _links(page, base) if Path(urllib.parse.urlparse(link).path).name == filename), None)


def _links(page: str, base: str) -> Iterator[str]:
    for href in re.findall(r"""<a[^>]*\shref=["']([^"']+)["']""", page, flags=re.IGNORECASE):
        yield urllib.parse.urldefrag(urllib.parse.urljoin(base, html.unescape(href))).url


def _open(url: str) -> Any:
    certificates = _environment().get("cert") or os.environ.get("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=certificates) if url.startswith("https:") else None
    request = urllib.request.Request(url, headers={"Accept": "text/html", "User-Agent": "monai-unet"})
    return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context)
