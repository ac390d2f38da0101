"""A file appears whole or not at all: after an error, a kill, or a power cut."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from simulated_disk import SimulatedDisk

from monai_unet.io.atomic import (
    FileBatch,
    atomic_folder,
    atomic_path,
    remove_abandoned,
    remove_unfinished,
    settle,
    together,
    write_text,
)

posix = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the simulated disk looks into /proc")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@linux
def test_no_power_cut_leaves_half_a_file_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("old")
    disk = SimulatedDisk(tmp_path)
    with disk.watching(monkeypatch):
        write_text(tmp_path / "a.txt", "new")
        finished = len(disk.moments)
        write_text(tmp_path / "b.txt", "other")
    states = list(disk.crashes())
    assert len(states) > 10
    for state in states:
        assert state["a.txt"] in (b"old", b"new")
        assert state.get("b.txt", b"other") == b"other"
    disk.moments = disk.moments[finished - 1 :]
    assert {state["a.txt"] for state in disk.crashes()} == {b"new"}, "a write that has returned is on the disk"


@linux
def test_a_rename_before_the_content_would_be_found_by_the_simulated_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimulatedDisk(tmp_path)
    with disk.watching(monkeypatch):
        descriptor = os.open(tmp_path / "x", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, b"whole")
        os.close(descriptor)
        os.replace(tmp_path / "x", tmp_path / "a.txt")
    assert b"" in [state.get("a.txt") for state in disk.crashes()]


@linux
def test_what_is_to_be_there_first_is_there_in_every_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk(tmp_path)
    with disk.watching(monkeypatch):
        batches = []
        for name in ("a", "b", "c"):
            batch = FileBatch()
            with batch.collect():
                write_text(tmp_path / f"{name}.mask", name)
                write_text(tmp_path / f"{name}.json", name)
            batches.append(batch)
        assert settle(batches, first=lambda path: path.suffix == ".json") == [None, None, None]
    for state in disk.crashes():
        for name in ("a", "b", "c"):
            assert f"{name}.mask" not in state or state[f"{name}.json"] == name.encode()
    assert len(names(tmp_path)) == 6


def test_files_together_appear_all_or_none(tmp_path: Path) -> None:
    def fail() -> None:
        with together():
            write_text(tmp_path / "a.txt", "a")
            assert [path for path in names(tmp_path) if not path.startswith(".partial-")] == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == []
    with together() as batch:
        write_text(tmp_path / "a.txt", "a")
        assert batch.written(tmp_path / "a.txt").read_text() == "a"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_of_one_batch_leaves_the_others(tmp_path: Path) -> None:
    batches = [FileBatch(), FileBatch()]
    for batch, name in zip(batches, ("a", "b"), strict=True):
        with batch.collect():
            write_text(tmp_path / name, name)
    batches[0].written(tmp_path / "a").unlink()
    first, second = settle(batches)
    assert isinstance(first, FileNotFoundError)
    assert second is None
    assert names(tmp_path) == ["b"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            write_text(folder / "1", "1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == []
    (tmp_path / "out").mkdir()
    with atomic_folder(tmp_path / "out") as folder:
        write_text(folder / "1", "1")
        write_text(folder / "2", "2")
        assert names(tmp_path / "out") == []
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["1", "2"]
    with pytest.raises(OSError, match=r"."), atomic_folder(tmp_path / "out") as folder:
        write_text(folder / "3", "3")
    assert names(tmp_path / "out") == ["1", "2"]
    assert names(tmp_path) == ["out"]


@posix
def test_permissions_are_those_the_file_deserves_and_the_umask_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("another thread would write with this umask"))
        write_text(tmp_path / "new", "")
        write_text(tmp_path / "private", "", private=True)
        (tmp_path / "closed").write_text("")
        (tmp_path / "closed").chmod(0o600)
        write_text(tmp_path / "closed", "")
        with atomic_path(tmp_path / "private") as temporary:
            assert temporary.stat().st_mode & 0o777 == 0o600
    finally:
        monkeypatch.undo()
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("new", "private", "closed")}
    assert modes == {"new": 0o640, "private": 0o600, "closed": 0o600}


@posix
def test_files_in_the_users_own_folder_are_his_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".monai-unet"
    own.mkdir(mode=0o755)
    write_text(own / "trainings" / "run" / "dataset.json", "{}")
    found = [own, own / "trainings", own / "trainings" / "run", own / "trainings" / "run" / "dataset.json"]
    assert [path.stat().st_mode & 0o777 for path in found] == [0o700, 0o700, 0o700, 0o600]


def test_whoever_writes_removes_what_was_left_behind_an_hour_ago(tmp_path: Path) -> None:
    for name in (".partial-0a1b2c3d.nii.gz", ".partial-ab_d1234", ".partial-notes of a user", "other"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".partial-11112222").mkdir()
    (tmp_path / ".partial-11112222" / "1.dcm").write_text("")
    os.utime(tmp_path / ".partial-11112222", (0, 0))
    (tmp_path / ".partial-ffffffff.json").write_text("of a process that runs")
    write_text(tmp_path / "mine", "")
    assert names(tmp_path) == [".partial-ffffffff.json", ".partial-notes of a user", "mine", "other"]
    os.utime(tmp_path / ".partial-ffffffff.json", (time.time() - 3700,) * 2)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == [".partial-notes of a user", "mine", "other"]


def test_a_process_that_ends_removes_what_it_had_begun(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with suppress(FileNotFoundError), atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("half")
            begun.set()
            go_on.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(20)
    remove_unfinished()
    assert names(tmp_path) == []
    go_on.set()
    thread.join(20)
    assert names(tmp_path) == []
