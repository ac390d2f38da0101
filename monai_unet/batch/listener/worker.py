"""The listener's side of the process that segments."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from monai_unet.mappings import Json

COMMAND = (sys.executable, "-m", "monai_unet.batch.listener.work")


class WorkerDiedError(Exception):
    """The process ended, or hung, before it answered."""


class Worker:
    """One job at a time; the process is started when it is needed, and again after it died."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[str] | None = None
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether a process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, unless it is there."""
        if self.alive or self._closed:
            return
        self._answers = SimpleQueue()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        threading.Thread(target=self._read, args=(self._process, self._answers), daemon=True).start()

    def run(self, job: Json, *, seconds: float) -> Json:
        """What became of a job.

        Raises:
            WorkerDiedError: the process ended or did not answer in time; it is started anew for the next job.
        """
        self.start()
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerDiedError("the listener is being stopped")
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except OSError:
            raise WorkerDiedError("the process that segments ended") from None
        try:
            line = self._answers.get(timeout=seconds)
        except Empty:
            self.stop()
            raise WorkerDiedError(f"the segmentation took more than {seconds / 60:g} minutes") from None
        if not line:
            process.wait()
            raise WorkerDiedError(f"the process that segments ended by itself ({process.returncode})")
        answer: Json = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self._closed = True
        self.stop()

    @staticmethod
    def _read(process: subprocess.Popen[str], answers: SimpleQueue[str]) -> None:
        assert process.stdout is not None
        with suppress(OSError, ValueError):
            for line in process.stdout:
                answers.put(line)
        answers.put("")
