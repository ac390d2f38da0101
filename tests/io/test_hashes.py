"""The hash of a file, against `sha256sum` of coreutils and published test vectors."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from monai_unet.io import file_hash, sha256_of


def test_the_hash_of_a_file_is_that_of_fips_180(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(str(tmp_path / "abc"), "sha1") == "a9993e364706816aba3e25717850c26c9cd0d89d"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_a_file_larger_than_any_buffer_hashes_as_by_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(range(256)) * 20_000)
    stated = subprocess.run(["sha256sum", str(tmp_path / "large")], capture_output=True, text=True, check=True)
    assert sha256_of(tmp_path / "large") == stated.stdout.split()[0]


def test_a_missing_file_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "none")
