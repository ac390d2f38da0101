"""Which files are a case, and where its mask goes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_unet.bundle_format import named_files, ordered_files
from monai_unet.errors import InputError
from monai_unet.io import InputFiles, case_name, find_cases, find_sequence_cases, input_at
from monai_unet.io.datasets import Channel, group_sequences
from monai_unet.io.formats import VOLUME_SUFFIXES


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
    def case(self) -> str:
        """What the case is called in tables and logs: the mask's name without its suffix."""
        return case_name(self.target)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there: a channel that the bundle can do without may be missing (None)."""
        return tuple(image for image in self.images if image is not None)

    @property
    def provenance(self) -> Path:
        """`<case>.json` beside the mask."""
        return self.target.with_name(case_name(self.target) + ".json")

    @property
    def uncertainty(self) -> Path:
        """`<case>_uncertainty.nii.gz` beside the mask."""
        return self.target.with_name(case_name(self.target) + "_uncertainty.nii.gz")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files that the case may write."""
        return self.target, self.provenance, self.uncertainty


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
        InputError: nothing found, channels missing, two cases with one name, a series named for several inputs, or
            a mask that would replace an image.
    """
    paths = [Path(path) for path in inputs]
    output = _plain(output)
    by_name = any(channel.optional for channel in table)
    if series:
        cases = [_case_of_series(paths, channels, series)]
    else:
        cases = _named_cases(paths, table) if by_name else _cases(paths, channels)
    if output.name.lower().endswith(VOLUME_SUFFIXES):
        if len(cases) > 1:
            raise InputError(f"{len(cases)} cases cannot be written to one file {output}; name a folder with -o.")
        return _harmless([Job(cases[0][1], output, cases[0][2])])
    jobs = [Job(images, output / f"{name}.nii.gz", chosen) for name, images, chosen in cases]
    targets: dict[Path, Job] = {}
    for job in jobs:
        for target in (job.target, job.provenance):
            other = targets.setdefault(target, job)
            if other is not job:
                raise InputError(
                    f"{other.files[0]} and {job.files[0]} would both be written to {target}; rename one of them."
                )
    return _harmless(jobs)


def named_job(given: Mapping[str, str | Path], output: str | Path, table: Sequence[Channel]) -> Job:
    """One case whose files are given by channel name.

    Raises:
        InputError: a name that the bundle does not have, a channel is missing that it needs, or the mask would replace
            an image.
    """
    files = tuple(named_files(given, table, bundle="this model"))
    first, output = next(file for file in files if file is not None), _plain(output)
    if output.name.lower().endswith(VOLUME_SUFFIXES):
        return _harmless([Job(files, output)])[0]
    name = next(iter(group_sequences([first], table)), case_name(first))
    return _harmless([Job(files, output / f"{name}.nii.gz")])[0]


def _plain(output: str | Path) -> Path:
    """Without `..`, which behind a folder that is still to be made leads elsewhere."""
    return Path(os.path.realpath(output)) if ".." in Path(output).parts else Path(output)


def _harmless(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, none of which writes onto an image, its own or that of another."""
    images = InputFiles(file for job in jobs for file in job.files)
    for job, target in _present(jobs):
        image = input_at(target, images)
        if image is not None:
            raise InputError(f"{target}, a result of {job.files[0]}, would replace the image {image}; name another -o.")
    return list(jobs)


def _present(jobs: Iterable[Job]) -> list[tuple[Job, Path]]:
    return [(job, target) for job in jobs for target in job.outputs if target.exists()]


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
