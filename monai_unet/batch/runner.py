"""Many cases: in this process, in processes of this machine, or on a Dask cluster. The same function runs in each.

Results come as they finish; whoever wants them in order sorts them. A worker that dies takes no case with it: the case
is run again, and only one that kills its worker every time is given up, by name.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_any
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Protocol, TypeVar

from monai_unet.errors import InputError

ATTEMPTS = 3
_QUEUED_PER_WORKER = 2


class Named(Protocol):
    """A case: what it is called, once in a run."""

    @property
    def case(self) -> str:
        """Its name."""


CaseT = TypeVar("CaseT", bound=Named)
ResultT = TypeVar("ResultT")
_CaseT = TypeVar("_CaseT", bound=Named, contravariant=True)
_ResultT = TypeVar("_ResultT", covariant=True)


class Work(Protocol[_CaseT, _ResultT]):
    """What is called for each case; it must be picklable, and must not raise."""

    def __call__(self, case: _CaseT, /) -> _ResultT:
        """Result of one case."""

    def given_up(self, case: _CaseT, reason: str, /) -> _ResultT:
        """Result of a case that killed its worker every time."""


def run_cases(
    cases: Sequence[CaseT],
    work: Work[CaseT, ResultT],
    *,
    workers: int | None = None,
    cluster: str = "",
    devices: Sequence[str] = (),
    timeout_s: float | None = None,
) -> Generator[ResultT]:
    """Cases where the user wants them: on a cluster, in several processes, or one after the other in this one.

    Args:
        workers: processes; None: one for each device, or for each processor that this process may use.
        cluster: address of a Dask scheduler; then `workers` is not used.
        devices: dealt out to the workers in turn; each finds its own by `worker_device`.
        timeout_s: seconds after which a case is given up, by name; not on a cluster.

    Raises:
        InputError: fewer than one worker, or no time at all.
    """
    if timeout_s is not None and (cluster or timeout_s <= 0):
        raise InputError(
            "--timeout is a number of seconds above 0, and not for a cluster, which has limits of its own."
        )
    if cluster:
        return run_on_cluster(cases, work, address=cluster)
    workers = (len(devices) or default_workers()) if workers is None else workers
    if workers < 1:
        raise InputError(f"--workers must be 1 or more, got {workers}.")
    if timeout_s is None and ((workers == 1 and not devices) or len(cases) < 2):
        return run_here(cases, work)
    workers = max(1, min(workers, len(cases)))
    return run_in_processes(cases, work, workers=workers, devices=devices, timeout_s=timeout_s)


def run_here(cases: Sequence[CaseT], work: Work[CaseT, ResultT]) -> Generator[ResultT]:
    """One case after the other in this process."""
    for case in cases:
        yield work(case)


def run_in_processes(
    cases: Sequence[CaseT],
    work: Work[CaseT, ResultT],
    *,
    workers: int,
    devices: Sequence[str] = (),
    timeout_s: float | None = None,
) -> Generator[ResultT]:
    """Cases in `workers` processes of one thread each (spawned, so the same on every system)."""
    with TemporaryDirectory(prefix="monai-unet-run-") as folder:
        watched = _Watched(work, timeout_s, folder)
        yield from _in_processes(cases, watched, workers=workers, devices=devices)


@dataclass(frozen=True)
class _Watched(Generic[CaseT, ResultT]):
    """A work whose process ends where a case takes too long; that it was the time stands in a file of the case."""

    work: Work[CaseT, ResultT]
    timeout_s: float | None
    folder: str

    def __call__(self, case: CaseT, /) -> ResultT:
        if self.timeout_s is None:
            return self.work(case)
        # a thread hears the time even while the case is in compiled code
        timer = threading.Timer(self.timeout_s, self._end, (case,))
        timer.daemon = True
        timer.start()
        try:
            return self.work(case)
        finally:
            timer.cancel()

    def given_up(self, case: CaseT, reason: str, /) -> ResultT:
        return self.work.given_up(case, reason)

    def took_too_long(self, case: CaseT) -> bool:
        return self.timeout_s is not None and self._mark(case).exists()

    def _end(self, case: CaseT) -> None:
        self._mark(case).touch()
        os._exit(1)

    def _mark(self, case: CaseT) -> Path:
        return Path(self.folder) / hashlib.sha256(case.case.encode("utf-8", "surrogateescape")).hexdigest()


def _in_processes(
    cases: Sequence[CaseT], work: _Watched[CaseT, ResultT], *, workers: int, devices: Sequence[str]
) -> Generator[ResultT]:
    waiting = list(reversed(cases))
    attempts: dict[str, int] = {}
    while waiting:
        # after a death nobody knows whose fault it was: what was running then runs again alone
        suspects = [case for case in waiting if attempts.get(case.case)]
        rest = [case for case in waiting if not attempts.get(case.case)] if suspects else []
        waiting = suspects or waiting
        others = multiprocessing.active_children()
        pool = _pool(1 if suspects else workers, devices)
        running: dict[Future[ResultT], CaseT] = {}
        try:
            while waiting or running:
                while waiting and len(running) < (1 if suspects else workers * _QUEUED_PER_WORKER):
                    running[pool.submit(work, waiting[-1])] = waiting[-1]
                    waiting.pop()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield future.result()
                    del running[future]
            pool.shutdown()
        except BrokenExecutor:
            for case in running.values():
                attempts[case.case] = attempts.get(case.case, 0) + 1
                if work.took_too_long(case):
                    yield work.given_up(case, f"it took longer than {work.timeout_s:g} s and was given up (--timeout).")
                elif attempts[case.case] < ATTEMPTS:
                    waiting.append(case)
                else:
                    yield work.given_up(case, _killed("the worker process"))
        finally:
            # stopped midway, what is running is not in the journal and will be done again
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
        waiting = rest + waiting


def run_on_cluster(cases: Sequence[CaseT], work: Work[CaseT, ResultT], *, address: str) -> Generator[ResultT]:
    """Cases on the Dask cluster at `address`; Dask runs a case again when its worker dies.

    Raises:
        InputError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError('--cluster needs Dask; install it with pip install "monai-unet[cluster]".') from None
    try:
        client = Client(address, timeout="30s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"No Dask scheduler answers at {address} ({error}); start one or check the address.") from None
    with client:
        waiting = list(reversed(cases))
        started: dict[object, CaseT] = {}
        running = as_completed(loop=client.loop)
        while waiting or started:
            # asked again each time: on Slurm and Kubernetes workers come and go
            room = _QUEUED_PER_WORKER * max(1, sum(client.nthreads().values()))
            while waiting and len(started) < room:
                future = client.submit(work, waiting[-1], pure=False)
                started[future.key] = waiting.pop()
                running.add(future)
            future = next(running)
            case = started.pop(future.key)
            if future.status == "finished":
                yield future.result()
            else:
                yield work.given_up(case, _cluster_failure(future.exception()))


def default_workers() -> int:
    """Processes of one machine: one per core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cluster_failure(error: object) -> str:
    if type(error).__name__ == "KilledWorker":
        return _killed("the cluster's worker")
    return f"the cluster gave up on it: {type(error).__name__}: {error}"


def _killed(who: str) -> str:
    return f"{who} died each time it ran, most likely out of memory; use fewer workers or a machine with more memory."


def worker_device() -> str | None:
    """The device that this worker was given, None where none was dealt out."""
    return _device


_device: str | None = None


def _pool(workers: int, devices: Sequence[str]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    dealt = context.Queue()
    for number in range(workers if devices else 0):
        dealt.put(devices[number % len(devices)])
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(dealt if devices else None,)
    )


def _start_worker(dealt: multiprocessing.Queue[str] | None) -> None:
    """One thread per worker, as the workers together fill the machine; and no worker outlives the main process."""
    global _device
    import torch

    torch.set_num_threads(1)
    _device = dealt.get() if dealt is not None else None
    # Ctrl-C reaches the whole group; the main process ends its workers itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)
