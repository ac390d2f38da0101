"""Many cases through one segmenter: the next is read and the previous written while the current one computes."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from monai_unet.bundle_format import folder_hash, named_files, ordered_files
from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.io import (
    case_name,
    find_cases,
    find_sequence_cases,
    read_volume,
    sha256_of,
    write_label_map,
    write_text,
    write_volume,
)
from monai_unet.io.datasets import Channel, group_sequences
from monai_unet.io.formats import VOLUME_SUFFIXES
from monai_unet.segmentation import Case, Progress, Segmentation, Segmenter

ABANDONED_AFTER = 3600.0
"""Seconds after which a temporary file in the output folder is taken as left behind by a killed run."""


@dataclass(frozen=True)
class Job:
    """One case: the files of its channels, and where its mask goes; the provenance stands beside it as JSON.

    Attributes:
        series: which DICOM series of its one image is meant; empty where there is no choice.
    """

    images: tuple[Path | None, ...]
    target: Path
    series: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there: a channel that the bundle can do without may miss (None)."""
        return tuple(image for image in self.images if image is not None)

    @property
    def provenance(self) -> Path:
        """`<case>.json` beside the mask."""
        return self.target.with_name(case_name(self.target) + ".json")

    @property
    def uncertainty(self) -> Path:
        """`<case>_uncertainty.nii.gz` beside the mask."""
        return self.target.with_name(case_name(self.target) + "_uncertainty.nii.gz")


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `error` is a sentence and empty when the mask is there; `skipped` when it was before."""

    job: Job
    error: str = ""
    skipped: bool = False
    seconds: float = 0.0


def find_jobs(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    channels: int = 1,
    table: Sequence[Channel] = (),
    series: str | None = None,
) -> list[Job]:
    """The cases that paths given by a user stand for, and where their masks go.

    Args:
        inputs: volumes or DICOM folders (with several channels: the files of one case, in order), or one folder of
            volumes (with several channels: named as for nnU-Net, `<case>_0000.nii.gz`, `<case>_0001.nii.gz`, …).
        channels: how many the bundle has.
        table: its channels as its description says. Where one is optional, names say which file is which.
        output: a folder, or for one case a file name that ends as a volume.
        series: the DICOM series that is meant, where the one input holds several.

    Raises:
        InputError: nothing found, channels missing, two cases with one name, or a series named for several inputs.
    """
    paths = [Path(path) for path in inputs]
    output = Path(output)
    by_name = any(channel.optional for channel in table)
    if series:
        cases = [_case_of_series(paths, channels, series)]
    else:
        cases = _named_cases(paths, table) if by_name else _cases(paths, channels)
    if output.name.lower().endswith(VOLUME_SUFFIXES):
        if len(cases) > 1:
            raise InputError(f"{len(cases)} cases cannot be written to one file {output}; name a folder with -o.")
        return [Job(cases[0][1], output, cases[0][2])]
    jobs = [Job(images, output / f"{name}.nii.gz", chosen) for name, images, chosen in cases]
    targets: dict[Path, Job] = {}
    for job in jobs:
        other = targets.setdefault(job.target, job)
        if other is not job:
            raise InputError(
                f"{other.files[0]} and {job.files[0]} would both be written to {job.target}; rename one of them."
            )
        if job.target.resolve() in [image.resolve() for image in job.files]:
            raise InputError(f"the mask of {job.files[0]} would replace the image; name another folder with -o.")
    return jobs


def named_job(given: Mapping[str, str | Path], output: str | Path, table: Sequence[Channel]) -> Job:
    """One case whose files are given by channel name.

    Raises:
        InputError: a name that the bundle does not have, or a channel is missing that it needs.
    """
    files = tuple(named_files(given, table, bundle="this model"))
    first, output = next(file for file in files if file is not None), Path(output)
    if output.name.lower().endswith(VOLUME_SUFFIXES):
        return Job(files, output)
    name = next(iter(group_sequences([first], table)), case_name(first))
    return Job(files, output / f"{name}.nii.gz")


def segment_jobs(
    segmenter: Segmenter,
    jobs: Sequence[Job],
    *,
    resume: bool = False,
    progress: Callable[[Job, Progress], None] | None = None,
) -> Generator[Outcome, None, None]:
    """Segment the jobs in order and yield what became of each, once its files are written.

    Closing the iterator ends the current case between two tiles and leaves no file of it.

    Args:
        resume: skip a job whose mask stands there, made from the same input by the same bundle and weights.
    """
    for folder in {job.target.parent for job in jobs}:
        _remove_abandoned(folder)
    bundle = _bundle_key(segmenter)
    with ThreadPoolExecutor(1, "monai-unet reader") as reader, ThreadPoolExecutor(1, "monai-unet writer") as writer:
        reading = [reader.submit(_prepare, segmenter, jobs[0], bundle, resume)] if jobs else []
        writing: Future[Outcome] | None = None
        try:
            for number, job in enumerate(jobs):
                waiting = reading.pop()
                if number + 1 < len(jobs):
                    reading.append(reader.submit(_prepare, segmenter, jobs[number + 1], bundle, resume))
                done = _compute(segmenter, job, waiting, writer, progress)
                if writing is not None:
                    yield writing.result()
                writing = done
            if writing is not None:
                yield writing.result()
        finally:
            for future in reading:
                future.cancel()


def input_sha256(images: Sequence[Path | None]) -> str:
    """SHA-256 over the contents of a case's files, in order; of a folder, of all files in it."""
    digest = hashlib.sha256()
    for image in images:
        if image is None:
            digest.update(b"none")
            continue
        files = [image] if image.is_file() else sorted(path for path in image.rglob("*") if path.is_file())
        for file in files:
            digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


