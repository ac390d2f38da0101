"""A study fetched from a PACS into a folder: whole, or not at all."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_folder, sync_file
from monai_unet.io.dicom.files import read_headers
from monai_unet.io.dicom.network.queries import Archive, FoundSeries, LinkError, check_uid
from monai_unet.io.dicom.network.sending import ATTEMPTS, WAIT_S, asked_again
from monai_unet.io.dicom.patients import by_patient


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch is: images on the disk, and of how many (None where the PACS does not say)."""

    done: int
    total: int | None
    series: str


def fetch_study(
    archive: Archive,
    study_uid: str,
    folder: str | Path,
    *,
    series: Sequence[str] = (),
    attempts: int = ATTEMPTS,
    wait_s: float = WAIT_S,
) -> Generator[FetchProgress, None, int]:
    """Fetch a study, or some series of it, into `<folder>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`.

    The folder appears at the end, with all images that the PACS has, and after an error or when the generator is
    closed it does not. Gives the number of images.

    Args:
        series: SeriesInstanceUIDs; empty: all of the study.
        attempts: for each series; only what is missing is asked for again.

    Raises:
        InputError: the folder is there, the PACS has no such study or series, images did not come, or they are of
            several patients.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name another folder, or remove it.")
    wanted = _wanted(archive, check_uid(study_uid), series, attempts, wait_s)
    counts = [one.images for one in wanted]
    total = sum(count for count in counts if count is not None) if None not in counts else None
    done = 0
    with atomic_folder(folder) as unfinished:
        for one in wanted:
            place = unfinished / check_uid(one.uid)
            place.mkdir()
            got = _fetch_series(archive, study_uid, one, place, attempts=attempts, wait_s=wait_s)
            for here in got:
                yield FetchProgress(done + here, total, one.uid)
            done += len(list(place.iterdir()))
        _refuse_two_patients(unfinished, archive, study_uid)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(sync_file, (path for path in unfinished.rglob("*") if path.is_file())))
    return done


def _wanted(archive: Archive, study_uid: str, series: Sequence[str], attempts: int, wait_s: float) -> list[FoundSeries]:
    found = asked_again(lambda: archive.series(study_uid), attempts, wait_s)
    if not found:
        raise InputError(f"{archive.name} has no study {study_uid}; look for it with 'pacs find'.")
    if len({one.uid for one in found}) < len(found):
        raise InputError(
            f"{archive.name} has a series of study {study_uid} twice, as of several patients; have it put right there."
        )
    missing = sorted(set(series) - {one.uid for one in found})
    if missing:
        raise InputError(f"{archive.name} has no series {missing[0]} in study {study_uid}.")
    return [one for one in found if not series or one.uid in series]


def _fetch_series(
    archive: Archive, study_uid: str, one: FoundSeries, place: Path, *, attempts: int, wait_s: float
) -> Generator[int, None, None]:
    """Yields how many images of the series are there."""
    expected = asked_again(lambda: archive.images(study_uid, one.uid), attempts, wait_s)
    reason, wanted = "the PACS sent fewer than it says to have", None
    for attempt in range(attempts):
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        complete = False
        try:
            for _ in archive.fetch(study_uid, one.uid, place, wanted):
                yield _count(place)
            complete = True
        except LinkError as error:
            reason = str(error).rstrip(".;")
        there = {path.stem for path in place.iterdir()}
        if expected is not None:
            wanted = expected - there
            if expected and not wanted:
                return
        elif complete and there and (one.images is None or len(there) >= one.images):
            return
    of = len(expected) if expected is not None else one.images or "?"
    raise InputError(
        f"{archive.name}: {_count(place)} of {of} images of series {one.uid} came ({reason}); nothing was kept, "
        "try again."
    )


def _count(place: Path) -> int:
    return sum(not path.name.startswith(".") for path in place.iterdir())


def _refuse_two_patients(folder: Path, archive: Archive, study_uid: str) -> None:
    headers, damaged = read_headers(folder)
    if damaged:
        raise InputError(f"{archive.name} sent a damaged image ({damaged[0].reason}); nothing was kept.")
    patients = by_patient([header.patient for header in headers])
    if len(patients) > 1:
        raise InputError(
            f"{archive.name}: study {study_uid} holds images of {len(patients)} patients; nothing was kept, have it "
            "put right in the PACS."
        )
