"""Ctrl-C and SIGTERM are answered within a second, whatever the program is computing.

Python hears a signal between two of its own steps, and a network or a reader may compute for a minute within one. A
thread hears it at once, says so, and after `GRACE_S` ends the process: what is on the disk by then is whole, as after a
kill, and unfinished files are removed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

GRACE_S = 0.5
"""Seconds in which a command may end by itself."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def answer_stops() -> None:
    """Watch for signals until the process ends; for a program of its own, not for one that imports this."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading, writing), name="monai-unet signals", daemon=True).start()


def _watch(reading: socket.socket, writing: socket.socket) -> None:
    from monai_unet.io import remove_unfinished  # loaded before it is needed

    while True:
        for number in reading.recv(64):
            if number in _SIGNALS:
                _end(number, remove_unfinished)


def _end(number: int, clean: Callable[[], None]) -> None:
    time.sleep(GRACE_S)
    with contextlib.suppress(Exception):
        clean()
        _end_children()
    with contextlib.suppress(Exception):
        print("monai-unet: stopped", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _end_children() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.terminate()


def _leave(number: int, frame: object) -> None:
    """Leave through the `finally` blocks."""
    raise SystemExit(128 + number)
