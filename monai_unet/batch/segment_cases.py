"""Many cases through one segmenter: the next is read and the previous written while the current one computes."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from monai_unet.batch.jobs import Job
from monai_unet.batch.receipt import (
    input_sha256,
    is_finished,
    key_of,
    left_over,
    refuse_inputs,
    refuse_loss,
    refuse_shared,
    stated_of,
)
from monai_unet.errors import InputError, system_sentence
from monai_unet.generators import drain
from monai_unet.io import (
    FileBatch,
    InputFiles,
    notes_of,
    read_volume,
    remove_abandoned,
    settle,
    write_label_map,
    write_text,
    write_volume,
)
from monai_unet.segmentation import PreparedCase, Progress, Segmentation, Segmenter

_SMALL = 4_000_000
"""Voxels up to which a finished case may wait with others for the disk."""

_WAITING = 8
"""Small cases that wait at most; they are written with one wait for the disk."""


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job.

    Attributes:
        error: a sentence, empty when the mask is there.
        skipped: whether it was there before.
        seconds: wall time.
        notes: what was unusual about the images and what looks unlike the training data, as the provenance says.
    """

    job: Job
    error: str = ""
    skipped: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def segment_jobs(
    segmenter: Segmenter,
    jobs: Sequence[Job],
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Job, Progress], None] | None = None,
    sweep: bool = True,
) -> Generator[JobOutcome, None, None]:
    """Segment the jobs in order and yield what became of each, once its files are on the disk.

    Closing the iterator ends the current case between two tiles and leaves no file of it.

    Args:
        resume: skip a job whose files stand there, whole, made from the same input by the same bundle, weights and
            options; masks of the same cases that were made otherwise are made anew.
        overwrite: replace also what an earlier or another program left in the place of the results; never an input.
        sweep: remove what a killed run left unfinished in the folders of the results.
    """
    if segmenter.uncertainty:
        refuse_shared(jobs)
    for folder in {job.target.parent for job in jobs} if sweep else ():
        remove_abandoned(folder)
    run = _Run(segmenter, key_of(segmenter), _inputs(segmenter, jobs), resume, overwrite)
    with ExitStack() as leaving:
        reader = ThreadPoolExecutor(1, "monai-unet reader")
        # whoever stops does not wait for the next case to be read
        leaving.callback(reader.shutdown, wait=False, cancel_futures=True)
        writer = _Writer()
        leaving.callback(writer.close)
        reading = reader.submit(run.prepare, jobs[0]) if jobs else None
        writing: deque[tuple[Future[JobOutcome], bool]] = deque()
        for number, job in enumerate(jobs):
            waiting, reading = reading, None
            if number + 1 < len(jobs):
                reading = reader.submit(run.prepare, jobs[number + 1])
            assert waiting is not None
            writing.append(_compute(segmenter, job, waiting, writer, progress))
            while writing and (writing[0][0].done() or _too_many(writing)):
                yield writing.popleft()[0].result()
        for future, _ in writing:
            yield future.result()


@dataclass(frozen=True)
class _Prepared:
    key: dict[str, Any]
    case: PreparedCase | None


@dataclass(frozen=True)
class _Run:
    """What the cases of a run share."""

    segmenter: Segmenter
    key: dict[str, Any]
    inputs: InputFiles
    resume: bool
    overwrite: bool

    def prepare(self, job: Job) -> _Prepared:
        """Read and preprocess a case, unless its result is there already.

        Raises:
            InputError: it cannot be read, or its files would replace something.
        """
        for image in job.files:
            if not image.exists():
                raise InputError(f"{image} does not exist; check the path.")
        key = {"input_sha256": input_sha256(job.images, without=job.outputs), **self.key}
        if job.series:
            key["series"] = job.series
        uncertainty = self.segmenter.uncertainty
        if self.resume and is_finished(job, key, uncertainty=uncertainty):
            return _Prepared(key, None)
        if self.overwrite:
            refuse_inputs(job, self.inputs, uncertainty=uncertainty)
        else:
            refuse_loss(job, key, uncertainty=uncertainty, resume=self.resume, inputs=self.inputs)
        images = read_volume(job.files[0], series=job.series) if job.series else job.images
        return _Prepared(key, self.segmenter.preprocess(self.segmenter.read(images)))


