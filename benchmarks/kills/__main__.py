"""Commands killed by SIGKILL at random moments, called again, and their results against those of an undisturbed run.

python benchmarks/kills --count 500 --seed 1 --output kills

Every command is run twice undisturbed: what differs between the two (times, identifiers that are made anew) is not
compared. Then it is killed again and again, half of the kills after a random time, half at a random one of its changes
to files, alone or with the processes it started; after each kill every file under its final name is read. A last call
that nobody disturbs must come to the same results. Exit code 1 where it does not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

_TOUCHING = ("open", "os.rename", "os.remove", "os.mkdir", "os.link", "tempfile.mkstemp", "tempfile.mkdtemp")
_MOST_IN_A_ROW = 4
_CLOCK = re.compile(r"(?i)seconds|duration|created|started|Time$|(?<![a-z])(date|time|at)(?![a-z])")
_NEVER_APART = (" voxels", " pixels", " affine", "/PixelData", "/ContourData")
_SECONDS = 900


def main() -> int:
    """Kill; 0 where all ends were right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500, help="kills")
    parser.add_argument("--only", default="", help="pattern of commands' names")
    parser.add_argument("--output", type=Path, default=Path("kills"), help="folder of the faults")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # the home and the caches are the benchmark's own
        os.environ["HOME"], os.environ["MONAI_UNET_CACHE"] = str(work / "home"), str(work / "cache")
        os.environ["MPLCONFIGDIR"] = str(work / "home" / "matplotlib")
        (work / "home" / "matplotlib").mkdir(parents=True)
        return _kill_all(work, options)


def _kill_all(work: Path, options: argparse.Namespace) -> int:
    from commands import commands, make_inputs

    make_inputs(work / "data")
    _prepare(work)
    chosen = [command for command in commands(work / "data") if re.search(options.only, command.name)]
    total = sum(command.share for command in chosen)
    kills = faults = 0
    for command in chosen:
        # what rounding leaves goes to the last one
        wanted = max(1, round(options.count * command.share / total))
        if command is chosen[-1]:
            wanted = max(wanted, options.count - kills)
        result = Series(command, work, random.Random(f"{options.seed}/{command.name}"), options.output)
        result.run(wanted)
        kills += result.kills
        faults += len(result.faults)
        print(
            f"{command.name:24} {result.seconds:6.1f} s, {result.kills:3} kills, {result.ends:3} ends compared in "
            f"{result.compared} facts, {result.moving} differ undisturbed, {len(result.faults)} faults",
            flush=True,
        )
    print(f"{kills} kills, {faults} faults")
    return 1 if faults else 0


def _prepare(work: Path) -> None:
    """What other commands begin with: a plan, two evaluations."""
    data = work / "data"
    plan = ["plan", str(data / "boxes"), "-o", str(data / "planned"), "--budget", "3epochs", "--device", "cpu"]
    score = ["evaluate", "--references", str(data / "labels"), "--labels", "1=a", "2=b", "--workers", "1"]
    for words in (
        [*plan, "--workers", "1"],
        [*score, "--predictions", str(data / "made"), "--output", str(data / "scores")],
        [*score, "--predictions", str(data / "labels"), "--output", str(data / "scores2")],
    ):
        code, text = _called(words, work / "log.txt")
        if code != 0:
            raise SystemExit(f"{' '.join(words)}: {code}\n{text}")


