"""A crash loses at most the running operation, and a journal is never replayed on another image."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from editing_cases import box, cubes, grid_of_shape, point, session_of

from monai_unet.errors import InputError
from monai_unet.interaction import EditSession
from monai_unet.interaction.session.journal import SessionJournal, journal_info

WORKER = """
import sys
import numpy as np
from editing_cases import box, session_of

session = session_of(6, 30, 30)
value = session.add_object("lesion")
session.start_journal(sys.argv[1], image_name="case 7")
random = np.random.default_rng(0)
for count in range(1, 100000):
    session.write(box((0, 6), (0, 30), (0, 30)), random.integers(0, 2, (6, 30, 30)))
    print(count, flush=True)
"""


def expected_labels(count: int) -> np.ndarray:
    """What the worker's label map is after so many operations."""
    random = np.random.default_rng(0)
    for _ in range(count):
        labels = random.integers(0, 2, (6, 30, 30))
    return labels


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_killed_at_any_moment_at_most_the_running_operation_is_lost(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "case.journal"
    folder = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as worker:
        assert worker.stdout is not None
        first = worker.stdout.readline()
        time.sleep(seconds)
        worker.kill()
        told = [int(line) for line in (first + worker.stdout.read()).split()]
    done = max(told)
    session, _ = EditSession.recover(path, session_of(6, 30, 30).image, grid_of_shape(6, 30, 30))
    counts = [n for n in (done, done + 1) if np.array_equal(session.labels, expected_labels(n))]
    assert counts, "neither the last finished operation nor the one that was running"
    for back in range(counts[0] - 1, max(0, counts[0] - 4), -1):
        session.undo()
        assert np.array_equal(session.labels, expected_labels(back))
    session.close()


def short_journal(path: Path) -> EditSession:
    session = session_of(4, 10, 10)
    value = session.add_object("lesion", "tumour")
    session.start_journal(path, image_name="case 7")
    session.add_prompt(value, point(2, 4, 4), cubes(session))
    session.paint(value, box((0, 1), (8, 10), (8, 10)))
    return session


def test_a_journal_cut_at_any_byte_recovers_what_was_complete(tmp_path: Path) -> None:
    path = tmp_path / "whole.journal"
    session = short_journal(path)
    content, image, grid = path.read_bytes(), session.image, session.grid
    sums, cut = [], tmp_path / "cut.journal"
    # start, snapshot, the object, the prompt, the stroke
    ends = [i for i in range(len(content)) if content[i : i + 4] == b"MUJ1"]
    assert len(ends) == 5
    for length in sorted({len(content), *range(ends[2], len(content), 7), *ends[2:]}):
        cut.write_bytes(content[:length])
        recovered, notes = EditSession.recover(cut, image, grid)
        sums.append(int(recovered.labels.astype(bool).sum()))
        assert bool(notes) == (length not in (*ends, len(content)))
        recovered.close()
        assert cut.stat().st_size == max(end for end in (*ends, len(content)) if end <= length)
    assert sums == sorted(sums)
    assert set(sums) == {0, 100, 104}
    for length in (3, ends[0] + 5, ends[1] + 5):
        cut.write_bytes(content[:length])
        with pytest.raises(InputError):
            EditSession.recover(cut, image, grid)


def long_journal(path: Path) -> EditSession:
    """Start, snapshot, the object, a prompt, and seven strokes, each in a place of its own: eleven records."""
    session = session_of(4, 10, 10)
    value = session.add_object("lesion", "tumour")
    session.start_journal(path, image_name="case 7")
    session.add_prompt(value, point(2, 4, 4), cubes(session))
    for count in range(7):
        session.paint(value, box((0, 1), (8, 10), (count, count + 1)))
    return session


def places(content: bytes | bytearray) -> list[int]:
    return [i for i in range(len(content)) if content[i : i + 4] == b"MUJ1"]


def damage(path: Path, record: int, at: int = 40) -> bytes:
    """Flip a bit of one record; the content as it is then."""
    content = bytearray(path.read_bytes())
    content[places(content)[record] + at] ^= 0x40
    path.write_bytes(content)
    return bytes(content)


@pytest.mark.parametrize("which", range(3, 11))
def test_damage_costs_the_damaged_operation_alone_and_the_file_is_kept(tmp_path: Path, which: int) -> None:
    path = tmp_path / "case.journal"
    session = long_journal(path)
    content = damage(path, which)
    assert journal_info(path).lost_bytes > 0
    recovered, notes = EditSession.recover(path, session.image, session.grid)
    expected = session.labels.copy()
    if which == 3:  # the prompt
        expected[...] = 0
        expected[0, 8:10, 0:7] = 1
    else:
        expected[0, 8:10, which - 4] = 0
    assert np.array_equal(recovered.labels, expected)
    assert "1 operation of 9 is lost" in notes[0]
    kept = tmp_path / "case.journal.damaged-1"
    assert str(kept) in notes[0]
    assert kept.read_bytes() == content
    recovered.paint(1, box((3, 4), (0, 1), (0, 1)))
    recovered.close()
    expected[3, 0, 0] = 1
    again, notes = EditSession.recover(path, session.image, session.grid)
    assert notes == ()
    assert np.array_equal(again.labels, expected)
    while again.undo_text:
        again.undo()


@pytest.mark.parametrize("at", [0, 4, 7, 9])
def test_a_damaged_head_of_a_record_does_not_hide_the_next_ones(tmp_path: Path, at: int) -> None:
    path = tmp_path / "case.journal"
    session = long_journal(path)
    damage(path, 6, at)
    recovered, notes = EditSession.recover(path, session.image, session.grid)
    assert int((recovered.labels != session.labels).sum()) == 2
    assert "1 operation of 9 is lost" in notes[0]


def test_a_lost_object_comes_back_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    session = session_of(4, 10, 10)
    session.start_journal(path)
    value = session.add_object("lesion", "tumour")
    session.paint(value, box((0, 1), (0, 2), (0, 2)))
    damage(path, 2, 30)
    recovered, _ = EditSession.recover(path, session.image, session.grid)
    assert recovered.mask(1).sum() == 4
    assert recovered.object(1).name == "recovered 1"


def test_an_undo_of_a_lost_operation_takes_back_no_other(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    session = long_journal(path)
    session.undo()
    damage(path, 10)
    recovered, _ = EditSession.recover(path, session.image, session.grid)
    assert np.array_equal(recovered.labels, session.labels)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_journal_is_readable_by_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    long_journal(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recovered_session_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    first = short_journal(path)
    first.close()
    with path.open("ab") as file:
        file.write(b"MUJ1 torn")
    second, notes = EditSession.recover(path, first.image, first.grid)
    assert "9 bytes" in notes[0]
    second.set_visible(1, False)
    second.undo()
    second.remove_prompt(1, cubes(second))
    second.close()
    third, notes = EditSession.recover(path, first.image, first.grid)
    assert notes == ()
    assert not third.labels.any()
    assert third.redo_text == ""
    assert not third.object(1).visible
    third.undo()
    assert third.mask(1).sum() == 100


def test_the_journal_of_another_image_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    session = short_journal(path)
    pixels = session.image.copy()
    pixels[0, 0, 0] += 1
    shifted = grid_of_shape(4, 10, 10).affine.copy()
    shifted[0, 3] += 0.5
    for image, grid in (
        (pixels, session.grid),
        (session.image, type(session.grid)(session.grid.shape, shifted)),
        (session.image.reshape(4, 5, 20), grid_of_shape(4, 5, 20)),
    ):
        with pytest.raises(InputError, match="made on case 7"):
            EditSession.recover(path, image, grid)
    same = session.image.astype(np.float64)
    assert EditSession.recover(path, same, session.grid)[0].mask(1).sum() == 104


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    session, path = session_of(3, 3, 3), tmp_path / "x"
    with pytest.raises(InputError, match="cannot be read"):
        EditSession.recover(path, session.image, session.grid)
    path.write_bytes(b"something else\n")
    with pytest.raises(InputError, match="not a journal"):
        EditSession.recover(path, session.image, session.grid)
    with pytest.raises(InputError, match="recover it, or remove it"):
        session.start_journal(path)
    with pytest.raises(InputError, match="cannot be written"):
        session.start_journal(path / "below" / "a file")


def test_a_journal_tells_what_it_holds_without_being_replayed(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    short_journal(path)
    info = journal_info(path)
    assert (info.image_name, info.operations, info.lost_bytes) == ("case 7", 4, 0)
    assert info.started.endswith("UTC")


def test_a_full_disk_leaves_the_session_whole_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "case.journal"
    session = short_journal(path)
    length = path.stat().st_size

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("monai_unet.interaction.session.journal.os.fsync", full)
        change = session.paint(1, box((3, 4), (0, 1), (0, 1)))
    assert "No space left on device" in change.notes[0]
    assert session.mask(1).sum() == 105
    assert path.stat().st_size == length
    session.start_journal(tmp_path / "other.journal")
    recovered, _ = EditSession.recover(tmp_path / "other.journal", session.image, session.grid)
    assert recovered.mask(1).sum() == 105
    assert isinstance(recovered._journal, SessionJournal)
