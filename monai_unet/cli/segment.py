"""`monai-unet segment`: one mask per case, whole or not at all; one bad case does not stop the rest."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import rewrite_line, say, say_notes
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.batch import Job, JobOutcome, ModelChoice, RunRecord
    from monai_unet.segmentation import Progress, Segmenter


@dataclass(frozen=True, kw_only=True)
class SegmentCommand(Command):
    """Segment every case and write its mask."""

    images: Annotated[
        tuple[str, ...],
        Positional(
            "a volume, a DICOM folder, or a folder of volumes; for a model of several channels, one file per channel",
            metavar="INPUT",
        ),
    ] = ()
    channel: Annotated[
        tuple[str, ...],
        Option(
            "one channel of the case by its name, for example FLAIR=flair.nii.gz; once for each",
            metavar="NAME=FILE",
            repeat=True,
        ),
    ] = ()
    output: Annotated[Path, Option("folder for <case>.nii.gz, or one file name .nii.gz", short="-o", metavar="OUT")]
    series: Annotated[
        str | None,
        Option("which DICOM series of one INPUT that holds several (see: monai-unet info)", metavar="UID"),
    ] = None
    bundle: Annotated[str, Option("name of a model (see: monai-unet bundles) or its folder")]
    checkpoint: Annotated[
        tuple[str, ...],
        Option("weights instead of the model's own; given several times: an ensemble", metavar="FILE", repeat=True),
    ] = ()
    device: Annotated[
        str | None,
        Option(
            "cpu or cuda; the default is cuda where there is one; cuda:all: a process on each GPU", metavar="DEVICE"
        ),
    ] = None
    runtime: Annotated[
        Literal["auto", "torch", "openvino"],
        Option("what computes the network on a CPU; auto: OpenVINO for large volumes where it is installed"),
    ] = "auto"
    precision: Annotated[Literal["fp32", "bf16", "fp16"], Option("bf16 and fp16 for devices that have them")] = "fp32"
    compile: Annotated[bool, Option("torch.compile with CUDA graphs, for many cases on a GPU")] = False
    memory_limit: Annotated[
        float | None, Option("memory that reading a volume, and inference, may each take", metavar="GIB")
    ] = None
    workers: Annotated[int | None, Option("processes, each with a model of its own (1)", metavar="N")] = None
    cluster: Annotated[str, Option("run on the Dask scheduler at this address instead", metavar="ADDRESS")] = ""
    part: Annotated[
        str | None,
        Option(
            "only part I of N of the cases, by their names; auto in a job array (see: monai-unet gather)", metavar="I/N"
        ),
    ] = None
    timeout: Annotated[
        float | None, Option("give a case up that takes longer; it is named, the others go on", metavar="SECONDS")
    ] = None
    uncertainty: Annotated[bool, Option("also write <case>_uncertainty.nii.gz, 0 (sure) to 1")] = False
    resume: Annotated[bool, Option("skip cases finished before with this model, input and options")] = False
    overwrite: Annotated[bool, Option("replace what lies in the place of the results (never an input)")] = False
    trust: Annotated[bool, Option("agree to run a model that is not built in (its config can run any code)")] = False
    quiet: Annotated[bool, Option("print nothing but errors")] = False

    def run(self) -> int:
        """Segment every case; 0 all done, 1 none, 2 some failed."""
        if threading.current_thread() is not threading.main_thread():
            return self._segment()
        before = signal.signal(signal.SIGTERM, _stop)
        try:
            return self._segment()
        finally:
            signal.signal(signal.SIGTERM, before)

    def _segment(self) -> int:
        from monai_unet.batch import RunRecord, part_of

        named = _named(self.channel)
        if bool(named) == bool(self.images):
            raise InputError("give the images either as INPUT or each by name with --channel NAME=FILE.")
        if named and self.series:
            raise InputError(
                "--series chooses a series of INPUT; with --channel give the folder of each series itself."
            )
        part = part_of(self.part)
        segmenter = None if self._many() else self._choice().load(trust=self.trust)
        found = self._jobs(named)
        jobs = part.of(found)
        outcomes = self._outcomes(segmenter, jobs)
        if len(found) < 2 and self.part is None:
            return self._finish(outcomes, jobs)
        folder = self.output.parent if len(found) == 1 and found[0].target == self.output else self.output
        key = {name: value for name, value in asdict(self._choice()).items() if name != "device"}
        with RunRecord(folder, part, jobs, key, whole=len(found)) as record:
            return self._finish(outcomes, jobs, record)

    def _finish(self, outcomes: Generator[JobOutcome], jobs: Sequence[Job], record: RunRecord | None = None) -> int:
        """Say what becomes of each case, and how it ends."""
        failed = 0
        with closing(outcomes):
            for number, outcome in enumerate(outcomes, start=1):
                if record is not None:
                    record.add(outcome)
                if self._live:
                    rewrite_line(file=sys.stderr)
                if outcome.error:
                    failed += 1
                    say(f"monai-unet: {outcome.error}", file=sys.stderr, flush=True)
                elif not self.quiet:
                    how = "already there" if outcome.skipped else f"{outcome.seconds:.1f} s"
                    say(f"[{number}/{len(jobs)}] {outcome.job.target} ({how})", flush=True)
                    say_notes(outcome.notes, indent="    ")
        if not jobs:
            say(f"part {self.part} holds no case.", file=sys.stderr)
            return SUCCESS
        if failed == len(jobs):
            return FAILURE
        if failed:
            say(f"monai-unet: {failed} of {len(jobs)} cases failed; the others are done.", file=sys.stderr)
        return SOME_FAILED if failed else SUCCESS

    @property
    def _live(self) -> bool:
        return sys.stderr.isatty() and not self.quiet

    def _many(self) -> bool:
        """Whether cases are segmented by other processes than this one."""
        return bool(self.cluster) or self.timeout is not None or self.device == _ALL or self.workers not in (None, 1)

    def _outcomes(self, segmenter: Segmenter | None, jobs: Sequence[Job]) -> Generator[JobOutcome]:
        from monai_unet.batch import SegmentJob, run_cases, segment_jobs

        if segmenter is not None:
            progress = _show if self._live else None
            return segment_jobs(segmenter, jobs, resume=self.resume, overwrite=self.overwrite, progress=progress)
        self._prepare(jobs)
        devices = _all_devices() if self.device == _ALL else ()
        work = SegmentJob(self._choice(), resume=self.resume, overwrite=self.overwrite)
        workers = self.workers if self.workers is not None or devices else 1
        return run_cases(jobs, work, workers=workers, cluster=self.cluster, devices=devices, timeout_s=self.timeout)

    def _prepare(self, jobs: Sequence[Job]) -> None:
        """What is done once for all workers: consent, and the folder made ready."""
        from monai_unet.batch import refuse_shared
        from monai_unet.bundle_format import find_bundle, require_trust
        from monai_unet.io import remove_abandoned

        require_trust(find_bundle(self.bundle), consent=self.trust)
        if self.uncertainty:
            refuse_shared(jobs)
        for folder in {job.target.parent for job in jobs}:
            remove_abandoned(folder)

    def _choice(self) -> ModelChoice:
        from monai_unet.batch import ModelChoice

        return ModelChoice(
            self.bundle,
            checkpoint=self.checkpoint,
            device=None if self.device == _ALL else self.device,
            runtime=self.runtime,
            precision=self.precision,
            compiled=self.compile,
            memory_limit=self.memory_limit,
            uncertainty=self.uncertainty,
        )

    def _jobs(self, named: dict[str, str]) -> list[Job]:
        from monai_unet.batch import find_jobs, named_job
        from monai_unet.bundle_format import find_bundle

        table = find_bundle(self.bundle).description.channels
        if named:
            return [named_job(named, self.output, table)]
        return find_jobs(self.images, self.output, channels=max(1, len(table)), table=table, series=self.series)


_ALL = "cuda:all"


def _all_devices() -> tuple[str, ...]:
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise InputError("PyTorch sees no CUDA device on this computer; use --device cpu.")
    return tuple(f"cuda:{number}" for number in range(count))


def _show(job: Job, step: Progress) -> None:
    total = f"/{step.total}" if step.total else ""
    rewrite_line(f"{job.files[0].name}: {step.stage} {step.done}{total}", file=sys.stderr)


def _named(channels: Sequence[str]) -> dict[str, str]:
    """`NAME=FILE` words as a dictionary."""
    given: dict[str, str] = {}
    for word in channels:
        name, equals, file = word.partition("=")
        if not (name and equals and file):
            raise InputError(f"--channel takes NAME=FILE, for example FLAIR=flair.nii.gz, not '{word}'.")
        if name in given:
            raise InputError(f"--channel {name} was given twice.")
        given[name] = file
    return given


def _stop(number: int, frame: object) -> NoReturn:
    """Leave through the `finally` blocks, which remove temporary files."""
    raise SystemExit(128 + number)
