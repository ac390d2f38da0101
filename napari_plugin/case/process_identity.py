"""Which process wrote a file, told apart also on a home that several computers share (no Qt)."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessIdentity:
    """A process: a number alone is given again, after a restart of the computer and on every other computer.

    Attributes:
        host: of the computer's name (and, in a container, of its process table), 8 hexadecimal digits of a hash.
        boot: of the computer's start, likewise.
        pid: its number.
        started: when it started, in ticks or seconds as the system counts them.
    """

    host: str
    boot: str
    pid: int
    started: int

    @classmethod
    def own(cls) -> ProcessIdentity:
        """This process."""
        return cls(_host(), _boot(), os.getpid(), _started(os.getpid()) or 0)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """What `str` made, None for anything else."""
        parts = text.split(".")
        if len(parts) != 4 or not (parts[2].isdigit() and parts[3].isdigit()):
            return None
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]))

    def __str__(self) -> str:
        return f"{self.host}.{self.boot}.{self.pid}.{self.started}"

    def has_ended(self) -> bool:
        """Whether the process certainly runs no more; of one on another computer nobody can say here."""
        if self.host != _host():
            return False
        if self.boot != _boot():
            return True
        return _started(self.pid) != self.started


@functools.cache
def _host() -> str:
    table = ""
    with suppress(OSError):
        table = str(os.stat("/proc/self/ns/pid").st_ino)
    return _short(f"{platform.node()} {table}")


@functools.cache
def _boot() -> str:
    with suppress(OSError):
        return _short(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    # the clock may be set meanwhile, so to ten minutes
    return _short(str(round(psutil.boot_time() / 600)))


def _started(pid: int) -> int | None:
    """When a process started, None where there is none of that number."""
    with suppress(OSError, ValueError, IndexError):
        # behind the name, which may hold anything, the 20th field
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    try:
        return int(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _short(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:8]
