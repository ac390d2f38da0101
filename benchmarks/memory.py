"""Peak memory of one training step of each network, with and without gradient checkpointing.

    python benchmarks/memory.py                                   # 96 and 128 voxels a side, every network, size "s"
    python benchmarks/memory.py --networks residual_unet --sizes 64
    python benchmarks/memory.py --output runs/family/memory.json  # resumes: what the file holds is not measured again

Each measurement is a process of its own: forward pass, Dice + cross-entropy, backward pass of one patch, batch 1. On a
CPU the number is the resident set's peak less what the process held with the network built; on a GPU it is the
allocator's peak. A network that does not fit is written down as such.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from monai_unet.io import write_text
from monai_unet.networks import NETWORKS, build_unet
from monai_unet.training import build_loss, training_batch

MIB = 2**20


def measure(name: str, side: int, checkpointing: bool, size: str) -> dict[str, Any]:
    """Peak MiB and seconds (CPU, or wall on a GPU) of one training step in this process."""
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    options = {"checkpointing": True} if checkpointing else {}
    network = build_unet(name, out_channels=3, size=size, **options).to(device)
    loss = build_loss()
    batch = {"image": torch.randn(1, 1, *[side] * 3), "label": torch.randint(0, 3, (1, 1, *[side] * 3)).float()}
    small = {key: tensor[..., :32, :32, :32] for key, tensor in batch.items()}
    step(network, loss, small, device)  # what libraries allocate once does not belong to the patch
    before = psutil.Process().memory_info().rss
    with Peak() as peak:
        start = time.monotonic() if cuda else time.process_time()
        step(network, loss, batch, device)
        if cuda:
            torch.cuda.synchronize()
        seconds = (time.monotonic() if cuda else time.process_time()) - start
    used = torch.cuda.max_memory_allocated() if cuda else peak.rss - before
    return {"mib": round(used / MIB), "seconds": round(seconds, 2), "device": device}


def step(network: torch.nn.Module, loss: torch.nn.Module, batch: dict[str, torch.Tensor], device: str) -> None:
    """Forward and backward pass."""
    image, label, *more = training_batch(network)(batch, device)
    loss(network(image, *(more[0] if more else ())), label).backward()


class Peak:
    """Watches the resident set every 5 ms; works on every system, unlike the kernel's own high-water mark."""

    def __enter__(self) -> Peak:
        self.rss, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.005):
            self.rss = max(self.rss, process.memory_info().rss)

    def __exit__(self, *error: object) -> None:
        self.rss = max(self.rss, psutil.Process().memory_info().rss)
        self._stop.set()
        self._thread.join()


def in_process(key: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One measurement in a fresh interpreter."""
    command = [sys.executable, __file__, "--one", key, "--size", arguments.size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    last = (done.stderr.strip().splitlines() or [f"killed (exit code {done.returncode})"])[-1]
    return {"mib": None, "error": last}


def main() -> None:
    """Measure what the results file does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=[96, 128], help="voxels a side")
    parser.add_argument("--size", default="s", choices=("s", "m", "l"), help="size of the networks")
    parser.add_argument("--output", type=Path, default=Path("runs/family/memory.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, side, checkpointing = arguments.one.split()
        print(json.dumps(measure(name, int(side), checkpointing == "True", arguments.size)))
        return
    found = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.output.is_file() else {}
    for side in arguments.sizes:
        for name in arguments.networks:
            for checkpointing in (False, True) if NETWORKS[name].checkpointing else (False,):
                key = f"{name} {side} {checkpointing}"
                if f"{key} {arguments.size}" not in found:
                    found[f"{key} {arguments.size}"] = in_process(key, arguments)
                    write_text(arguments.output, json.dumps(found, indent=2) + "\n")
                    print(key, found[f"{key} {arguments.size}"], flush=True)


if __name__ == "__main__":
    main()