@dataclass
class Series:
    """All kills of one command."""

    command: Killed  # type: ignore[name-defined]  # noqa: F821
    work: Path
    chance: random.Random
    output: Path
    kills: int = 0
    ends: int = 0
    seconds: float = 0.0
    touches: int = 0
    compared: int = 0
    moving: int = 0
    faults: list[str] = field(default_factory=list)

    def run(self, wanted: int) -> None:
        """Kill so often, in rounds of one to four kills."""
        from facts import check_whole, facts

        first, second = self._undisturbed(), self._undisturbed()
        same = {name: value for name, value in first.items() if second.get(name) == value and not _CLOCK.search(name)}
        for name in sorted(set(first) - set(same)):
            if name.endswith(_NEVER_APART):
                raise SystemExit(f"{self.command.name}: {name} differs between two undisturbed runs")
            if not _CLOCK.search(name):
                print(f"  not compared, differs undisturbed: {name}")
        self.compared, self.moving = len(same), len(first) - len(same)
        empty = 0
        while self.kills < wanted and empty < 20 + wanted:
            self._fresh()
            before = self.kills
            for number in range(self.chance.randint(1, _MOST_IN_A_ROW)):
                code, text = self._call(again=number > 0, moment=self._moment())
                try:
                    check_whole(self.out)
                except AssertionError as error:
                    self._fault(str(error), text)
                if code != -signal.SIGKILL:
                    break
                self.kills += 1
            empty += self.kills == before
            if self.kills == before:
                continue
            code, text = self._call(again=True)
            self.ends += 1
            refused = bool(code and self.command.refused and re.search(self.command.refused, text))
            if refused and self.command.forced:
                code, text = self._call(again=True, forced=True)
                refused = False
            if code != 0 and not refused:
                self._fault(f"the last call ended with {code}", text)
                continue
            found = facts(self._results())
            wrong = [name for name, value in same.items() if found.get(name) != value]
            if refused and self.command.piecemeal:
                wrong = [name for name in wrong if name in found]
            more = sorted({name.split()[0] for name in found} - {name.split()[0] for name in first})
            if wrong or more:
                lines = [f"{name}: {same[name][:80]} | {found.get(name, 'missing')[:80]}" for name in wrong[:20]]
                self._fault("\n".join([*lines, *(f"{name}: not there undisturbed" for name in more)]), text)

    @property
    def out(self) -> Path:
        return self.work / "out"

    def _fresh(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        if self.command.before:
            shutil.copytree(self.command.before, self.out)
        else:
            self.out.mkdir()

    def _undisturbed(self) -> dict[str, str]:
        from facts import facts

        self._fresh()
        start = time.perf_counter()
        code, text = self._call()
        self.seconds = time.perf_counter() - start
        if code != 0:
            raise SystemExit(f"{self.command.name}: {code}\n{text}")
        self.touches = max(1, int((self.work / "touches").read_text()))
        return facts(self._results())

    def _results(self) -> Path:
        """Where the last call wrote: `demo` takes a new name beside what a killed one left."""
        if self.command.name != "demo":
            return self.out
        return max((path for path in self.out.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)

    def _moment(self) -> float | int:
        """Seconds, or the number of a change to files."""
        if self.chance.random() < 0.5:
            return self.chance.uniform(0.0, self.seconds)
        return self.chance.randint(1, self.touches)

    def _call(self, *, again: bool = False, forced: bool = False, moment: float | int | None = None) -> tuple[int, str]:
        words = [word.replace("{out}", str(self.out)) for word in self.command.words]
        words += self.command.again if again else []
        words += self.command.forced if forced else []
        alone = self.chance.random() < 0.5
        return _called(words, self.work / "log.txt", moment=moment, watched=self.out, alone=alone)

    def _fault(self, reason: str, text: str) -> None:
        name = f"{self.command.name.replace(' ', '_').replace('/', '_')}-{len(self.faults) + 1}"
        shutil.rmtree(self.output / name, ignore_errors=True)
        shutil.copytree(self.out, self.output / name / "out")
        (self.output / name / "fault.txt").write_text(f"{reason}\n\n{text}\n", encoding="utf-8")
        self.faults.append(reason)
        print(f"{name}: {reason.splitlines()[0]}", flush=True)


def _called(
    words: Sequence[str],
    log: Path,
    *,
    moment: float | int | None = None,
    watched: Path | None = None,
    alone: bool = False,
) -> tuple[int, str]:
    """Exit code (or minus the signal) and what was printed, of a call in a process of its own."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _be(words, log, moment if isinstance(moment, int) else None, watched, alone)
    end = time.monotonic() + (moment if isinstance(moment, float) else _SECONDS)
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() >= end:
            _kill(child, alone)
            ended = os.waitpid(child, 0)
            break
        time.sleep(0.005)
    # what it started sees that it is gone, or went with it
    with contextlib.suppress(ProcessLookupError):
        if not alone:
            os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(ended[1]), log.read_text(encoding="utf-8", errors="replace")


def _kill(process: int, alone: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if alone:
            os.kill(process, signal.SIGKILL)
        else:
            os.killpg(process, signal.SIGKILL)


def _be(words: Sequence[str], log: Path, touch: int | None, watched: Path | None, alone: bool) -> None:
    """Become the command; never returns."""
    os.setsid()
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    code, seen = 1, 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in _TOUCHING and any(isinstance(a, str | os.PathLike) and str(watched) in str(a) for a in arguments):
            seen += 1
            if seen == touch:
                _kill(os.getpid(), alone)

    if watched is not None:
        sys.addaudithook(watch)
    try:
        code = _run(list(words))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        if watched is not None:
            (watched.parent / "touches").write_text(str(seen))
        os._exit(code)


def _run(words: list[str]) -> int:
    if words[0] == "edit":
        from commands import edit

        edit(Path(words[1]))
        return 0
    if words[0] == "run":
        sys.argv = ["monai.bundle", *words]
        runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
        return 0
    from monai_unet.cli import main as command

    return command(words)


def _load() -> None:
    """Import once what every call uses, so that a kill costs no start of Python; starts no threads."""
    import monai.bundle
    import monai.engines
    import nibabel
    import torch

    import monai_unet.cli.convert
    import monai_unet.cli.evaluate
    import monai_unet.cli.segment
    import monai_unet.planning
    import monai_unet.segmentation
    import monai_unet.training

    torch.set_num_threads(1)
    assert monai.bundle
    assert monai.engines
    assert nibabel
    assert monai_unet.cli.segment


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    _load()
    raise SystemExit(main())
