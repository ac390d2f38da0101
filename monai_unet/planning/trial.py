"""Steps of a planned training, tried on this machine: how long one takes and how much memory.

In a process of its own, which may be killed for memory without harm: `python -m monai_unet.planning.trial PLAN`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from monai_unet.mappings import CaseDict
from monai_unet.planning.plan import Plan, read_plan

STEPS = 4
_GIB = 2**30
_LONGEST = 600.0
_LOOK_SECONDS = 0.03


@dataclass(frozen=True)
class Trial:
    """What the steps of a plan cost here.

    Attributes:
        seconds: of one step with its augmentation; CPU seconds of the process divided by its threads, or the clock's
            where the network runs on a GPU.
        memory_gib: of the process beyond what it had loaded, or of the GPU.
        failed: why there is no figure, "" where there is: "memory", or the error's last line.
    """

    seconds: float = 0.0
    memory_gib: float = 0.0
    failed: str = ""


def try_steps(plan: Plan, *, memory_gib: float | None = None) -> Trial:
    """Run a few steps of a plan in another process, on made-up images.

    Args:
        plan: with its patch, batch and network.
        memory_gib: what the process may take at most (CPU); it is ended where it takes more.
    """
    with TemporaryDirectory() as folder:
        file, before = Path(folder) / "plan.json", Path(folder) / "before"
        plan.save(file)
        command = [sys.executable, "-m", "monai_unet.planning.trial", str(file), str(before)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, errors, killed = _watched(process, before, memory_gib if plan.device == "cpu" else None)
        finally:
            process.kill()
            process.wait()
    if killed:
        return Trial(failed=killed)
    if process.returncode == 0:
        return Trial(**json.loads(out.splitlines()[-1]))
    last = (errors.strip().splitlines() or ["it said nothing"])[-1]
    words = ("MemoryError", "memory", "DefaultCPUAllocator", "std::bad_alloc")
    return Trial(failed="memory" if process.returncode < 0 or any(word in errors for word in words) else last)


def _watched(process: subprocess.Popen[str], before: Path, limit_gib: float | None) -> tuple[str, str, str]:
    """Output and errors of the process; ended, and why, where it takes more than the limit, or too long."""
    import psutil

    end = time.monotonic() + _LONGEST
    while True:
        try:
            out, errors = process.communicate(timeout=_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                return "", "", f"{STEPS} steps took more than {_LONGEST:.0f} s"
            if limit_gib is not None and before.is_file():
                try:
                    taken = psutil.Process(process.pid).memory_info().rss - int(before.read_text() or 0)
                except (psutil.Error, ValueError):
                    continue
                if taken > limit_gib * _GIB:
                    return "", "", "memory"
        else:
            return out, errors, ""


def _measure(plan: Plan, before: Path) -> Trial:
    import torch
    from monai.bundle import ConfigParser

    from monai_unet.planning.configs import train_yaml

    import yaml  # isort: skip

    config = yaml.safe_load(train_yaml(plan))
    parser = ConfigParser(config)
    device = torch.device("cuda" if torch.cuda.is_available() and plan.device != "cpu" else "cpu")
    parser["device"] = device
    network = parser.get_parsed_content("net").train()
    loss, infer = parser.get_parsed_content("train#loss"), parser.get_parsed_content("train#inferer")
    augmentation = parser.get_parsed_content("train#augmentation")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    case = _made_up(plan)
    peak = _Peak(device)
    before.write_text(str(peak.before))
    times = []
    for _ in range(STEPS):
        start = _now(device)
        samples = [augmentation(case) for _ in range(plan.batch_size)]
        image = torch.stack([sample["image"] for sample in samples]).to(device)
        label = torch.stack([sample["label"] for sample in samples]).to(device)
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            value = loss(infer(image, network), label)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        times.append(_now(device) - start)
    threads = 1 if device.type == "cuda" else torch.get_num_threads()
    # the first step plans convolutions and touches memory for the first time
    return Trial(round(min(times[1:]) / threads, 4), round(peak.end() / _GIB, 3))


def _made_up(plan: Plan) -> CaseDict:
    """A case of noise, a little larger than the patch, that holds every class."""
    import torch

    from monai_unet.transforms import ClassVoxelsd

    size = [int(n * 1.2) + 1 for n in plan.patch_size]
    label = torch.zeros(1, *size, dtype=torch.uint8)
    count = len(plan.source_values)
    for index in range(1, count + 1):
        label[0, :, :, (index - 1) * size[2] // (count + 1) : index * size[2] // (count + 1)] = index
    return dict(ClassVoxelsd()({"image": torch.randn(len(plan.channels), *size), "label": label}))


class _Peak:
    """Bytes that were held at most beyond what was held at first; looked at every few milliseconds, or as CUDA says."""

    def __init__(self, device: object) -> None:
        import psutil
        import torch

        self.cuda = torch.cuda if getattr(device, "type", "cpu") == "cuda" else None
        self._process = psutil.Process()
        self.before = 0 if self.cuda else self._process.memory_info().rss
        self._most, self._over = self.before, threading.Event()
        if self.cuda is None:
            threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._over.wait(0.004):
            self._most = max(self._most, self._process.memory_info().rss)

    def end(self) -> int:
        """Stop looking, and say."""
        self._over.set()
        return self.cuda.max_memory_allocated() if self.cuda else self._most - self.before


def _now(device: object) -> float:
    import torch

    if getattr(device, "type", "cpu") == "cuda":
        torch.cuda.synchronize()
        return time.monotonic()
    return time.process_time()


if __name__ == "__main__":
    measured = _measure(read_plan(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps({"seconds": measured.seconds, "memory_gib": measured.memory_gib}))
