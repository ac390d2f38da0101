"""`monai-unet segment`: one mask per case, whole or not at all; one bad case does not stop the rest."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import NoReturn

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="INPUT",
        help="a volume, a DICOM folder, or a folder of volumes; for a model of several channels, one file per channel",
    )
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="one channel of the case by its name, for example FLAIR=flair.nii.gz; once for each",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="folder for <case>.nii.gz, or one file name .nii.gz"
    )
    parser.add_argument(
        "--series", metavar="UID", help="which DICOM series of one INPUT that holds several (see: monai-unet info)"
    )
    parser.add_argument("--bundle", required=True, help="name of a model (see: monai-unet bundles) or its folder")
    parser.add_argument(
        "--checkpoint",
        action="append",
        metavar="FILE",
        help="weights instead of the model's own; given several times: an ensemble",
    )
    parser.add_argument("--device", metavar="DEVICE", help="cpu or cuda; the default is cuda where there is one")
    parser.add_argument(
        "--runtime",
        choices=("auto", "torch", "openvino"),
        default="auto",
        help="what computes the network on a CPU; auto: OpenVINO for large volumes where it is installed",
    )
    parser.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="bf16 and fp16 for devices that have them"
    )
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile with CUDA graphs, for many cases on a GPU"
    )
    parser.add_argument("--memory-limit", type=float, metavar="GIB", help="memory that inference may take, in GiB")
    parser.add_argument(
        "--uncertainty", action="store_true", help="also write <case>_uncertainty.nii.gz, 0 (sure) to 1"
    )
    parser.add_argument("--resume", action="store_true", help="skip cases finished before with this model and input")
    parser.add_argument(
        "--trust", action="store_true", help="agree to run a model that is not built in (its config can run any code)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Segment every case; 0 all done, 1 none, 2 some failed."""
    if threading.current_thread() is not threading.main_thread():
        return _run(arguments)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: argparse.Namespace) -> int:
    from monai_unet.batch import Job, find_jobs, named_job, segment_jobs
    from monai_unet.segmentation import Progress, Segmenter

    given = _named(arguments.channel)
    if bool(given) == bool(arguments.images):
        raise InputError("give the images either as INPUT or each by name with --channel NAME=FILE.")

    if given and arguments.series:
        raise InputError("--series chooses a series of INPUT; with --channel give the folder of each series itself.")

    segmenter = Segmenter.load(
        arguments.bundle,
        device=arguments.device,
        checkpoint=arguments.checkpoint,
        trust=arguments.trust,
        runtime=arguments.runtime,
        precision=arguments.precision,
        compiled=arguments.compile,
        memory_limit=arguments.memory_limit,
        uncertainty=arguments.uncertainty,
    )
    table = segmenter.parts.channel_table
    if given:
        jobs = [named_job(given, arguments.output, table)]
    else:
        jobs = find_jobs(
            arguments.images, arguments.output, channels=max(1, len(table)), table=table, series=arguments.series
        )
    live = sys.stderr.isatty() and not arguments.quiet

    def show(job: Job, step: Progress) -> None:
        if live:
            total = f"/{step.total}" if step.total else ""
            print(f"\r\033[K{job.files[0].name}: {step.stage} {step.done}{total}", end="", file=sys.stderr, flush=True)

    failed = 0
    outcomes = segment_jobs(segmenter, jobs, resume=arguments.resume, progress=show)
    try:
        for number, outcome in enumerate(outcomes, start=1):
            if live:
                print("\r\033[K", end="", file=sys.stderr)
            if outcome.error:
                failed += 1
                print(f"monai-unet: {outcome.error}", file=sys.stderr, flush=True)
            elif not arguments.quiet:
                how = "already there" if outcome.skipped else f"{outcome.seconds:.1f} s"
                print(f"[{number}/{len(jobs)}] {outcome.job.target} ({how})", flush=True)
    finally:
        outcomes.close()
    if failed == len(jobs):
        return FAILURE
    if failed:
        print(f"monai-unet: {failed} of {len(jobs)} cases failed; the others are done.", file=sys.stderr)
    return SOME_FAILED if failed else SUCCESS


def _named(channels: list[str]) -> dict[str, str]:
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
