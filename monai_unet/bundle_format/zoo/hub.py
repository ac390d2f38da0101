"""One version of a bundle on Hugging Face: the commit that its tag is now, and every file with its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monai_unet.bundle_format.zoo.addresses import ZooAddresses
from monai_unet.bundle_format.zoo.listing import numbers
from monai_unet.bundle_format.zoo.web import NotThereError, read_json
from monai_unet.errors import InputError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class HubFile:
    """One file of a commit.

    Attributes:
        path: below the bundle, with slashes.
        size: bytes.
        sha256: of what lies in Git LFS (weights), "" for a file in git itself.
        blob: git's own SHA-1 of a file in git, "" for one in LFS.
    """

    path: str
    size: int
    sha256: str
    blob: str

    def is_right(self, path: Path) -> bool:
        """Whether a file is what the commit states."""
        if path.stat().st_size != self.size:
            return False
        digest = (
            hashlib.sha256() if self.sha256 else hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)
        )
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == (self.sha256 or self.blob)


@dataclass(frozen=True)
class HubRevision:
    """A version as it is now: `commit` names it for good, a tag may be moved."""

    version: str
    commit: str
    files: tuple[HubFile, ...]


def find_revision(name: str, version: str, addresses: ZooAddresses) -> HubRevision | None:
    """The files of a version, of the newest where it is ""; None where Hugging Face does not have it.

    Raises:
        InputError: it cannot be reached, or states what is no bundle.
    """
    try:
        version = version or _newest(name, addresses)
        stated = read_json(addresses.revision(name, version))
    except NotThereError:
        return None
    entries = stated.get("siblings") if isinstance(stated, Mapping) else None
    commit = str(stated.get("sha", "")) if isinstance(stated, Mapping) else ""
    if not isinstance(entries, list) or not _COMMIT.fullmatch(commit):
        raise InputError(f"Hugging Face's answer about {name} {version} names no commit and no files; try again later.")
    if _COMMIT.fullmatch(version) and version != commit:
        raise InputError(f"Hugging Face gives commit {commit[:12]} of {name} where {version[:12]} was asked for.")
    files = tuple(_file(name, entry) for entry in entries)
    if not any(file.path == "configs/metadata.json" for file in files):
        raise InputError(f"{name} {version} holds no configs/metadata.json and is no MONAI bundle.")
    return HubRevision(version, commit, files)


def _newest(name: str, addresses: ZooAddresses) -> str:
    stated = read_json(addresses.references(name))
    tags = stated.get("tags") if isinstance(stated, Mapping) else None
    names = [str(tag.get("name", "")) for tag in tags or [] if isinstance(tag, Mapping)]
    versions = [tag for tag in names if numbers(tag)[0]]
    return max(versions, key=numbers) if versions else "main"


def _file(name: str, entry: object) -> HubFile:
    entry = entry if isinstance(entry, Mapping) else {}
    path, size, lfs = str(entry.get("rfilename", "")), entry.get("size"), entry.get("lfs")
    pure = PurePosixPath(path)
    if (
        pure.is_absolute()
        or ".." in pure.parts
        or not pure.parts
        or set(path) & set('\\:\0<>|?*"')
        or str(pure) != path
    ):
        raise InputError(f"{name} holds '{path}', which would be written outside its folder; nothing was fetched.")
    sha256 = str(lfs.get("sha256", "")) if isinstance(lfs, Mapping) else ""
    blob = "" if isinstance(lfs, Mapping) else str(entry.get("blobId", ""))
    if not isinstance(size, int) or size < 0 or not (_SHA256.fullmatch(sha256) or _COMMIT.fullmatch(blob)):
        raise InputError(f"Hugging Face states no size or no hash of {path} in {name}; nothing was fetched.")
    return HubFile(path, size, sha256, blob)
