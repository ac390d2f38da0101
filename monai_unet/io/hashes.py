"""Hashes of files: whether a file is the one that was meant."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_hash(path: str | Path, algorithm: str) -> str:
    """A file's content by any algorithm of `hashlib`, in hexadecimal digits, without taking it whole into memory.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    return file_hash(path, "sha256")
