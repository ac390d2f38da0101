"""Damaged files through every reader, and what is read against readers of other programs.

python benchmarks/fuzzing --count 10000 --seed 1 --output fuzz

Case n of a seed is always the same damage, so that `--first N --count 1` repeats one. Each of these counts as a
fault and its files are kept: an exception that is no sentence (`InputError`), a crash, more than a minute, more than
1 GiB of memory, voxels or a geometry that differ from what nibabel, SimpleITK or pydicom read from the same file, an
image that is left out without a note, and two answers of `info` and the reader. Exit code 1 where there is any.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from types import FrameType

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MONAI_UNET_MAX_GIB", "1")

from damage import damage
from reading import DifferenceError, read_case
from samples import Sample, make_samples

from monai_unet.errors import InputError

_SECONDS = 60
_BATCH = 250
_GIB = 1 << 30


def main() -> int:
    """Try all cases; 0 where there is no fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--kind", default="", help="only samples of this kind")
    parser.add_argument("--output", type=Path, default=Path("fuzz"), help="folder of the faults")
    options = parser.parse_args()
    os.nice(10)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        samples = make_samples(Path(folder, "samples"))
        chosen = [sample for sample in samples if options.kind in ("", sample.kind)]
        totals: collections.Counter[str] = collections.Counter()
        peak, start = 0, time.perf_counter()
        place, end = options.first, options.first + options.count
        while place < end:
            done = _in_a_child(
                chosen, options.seed, range(place, min(end, place + _BATCH)), options.output, Path(folder)
            )
            totals.update(done["outcomes"])
            peak = max(peak, done["peak"])
            place = done["next"]
            print(f"{place - options.first} of {options.count}: {dict(sorted(totals.items()))}", flush=True)
    faults = sum(count for name, count in totals.items() if name.startswith("fault"))
    minutes = (time.perf_counter() - start) / 60
    print(f"{options.count} cases, {faults} faults, {peak >> 20} MiB at most, {minutes:.1f} minutes")
    return 1 if faults else 0


def _in_a_child(samples: list[Sample], seed: int, cases: range, output: Path, work: Path) -> dict:  # type: ignore[type-arg]
    """A process of its own for some cases, so that a crash is a fault of one case and not the end."""
    progress = work / "progress.json"
    state = {"outcomes": {}, "peak": 0, "next": cases.start}
    progress.write_text(json.dumps(state))
    child = os.fork()
    if child == 0:
        code = 1
        # what ITK prints about files that it refuses
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            _run(samples, seed, cases, output, work, progress)
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    state = json.loads(progress.read_text())
    if status:
        number = state["next"]
        _keep(output, f"{seed}-{number}", work / "case", f"the process died, status {status}")
        state["outcomes"]["fault: crash"] = state["outcomes"].get("fault: crash", 0) + 1
        state["next"] = number + 1
    return state


def _run(samples: list[Sample], seed: int, cases: range, output: Path, work: Path, progress: Path) -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (6 * _GIB, 6 * _GIB))
    outcomes: collections.Counter[str] = collections.Counter()
    peak = 0
    for number in cases:
        case = work / "case"
        shutil.rmtree(case, ignore_errors=True)
        chance = random.Random(f"{seed}/{number}")
        sample = _placed(samples, case, chance)
        before = _resident()
        outcome, text = _outcome(sample, case)
        grown = max(0, _highest() - before)
        peak = max(peak, grown)
        if grown > _GIB:
            outcome, text = "fault: memory", f"{grown >> 20} MiB"
        if outcome.startswith("fault"):
            _keep(output, f"{seed}-{number}", case, f"{outcome}\n{sample.kind} {sample.folder.name}\n{text}")
        outcomes[outcome] += 1
        outcomes[f"  {sample.kind} {outcome.split(':')[0]}"] += 1
        state = {"outcomes": dict(outcomes), "peak": peak, "next": number + 1}
        temporary = progress.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.replace(progress)


def _placed(samples: list[Sample], case: Path, chance: random.Random) -> Sample:
    sample = chance.choice(samples)
    shutil.copytree(sample.folder, case)
    file = case / chance.choice(sample.damaged)
    file.write_bytes(damage(file.read_bytes(), file.name, chance))
    return sample


def _outcome(sample: Sample, case: Path) -> tuple[str, str]:
    signal.alarm(_SECONDS)
    try:
        return read_case(sample.kind, case, sample.target), ""
    except DifferenceError as error:
        return f"fault: {error.kind}", str(error)
    except InputError:
        return "refused", ""
    except TimeoutError:
        return "fault: too long", traceback.format_exc()
    except Exception as error:
        return f"fault: {type(error).__name__}", traceback.format_exc()
    finally:
        signal.alarm(0)


def _keep(output: Path, name: str, case: Path, text: str) -> None:
    kept = output / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(case, kept)
    (kept / "fault.txt").write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {text.splitlines()[0]}: {text.splitlines()[-1]}", flush=True)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {_SECONDS} s")


def _resident() -> int:
    """Resident bytes now; from here on `_highest` counts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _highest() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


if __name__ == "__main__":
    raise SystemExit(main())