class _Writer:
    """Writes finished cases in a thread of its own; those that come while it writes share one wait for the disk."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "monai-unet writer")
        self._submitted = self._begun = 0
        self._waiting: list[tuple[FileBatch, JobOutcome, float, Future[JobOutcome]]] = []

    def submit(self, job: Job, result: Segmentation, key: dict[str, Any], start: float) -> Future[JobOutcome]:
        """The outcome, once the files are on the disk."""
        outcome: Future[JobOutcome] = Future()
        self._submitted += 1
        self._thread.submit(self._write, job, result, key, start, outcome)
        return outcome

    def close(self) -> None:
        """Wait until all is written."""
        self._thread.shutdown()

    def _write(
        self, job: Job, result: Segmentation, key: dict[str, Any], start: float, outcome: Future[JobOutcome]
    ) -> None:
        self._begun += 1
        try:
            batch = FileBatch()
            with batch.collect():
                _write_files(batch, job, result, key)
            done = JobOutcome(job, notes=notes_of(result.provenance))
            self._waiting.append((batch, done, start, outcome))
        except Exception as error:
            outcome.set_result(JobOutcome(job, error=_sentence(error)))
        if self._submitted == self._begun or len(self._waiting) >= _WAITING:
            self._settle()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            # what a mask was made from is there before the mask: a mask alone would be nobody's
            errors: Sequence[Exception | None] = settle([w[0] for w in waiting], first=lambda p: p.suffix == ".json")
        except Exception as cause:
            errors = [cause] * len(waiting)
        for (_, done, start, outcome), error in zip(waiting, errors, strict=True):
            if error is not None:
                outcome.set_result(JobOutcome(done.job, error=_sentence(error)))
            else:
                outcome.set_result(replace(done, seconds=time.perf_counter() - start))


def _compute(
    segmenter: Segmenter,
    job: Job,
    waiting: Future[_Prepared],
    writer: _Writer,
    progress: Callable[[Job, Progress], None] | None,
) -> tuple[Future[JobOutcome], bool]:
    """Run the network; a fault of this case becomes its outcome, whatever it is, so that the others go on.

    With the outcome comes whether the result is small, so that more of them may wait for the disk.
    """
    start = time.perf_counter()
    settled: Future[JobOutcome] = Future()
    try:
        prepared = waiting.result()
        if prepared.case is None:
            settled.set_result(JobOutcome(job, skipped=True))
            return settled, True
        result = drain(segmenter.infer(prepared.case), progress and partial(progress, job))
        return writer.submit(job, result, prepared.key, start), result.labels.numel() <= _SMALL
    except Exception as error:
        settled.set_result(JobOutcome(job, error=_sentence(error)))
        return settled, True


def _too_many(writing: Sequence[tuple[Future[JobOutcome], bool]]) -> bool:
    """Whether the oldest result is to be waited for, so that results do not fill the memory."""
    return len(writing) > (_WAITING if all(small for _, small in writing) else 1)


def _write_files(batch: FileBatch, job: Job, result: Segmentation, key: dict[str, Any]) -> None:
    """Mask, uncertainty and receipt into a batch; what stands in their places goes when they come."""
    stated: dict[str, Any] = {**result.provenance, **key}
    if result.uncertainty is not None:
        write_volume(result.uncertainty, job.uncertainty)
        stated |= stated_of("uncertainty", batch.written(job.uncertainty))
    labels = result.labels.as_tensor().numpy()
    write_label_map(labels, job.target, like=result.labels.meta, table=result.table)
    stated |= stated_of("mask", batch.written(job.target))
    write_text(job.provenance, json.dumps(stated, indent=2) + "\n")
    for older in (job.target, left_over(job)):
        # never an old mask beside the receipt of a new one
        if older is not None:
            batch.remove(older)


def _inputs(segmenter: Segmenter, jobs: Sequence[Job]) -> InputFiles:
    """What is read in a run: images and weights."""
    return InputFiles([*(file for job in jobs for file in job.files), segmenter.parts.bundle.root])


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError | MemoryError):
        return system_sentence(error)
    return str(error) if isinstance(error, InputError) else f"it failed unexpectedly ({type(error).__name__}: {error})"
