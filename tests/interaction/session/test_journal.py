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
from monai_unet.interaction.session.journal import Journal, journal_info

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


def test_a_flipped_byte_ends_the_journal_there_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "case.journal"
    session = short_journal(path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"MUJ1") + 40] ^= 1
    path.write_bytes(content)
    recovered, notes = EditSession.recover(path, session.image, session.grid)
    assert recovered.mask(1).sum() == 100
    assert "is lost" in notes[0]


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
    assert isinstance(recovered._journal, Journal)
