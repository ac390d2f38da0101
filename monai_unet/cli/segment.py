"""`monai-unet segment`: one mask per case, whole or not at all; one bad case does not stop the rest."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import rewrite_line, say, say_notes
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.batch import Job
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
    device: Annotated[str | None, Option("cpu or cuda; the default is cuda where there is one", metavar="DEVICE")] = (
        None
    )
    runtime: Annotated[
        Literal["auto", "torch", "openvino"],
        Option("what computes the network on a CPU; auto: OpenVINO for large volumes where it is installed"),
    ] = "auto"
    precision: Annotated[Literal["fp32", "bf16", "fp16"], Option("bf16 and fp16 for devices that have them")] = "fp32"
    compile: Annotated[bool, Option("torch.compile with CUDA graphs, for many cases on a GPU")] = False
    memory_limit: Annotated[
        float | None, Option("memory that reading a volume, and inference, may each take", metavar="GIB")
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
        from monai_unet.batch import segment_jobs

        named = _named(self.channel)
        if bool(named) == bool(self.images):
            raise InputError("give the images either as INPUT or each by name with --channel NAME=FILE.")
        if named and self.series:
            raise InputError(
                "--series chooses a series of INPUT; with --channel give the folder of each series itself."
            )
        segmenter = self._segmenter()
        jobs = self._jobs(segmenter, named)
        live = sys.stderr.isatty() and not self.quiet
        failed = 0
        outcomes = segment_jobs(
            segmenter, jobs, resume=self.resume, overwrite=self.overwrite, progress=_show if live else None
        )
        with closing(outcomes):
            for number, outcome in enumerate(outcomes, start=1):
                if live:
                    rewrite_line(file=sys.stderr)
                if outcome.error:
                    failed += 1
                    say(f"monai-unet: {outcome.error}", file=sys.stderr, flush=True)
                elif not self.quiet:
                    how = "already there" if outcome.skipped else f"{outcome.seconds:.1f} s"
                    say(f"[{number}/{len(jobs)}] {outcome.job.target} ({how})", flush=True)
                    say_notes(outcome.notes, indent="    ")
        if failed == len(jobs):
            return FAILURE
        if failed:
            say(f"monai-unet: {failed} of {len(jobs)} cases failed; the others are done.", file=sys.stderr)
        return SOME_FAILED if failed else SUCCESS

    def _segmenter(self) -> Segmenter:
        from monai_unet.segmentation import Segmenter

        return Segmenter.load(
            self.bundle,
            device=self.device,
            checkpoint=self.checkpoint or None,
            trust=self.trust,
            runtime=self.runtime,
            precision=self.precision,
            compiled=self.compile,
            memory_limit=self.memory_limit,
            uncertainty=self.uncertainty,
        )

    def _jobs(self, segmenter: Segmenter, named: dict[str, str]) -> list[Job]:
        from monai_unet.batch import find_jobs, named_job

        table = segmenter.parts.channels
        if named:
            return [named_job(named, self.output, table)]
        return find_jobs(self.images, self.output, channels=max(1, len(table)), table=table, series=self.series)


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
