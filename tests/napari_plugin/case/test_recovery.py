"""Work of a process that was killed, offered again on the same image only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction.session.session import EditSession
from napari_plugin.case.recovery import Journals

GRID = Grid((6, 7, 8), np.diag([2.0, 2.0, 2.0, 1.0]))
WORK = """
import sys
from pathlib import Path
import numpy as np
from monai_unet.interaction.session.session import EditSession
from monai_unet.geometry import Grid
from napari_plugin.case.recovery import Journals
session = EditSession(np.arange(336, dtype=np.float32).reshape(6, 7, 8), Grid((6, 7, 8), np.diag([2.0, 2.0, 2.0, 1.0])))
Journals(Path(sys.argv[1])).begin(session, "case")
value = session.add_object("lesion 1", "tumour")
session.paint(value, (slice(1, 3), slice(2, 5), slice(3, 7)))
print("painted", flush=True)
sys.stdin.read()
"""


def new_session(image: np.ndarray | None = None) -> EditSession:
    return EditSession(np.arange(336, dtype=np.float32).reshape(6, 7, 8) if image is None else image, GRID)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_work_is_recovered_with_its_undo_history(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "painted"
    journals, session = Journals(tmp_path), new_session()
    assert journals.left_behind(session) is None, "a running process's work is not offered"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    info = journals.left_behind(session)
    assert info is not None
    assert info.image_name == "case"
    assert journals.left_behind(new_session(np.ones(GRID.shape, np.float32))) is None, "another image"
    found, notes = journals.recover(session)
    assert notes == ()
    assert (found.labels == 1).sum() == 2 * 3 * 4
    assert found.object(1).name == "lesion 1"
    found.undo()
    assert not found.labels.any()
    journals.end(found, keep=False)
    assert list(tmp_path.glob("*.journal")) == []


def test_saved_session_leaves_nothing_and_unsaved_one_is_offered(tmp_path: Path) -> None:
    journals = Journals(tmp_path)
    for keep in (False, True):
        session = new_session()
        journals.begin(session, "case")
        session.paint(session.add_object("lesion 1"), (slice(0, 2),) * 3)
        assert journals.left_behind(session) is None, "a session that is open is not offered"
        journals.end(session, keep=keep)
        assert (journals.left_behind(new_session()) is not None) == keep
    journals.discard(new_session())
    assert journals.left_behind(new_session()) is None


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Journals(tmp_path / "file" / "sessions").begin(new_session(), "case")
