"""Takes the fingerprint of a data set: every case once, in several processes, and goes on where it was stopped."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Generator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets import LabelledCase, LabelledSet
from monai_unet.planning.case_fingerprint import CaseFingerprint, CaseReader, CaseReading
from monai_unet.planning.findings import findings_of
from monai_unet.planning.fingerprint import Fingerprint
from monai_unet.planning.reading_journal import ReadingJournal
from monai_unet.planning.summary import summarised

_SHOWN = 30


def take_fingerprint(
    labelled: LabelledSet, *, journal: str | Path = "", workers: int | None = None, keep_going: bool = False
) -> Generator[CaseReading, None, Fingerprint]:
    """Read every case once and return the fingerprint; each case is yielded as it is read.

    Args:
        journal: file that holds what was read, so that a stopped run goes on; empty: none is kept.
        workers: processes; None: one for each processor that this process may use.
        keep_going: leave out cases that are faulty, with the reason, instead of refusing the data set.

    Raises:
        InputError: cases are faulty (all of them in one sentence), or too little is left to train on.
    """
    reader = CaseReader(labelled)
    with ReadingJournal(journal, labelled) as kept:
        known = kept.done()
        yield from known.values()
        readings = dict(known)
        for reading in _read([case for case in labelled.cases if case.name not in known], reader, workers):
            kept.append(reading)
            readings[reading.name] = reading
            yield reading
    in_order = [readings[case.name] for case in labelled.cases]
    return _judged(labelled, in_order, keep_going)


def _judged(labelled: LabelledSet, readings: Sequence[CaseReading], keep_going: bool) -> Fingerprint:
    faults = {reading.name: list(reading.faults) for reading in readings if reading.faults}
    cases = [reading.found for reading in readings if reading.found is not None]
    if cases:
        found = findings_of(labelled, cases)
        faults |= {name: reasons for name, reasons in found.faults.items() if reasons}
    if faults and not keep_going:
        raise InputError(_refusal(labelled, [reason for reasons in faults.values() for reason in reasons]))
    left: list[CaseFingerprint] = [case for case in cases if case.name not in faults]
    reasons = {name: "; ".join(said) for name, said in faults.items()}
    if not left:
        raise InputError(_refusal(labelled, [reason for said in faults.values() for reason in said]))
    warnings = findings_of(labelled, left).warnings
    if reasons:
        warnings.insert(0, f"{len(reasons)} cases are left out: {'; '.join(list(reasons.values())[:_SHOWN])}.")
    return summarised(labelled, left, left_out=reasons, warnings=[*labelled.notes, *warnings])


def _refusal(labelled: LabelledSet, faults: Sequence[str]) -> str:
    parts = [fault.rstrip(".") for fault in dict.fromkeys(faults)]
    more = f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    count = "1 fault" if len(parts) == 1 else f"{len(parts)} faults"
    return f"{labelled.root} has {count}: {'; '.join(parts[:_SHOWN])}{more}."


def _read(cases: Sequence[LabelledCase], reader: CaseReader, workers: int | None) -> Generator[CaseReading]:
    count = min(_processors() if workers is None else workers, len(cases))
    if count <= 1:
        for case in cases:
            yield reader(case)
        return
    waiting = {case.name: case for case in cases}
    try:
        for reading in _in_processes(list(cases), reader, count):
            del waiting[reading.name]
            yield reading
    except BrokenExecutor:
        # nobody knows whose fault it was: what is left is read one by one, each in a process that may die alone
        for case in list(waiting.values()):
            try:
                yield from _in_processes([case], reader, 1)
            except BrokenExecutor:
                fault = f"the process that read {case.name} died, most likely out of memory"
                yield CaseReading(case.name, (), None, (fault,))


def _in_processes(cases: Sequence[LabelledCase], reader: CaseReader, workers: int) -> Generator[CaseReading]:
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread)
    try:
        for future in as_completed([pool.submit(reader, case) for case in cases]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
