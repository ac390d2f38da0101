"""Many cases: in this process, in processes of this machine, or on a Dask cluster. The same function runs in each.

Results come as they finish; whoever wants them in order sorts them. A worker that dies takes no case with it: the case
is run again, and only one that kills its worker every time is given up, by name.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from multiprocessing.connection import wait as wait_for_any

from monai_unet.errors import InputError
from monai_unet.evaluation.case_work import CaseResult, CaseWork
from monai_unet.evaluation.pairs import Pair

ATTEMPTS = 3
_QUEUED_PER_WORKER = 2


def run_pairs(
    pairs: Sequence[Pair], work: CaseWork, *, workers: int | None = None, cluster: str = ""
) -> Generator[CaseResult]:
    """Cases where the user wants them: on a cluster, in several processes, or one after the other in this one.

    Args:
        workers: processes; None: one for each processor that this process may use.
        cluster: address of a Dask scheduler; then `workers` is not used.

    Raises:
        InputError: fewer than one worker.
    """
    if cluster:
        return run_on_cluster(pairs, work, address=cluster)
    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise InputError(f"--workers must be 1 or more, got {workers}.")
    if workers == 1 or len(pairs) < 2:
        return run_here(pairs, work)
    return run_in_processes(pairs, work, workers=min(workers, len(pairs)))


def run_here(pairs: Sequence[Pair], work: CaseWork) -> Generator[CaseResult]:
    """One case after the other in this process."""
    for pair in pairs:
        yield work(pair)


def run_in_processes(pairs: Sequence[Pair], work: CaseWork, *, workers: int) -> Generator[CaseResult]:
    """Cases in `workers` processes of one thread each (spawned, so the same on every system)."""
    waiting = list(reversed(pairs))
    attempts: dict[str, int] = {}
    while waiting:
        # after a death nobody knows whose fault it was: what was running then runs again alone
        suspects = [pair for pair in waiting if attempts.get(pair.case)]
        rest = [pair for pair in waiting if not attempts.get(pair.case)] if suspects else []
        waiting = suspects or waiting
        others = multiprocessing.active_children()
        pool = _pool(1 if suspects else workers)
        running: dict[Future[CaseResult], Pair] = {}
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
            for pair in running.values():
                attempts[pair.case] = attempts.get(pair.case, 0) + 1
                if attempts[pair.case] < ATTEMPTS:
                    waiting.append(pair)
                else:
                    yield CaseResult(pair, failure=_killed("the worker process"))
        finally:
            # stopped midway, what is running is not in the journal and will be done again
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
        waiting = rest + waiting


def run_on_cluster(pairs: Sequence[Pair], work: CaseWork, *, address: str) -> Generator[CaseResult]:
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
        waiting = list(reversed(pairs))
        started: dict[object, Pair] = {}
        running = as_completed(loop=client.loop)
        while waiting or started:
            # asked again each time: on Slurm and Kubernetes workers come and go
            room = _QUEUED_PER_WORKER * max(1, sum(client.nthreads().values()))
            while waiting and len(started) < room:
                future = client.submit(work, waiting[-1], pure=False)
                started[future.key] = waiting.pop()
                running.add(future)
            future = next(running)
            pair = started.pop(future.key)
            if future.status == "finished":
                yield future.result()
            else:
                yield CaseResult(pair, failure=_cluster_failure(future.exception()))


def default_workers() -> int:
    """Processes of one machine: one per core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cluster_failure(error: object) -> str:
    if type(error).__name__ == "KilledWorker":
        return _killed("the cluster's worker")
    return f"the cluster gave up on it: {type(error).__name__}: {error}"


def _killed(who: str) -> str:
    return f"{who} died each time it ran, most likely out of memory; use fewer workers or a machine with more memory."


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    """One thread per worker, as the workers together fill the machine; and no worker outlives the main process."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)
