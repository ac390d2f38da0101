"""Ctrl-C and SIGTERM are answered within a second, also in the middle of a long computation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LONG = """
import hashlib, sys
from pathlib import Path
from monai_unet.cli.stopping import answer_stops
from monai_unet.io import write_text, atomic_path
answer_stops()
folder = Path(sys.argv[1])
write_text(folder / "finished", "whole")
with atomic_path(folder / "unfinished") as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # computes for minutes in one step of Python
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_answered_while_something_computes(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LONG, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # by now it is within its one long step; before it, it would leave by itself and say nothing
    start = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert time.monotonic() - start < 5, "a second, and what a loaded machine takes"
    assert said == "monai-unet: stopped\n"
    assert [path.name for path in tmp_path.iterdir()] == ["finished"]


def test_a_command_that_ends_by_itself_is_not_waited_for(tmp_path: Path) -> None:
    script = (
        "import signal, sys\nfrom monai_unet.cli.stopping import answer_stops\nanswer_stops()\n"
        "try: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: sys.exit(5)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 5
