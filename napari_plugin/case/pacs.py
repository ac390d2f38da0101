"""Studies from a PACS and results to it (no Qt): what a worker runs, and gives back."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.io import MaskFile, claim_folder
from monai_unet.io.dicom.network import (
    FoundStudy,
    Server,
    StudyQuery,
    fetch_study,
    open_archive,
    read_servers,
    send_files,
)
from monai_unet.measurement import write_viewer_results
from monai_unet.paths import pacs_file
from napari_plugin.case.exporting import EditedCase
from napari_plugin.case.opening import dicom_series


def servers() -> dict[str, Server]:
    """The PACS of the user's settings, the default first.

    Raises:
        InputError: there are none, or the file is wrong or may be read by others.
    """
    found, default = read_servers(pacs_file())
    return dict(sorted(found.items(), key=lambda item: item[0] != default))


def find(server: Server, query: StudyQuery) -> list[FoundStudy]:
    """The studies that match, the newest first.

    Raises:
        InputError: nothing was asked for, or the PACS cannot be asked.
    """
    if query == StudyQuery():
        raise InputError("Say what to look for: the patient's identifier, a date or a modality.")
    return sorted(open_archive(server).find(query), key=lambda study: study.date, reverse=True)


def fetch(server: Server, study_uid: str, folder: Path) -> Generator[tuple[int, int], None, Path]:
    """Fetch a study into a folder below `folder`; yields how many images of how many (0: not known) are there."""
    target = folder / StudyQuery(study_uid=study_uid).study_uid
    with closing(fetch_study(open_archive(server), study_uid, target)) as steps:
        for step in steps:
            yield step.done, step.total or 0
    return target


def save_for_viewers(outcome: EditedCase, folder: Path) -> list[Path]:
    """SEG and SR, and beside them what every viewer shows, in a new folder.

    Raises:
        InputError: the image is not DICOM, or the folder holds something.
    """
    source = Path(outcome.image.entry.path)
    claim_folder(folder, inputs=[source])
    series = dicom_series(outcome.image)
    if series is None:
        raise InputError(f"{outcome.image.name} is not DICOM, and a DICOM result refers to DICOM images.")
    if not outcome.objects:
        raise InputError("There is nothing to save yet; segment or paint a lesion first.")
    labels, segments = outcome.numbered()
    meta = {**outcome.image.volume.meta, "filename_or_obj": str(source)}
    algorithm = outcome.algorithm()
    mask = MaskFile(MetaTensor(labels[None], meta=meta), tuple(segments), algorithm)
    write_viewer_results(
        mask, folder, images=source, series=series, target=series, algorithm=algorithm, image=outcome.image.volume
    )
    return [folder]


def send(outcome: EditedCase, server: Server) -> Generator[tuple[int, int], None, str]:
    """Send all DICOM results of a case; gives a sentence on what became of them.

    Raises:
        InputError: as `save_for_viewers`, or the PACS cannot be reached or refuses.
    """
    with tempfile.TemporaryDirectory(prefix="monai-unet-results-") as held:
        yield 0, 0
        folder = Path(held) / "results"
        save_for_viewers(outcome, folder)
        sent = yield from send_files(open_archive(server), [folder])
    if sent.refused:
        raise InputError(f"{len(sent.uids)} files were taken, and {len(sent.refused)} not: {sent.refused[0]}")
    looked = "and found there again" if sent.verified else "which answers no query, so that they were not looked for"
    return f"{len(sent.uids)} files were sent to {server.name}, {looked}."
