"""Images of one series on their way to the disk: each file whole, of the series that was asked for, under its UID."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pydicom

from monai_unet.io.dicom.network.queries import LinkError, check_uid


class Incoming:
    """Files `<SOPInstanceUID>.dcm` in a folder; what is not of the series is not kept."""

    def __init__(self, folder: Path, study_uid: str, series_uid: str) -> None:
        self._folder, self._study, self._series = folder, study_uid, series_uid

    @contextmanager
    def place_of(self, uid: str) -> Iterator[BinaryIO]:
        """A stream to write a whole DICOM file into; it gets its name when it is whole.

        Raises:
            LinkError: what was written is damaged, or is another image than announced.
            InputError: the UID is none.
        """
        target = self._folder / f"{check_uid(uid)}.dcm"
        unfinished = target.with_name(f".partial-{uid}")
        try:
            with unfinished.open("wb") as stream:
                yield stream
            self._check(unfinished, uid)
            os.replace(unfinished, target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise

    def _check(self, path: Path, uid: str) -> None:
        try:
            tags = ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
            header = pydicom.dcmread(path, specific_tags=tags, stop_before_pixels=True)
            stated = str(header.SOPInstanceUID), str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
        except Exception as error:
            # damaged bytes make the parser raise anything
            raise LinkError(f"image {uid} came damaged ({type(error).__name__}).") from None
        if stated != (uid, self._study, self._series):
            raise LinkError(f"image {uid} came as an image of another series.")
