"""Where the program keeps what is its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_unet import paths


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("XDG_CACHE_HOME", paths.CACHE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_what_a_user_has_stays_where_it_was(home: Path) -> None:
    own = home / ".monai-unet"
    assert paths.trusted_file() == own / "trusted.json"
    assert [paths.bundles_folder(), paths.sessions_folder(), paths.trainings_folder(), paths.samples_folder()] == [
        own / name for name in ("bundles", "sessions", "trainings", "samples")
    ]


def test_what_can_be_made_again_lies_in_a_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (paths.openvino_folder(), paths.numba_folder(), paths.cache_folder()):
        assert not paths.is_private(folder)
        assert folder.is_relative_to(home)
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(home / "elsewhere"))
    assert paths.openvino_folder() == home / "elsewhere" / "openvino"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_folders_of_the_user_are_closed_and_linked_ones_are_left_alone(home: Path) -> None:
    shared = home / "shared"
    shared.mkdir(mode=0o755)
    paths.own_folder().mkdir(mode=0o755)
    paths.bundles_folder().symlink_to(shared)
    paths.make_private(paths.bundles_folder() / "mine")
    modes = [folder.stat().st_mode & 0o777 for folder in (paths.own_folder(), paths.bundles_folder() / "mine", shared)]
    assert modes == [0o700, 0o700, 0o755]
    assert paths.is_private(paths.trusted_file())
    assert not paths.is_private(home / ".monai-unet-other")


def test_what_numba_compiles_lies_outside_the_package(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import config

    from monai_unet.io import njit

    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(home / "cache"))

    @njit(cache=True)
    def twice(number: int) -> int:
        return 2 * number

    assert twice(3) == 6
    assert list((home / "cache" / "numba").rglob("*.nbi"))
    assert config.CACHE_DIR == ""
