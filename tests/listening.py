"""A listener in a process of its own, and a stand-in for what segments, which needs no network and no seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import yaml
from orthanc import free_port, wait_for_port
from pydicom.uid import generate_uid

RUN = """
import sys
from monai_unet.batch.listener import Listener, read_listen_settings
file = read_listen_settings(sys.argv[1])
more = {"worker_command": sys.argv[2:]} if sys.argv[2:] else {}
listener = Listener(file, **more)
listener.start()
sys.stdin.read()
listener.stop()
"""


@dataclass
class ListenerProcess:
    """A listener that can be killed and started again.

    Attributes:
        folder: of its rules; the queue is in it.
        seconds: that the stand-in takes for a series; None: the real one.
    """

    folder: Path
    rules: list[dict[str, Any]]
    servers: dict[str, Any] = field(default_factory=dict)
    listen: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = 0.05

    def __post_init__(self) -> None:
        self.port, self.http = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def queue(self) -> Path:
        return self.folder / "queue"

    @property
    def config(self) -> Path:
        path = self.folder / "rules.yaml"
        listen = {
            "queue": "queue", "ae_title": "LISTEN", "port": self.port, "http_port": self.http, "allow": ["SENDER"],
            "quiet_seconds": 0.5, "min_free_gib": 0.01, **self.listen,
        }  # fmt: skip
        path.write_text(yaml.safe_dump({"listen": listen, "servers": self.servers, "rules": self.rules}))
        path.chmod(0o600)
        return path

    def start(self) -> None:
        words = [sys.executable, "-c", RUN, str(self.config)]
        if self.seconds is not None:
            words += [sys.executable, __file__, str(self.seconds)]
        with (self.folder / "errors.txt").open("ab") as errors:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=errors)
        wait_for_port(self.http, self.process)
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/health", timeout=30) as answer:
            return dict(json.loads(answer.read()))

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.queue / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.audit() if entry["event"] == event]

    def wait_until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                errors = (self.folder / "errors.txt").read_text()
                raise AssertionError(f"not within {seconds} s; {self.audit()[-5:]}\n{errors}")
            time.sleep(0.1)

    def server(self, title: str = "SENDER", port: int | None = None) -> Any:
        from monai_unet.io.dicom.network import DimseServer

        return DimseServer("listener", "127.0.0.1", port or self.port, "LISTEN", title, timeout=15)


@contextmanager
def listening(folder: Path, rules: list[dict[str, Any]], **more: Any) -> Iterator[ListenerProcess]:
    listener = ListenerProcess(folder, rules, **more)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def _compute(seconds: float) -> None:
    """Wait, or, for a second and more, use the processors as a network does, at a network's priority."""
    if seconds < 1:
        time.sleep(seconds)
        return
    import numpy as np

    os.nice(10 - os.nice(0))
    matrix, deadline = np.ones((400, 400), np.float32), time.monotonic() + seconds
    while time.monotonic() < deadline:
        matrix @ matrix


def _stand_in(seconds: float) -> None:
    """Answer each job with one small file of each kind in the study of its images."""
    for line in sys.stdin:
        job = json.loads(line)
        if "images" not in job:
            print(json.dumps({}), flush=True)
            continue
        source = next(iter(sorted(Path(job["images"]).iterdir())))
        made = pydicom.dcmread(source)
        if made.PatientID == "CRASH":
            os._exit(3)
        _compute(seconds)
        folder = Path(job["folder"])
        folder.mkdir(parents=True)
        files: dict[str, list[str]] = {}
        made.Manufacturer = "monai-unet"
        made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
        for kind in ("seg", "sr", "sc"):
            made.SeriesInstanceUID, made.Modality = generate_uid(), kind.upper()
            made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            made.save_as(folder / f"{kind}.dcm")
            files[kind] = [f"{kind}.dcm"]
        if made.PatientID == "DAMAGED":
            print(json.dumps({"error": "slices are missing between -10 and 10 mm"}), flush=True)
            continue
        print(json.dumps({"files": files, "findings": 1, "notes": []}), flush=True)


if __name__ == "__main__":
    _stand_in(float(sys.argv[1]))
