"""Reads damaged copies of files; run as a process of its own, so that a crash is seen and memory is measured.

python fuzz_worker.py SEED COUNT FOLDER FILE...
"""

from __future__ import annotations

import faulthandler
import logging
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import psutil

from monai_unet.errors import InputError
from monai_unet.io import read_volume

SECONDS_PER_CASE = 60
MEGABYTES = 2048


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """A copy with bytes flipped, a stretch overwritten, or the end cut off; mostly in the header."""
    data = bytearray(raw)
    near = chance.choice([min(1500, len(data)), min(400, len(data)), len(data)])
    kind = chance.choice(["flip", "flip", "flip", "overwrite", "cut"])
    if kind == "cut":
        return bytes(data[: chance.randrange(near)])
    if kind == "overwrite":
        start = chance.randrange(near)
        stretch = data[start : start + chance.randrange(1, 16)]
        data[start : start + len(stretch)] = chance.choice([b"\xff", b"\x00", b"\x7f"]) * len(stretch)
        return bytes(data)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        data[chance.randrange(near)] ^= 1 << chance.randrange(8)
    return bytes(data)


class PeakMemory(threading.Thread):
    """Resident memory, looked at fifty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process()
        self.before = self.peak = self.process.memory_info().rss
        self.start()

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, self.process.memory_info().rss)
            time.sleep(0.02)


def main() -> int:
    seed, count, folder, *files = sys.argv[1:]
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    chance, memory, outcomes = random.Random(int(seed)), PeakMemory(), {"read": 0, "refused": 0}
    for n in range(int(count)):
        source = Path(chance.choice(files))
        target = Path(folder) / f"case{''.join(source.suffixes[-2:]) if source.name.endswith('.gz') else source.suffix}"
        target.write_bytes(damaged(source.read_bytes(), chance))
        print(f"case {n} of seed {seed}: {source}", file=sys.stderr, flush=True)
        if hasattr(signal, "alarm"):
            signal.alarm(SECONDS_PER_CASE)
        try:
            volume = read_volume(target)
            assert min(volume.shape) > 0
            assert np.isfinite(np.asarray(volume.affine)).all()
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
        target.unlink()
    grown = (memory.peak - memory.before) >> 20
    print(f"{outcomes['read']} {outcomes['refused']} {grown}")
    return 0 if grown < MEGABYTES else 3


if __name__ == "__main__":
    raise SystemExit(main())