@dataclass(frozen=True)
class _Prepared:
    key: dict[str, str]
    case: Case | None


def _prepare(segmenter: Segmenter, job: Job, bundle: str, resume: bool) -> _Prepared:
    for image in job.files:
        if not image.exists():
            raise InputError(f"{image} does not exist; check the path.")
    key = {"input_sha256": input_sha256(job.images), "bundle_sha256": bundle}
    if job.series:
        key["series"] = job.series
    if resume and _finished(job, key):
        return _Prepared(key, None)
    images = read_volume(job.files[0], series=job.series) if job.series else job.images
    return _Prepared(key, segmenter.preprocess(segmenter.read(images)))


def _compute(
    segmenter: Segmenter,
    job: Job,
    waiting: Future[_Prepared],
    writer: ThreadPoolExecutor,
    progress: Callable[[Job, Progress], None] | None,
) -> Future[Outcome]:
    """Run the network; a fault of this case becomes its outcome, whatever it is, so that the others go on."""
    start = time.perf_counter()
    settled: Future[Outcome] = Future()
    try:
        prepared = waiting.result()
        if prepared.case is None:
            settled.set_result(Outcome(job, skipped=True))
            return settled
        result = drain(segmenter.infer(prepared.case), progress and partial(progress, job))
        return writer.submit(_write, job, result, prepared.key, start)
    except Exception as error:
        settled.set_result(Outcome(job, error=_sentence(error)))
        return settled


def _write(job: Job, result: Segmentation, key: dict[str, str], start: float) -> Outcome:
    try:
        # a mask whose provenance is missing is made anew by --resume, so the old one goes first and the new one last
        job.provenance.unlink(missing_ok=True)
        if result.uncertainty is not None:
            write_volume(result.uncertainty, job.uncertainty)
        labels = result.labels.as_tensor().numpy()
        write_label_map(labels, job.target, like=result.labels.meta, table=result.table)
        write_text(job.provenance, json.dumps({**result.provenance, **key}, indent=2) + "\n")
    except Exception as error:
        return Outcome(job, error=_sentence(error))
    return Outcome(job, seconds=time.perf_counter() - start)


def _finished(job: Job, key: dict[str, str]) -> bool:
    try:
        stated = json.loads(job.provenance.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return job.target.is_file() and all(stated.get(name) == value for name, value in key.items())


def _bundle_key(segmenter: Segmenter) -> str:
    parts = segmenter.parts
    return hashlib.sha256(f"{folder_hash(parts.bundle.root)}{parts.weights_sha256}".encode()).hexdigest()


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"it failed unexpectedly ({type(error).__name__}: {error})"


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(".partial-*") if folder.is_dir() else ():
        if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
            path.unlink(missing_ok=True)


_FoundCase = tuple[str, tuple[Path | None, ...], str]
"""Name, files of the channels, and which DICOM series is meant (empty where there is no choice)."""


def _case_of_series(paths: Sequence[Path], channels: int, series: str) -> _FoundCase:
    if len(paths) != 1 or channels != 1:
        raise InputError("--series chooses one series of one input for a model of one channel; give one input.")
    return case_name(paths[0]), (paths[0],), series


def _named_cases(paths: Sequence[Path], table: Sequence[Channel]) -> list[_FoundCase]:
    """Several files are one case; the volumes of a folder are grouped by what stands beside the sequence's name."""
    if len(paths) > 1 or not paths[0].is_dir():
        files = tuple(ordered_files(paths, table, bundle="this model"))
        first = next(file for file in files if file is not None)
        groups = group_sequences([first], table)
        return [(next(iter(groups), case_name(first)), files, "")]
    found = [Path(case["image"]) for case in find_cases(paths[0])]
    if all(image.is_dir() for image in found):
        # the DICOM series of one examination
        return [(paths[0].name, tuple(ordered_files(found, table, bundle="this model")), "")]
    return [
        (str(case["name"]), tuple(Path(file) if file is not None else None for file in case["image"]), "")
        for case in find_sequence_cases(paths[0], table)
    ]


def _cases(paths: Sequence[Path], channels: int) -> list[_FoundCase]:
    if channels > 1 and len(paths) > 1:
        return [(re.sub(r"_0000$", "", case_name(paths[0])), tuple(paths), "")]
    found = [case for path in paths for case in _cases_of(path, alone=len(paths) == 1)]
    return list(found) if channels == 1 else list(_grouped(found, channels))


def _cases_of(path: Path, *, alone: bool) -> list[_FoundCase]:
    try:
        return [(case["name"], (Path(case["image"]),), case.get("series", "")) for case in find_cases(path)]
    except InputError:
        if alone:
            raise
        # one of several: its sentence comes in its turn, the others are segmented
        return [(case_name(path), (path,), "")]


def _grouped(found: Sequence[_FoundCase], channels: int) -> list[_FoundCase]:
    groups: dict[str, dict[int, Path]] = {}
    for _, (volume,), _ in found:
        assert volume is not None
        match = re.fullmatch(r"(.+)_(\d{4})", case_name(volume))
        if match is None:
            raise InputError(
                f"{volume} does not say which channel it is; name the {channels} files of one case, or in a folder "
                "call them <case>_0000.nii.gz, <case>_0001.nii.gz, …"
            )
        groups.setdefault(match[1], {})[int(match[2])] = volume
    for name, group in groups.items():
        if sorted(group) != list(range(channels)):
            raise InputError(f"case '{name}' has channels {sorted(group)}; 0 to {channels - 1} are needed.")
    return [(name, tuple(group[i] for i in range(channels)), "") for name, group in groups.items()]
