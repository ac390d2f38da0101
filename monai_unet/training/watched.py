"""A training in a process of its own, `python -m monai.bundle run`, watched through its `history.csv`."""

from __future__ import annotations

import contextlib
import csv
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from monai_unet.errors import InputError

LOG = "log.txt"
_WAIT_SECONDS = 0.3


@dataclass(frozen=True)
class Epoch:
    """Where a training is: epochs done and in all; loss, validation Dice and seconds of the last one where known."""

    done: int
    total: int
    loss: float | None = None
    dice: float | None = None
    seconds: float | None = None


def watched_run(
    config_files: list[Path], arguments: Mapping[str, object], run: Path, *, epochs: int, give_way: bool = False
) -> Generator[Epoch, None, None]:
    """Train, and yield where it is about three times a second; stopped, the process is ended in good order.

    Args:
        config_files: merged in this order.
        arguments: overrides by name; None leaves one out.
        run: folder of the run; the log goes there.
        epochs: what `Epoch.total` says.
        give_way: let other programs of this computer go first.

    Raises:
        InputError: the training failed; the message is the last line of its log.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOG).open("a", encoding="utf-8") as log:
        process = subprocess.Popen(_command(config_files, arguments), stdout=log, stderr=subprocess.STDOUT)
    try:
        if give_way:
            with contextlib.suppress(psutil.Error):
                psutil.Process(process.pid).nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10))
        while process.poll() is None:
            time.sleep(_WAIT_SECONDS)
            yield last_epoch(run, epochs)
    finally:
        end(process)
    if process.returncode != 0:
        raise InputError(f"the training failed: {last_line(run / LOG)}")
    yield last_epoch(run, epochs)


def _command(config_files: list[Path], arguments: Mapping[str, object]) -> list[str]:
    names = "[" + ",".join(f"'{file}'" for file in config_files) + "]"
    flags = [f"--{name}={value}" for name, value in arguments.items() if value is not None]
    return [sys.executable, "-m", "monai.bundle", "run", f"--config_file={names}", *flags]


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and kill it where it does not within 20 s."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_epoch(run: Path, total: int) -> Epoch:
    """Where the training in a folder is, by its `history.csv`."""
    path = run / "history.csv"
    if not path.is_file():
        return Epoch(0, total)
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("validation") is not None]
    if not rows:
        return Epoch(0, total)
    scores = [float(row["validation"]) for row in rows if row["validation"]]
    last = rows[-1]
    return Epoch(
        int(last["epoch"]), total, float(last["loss"]), scores[-1] if scores else None, float(last["seconds"] or 0)
    )


def last_line(path: Path) -> str:
    """What a log ends with, without the program's own name."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "it said nothing").removeprefix("monai-unet: ")
