"""The one series below a path that results are written on: chosen, and without problems."""

from __future__ import annotations

from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.dicom.read import choose_series
from monai_unet.io.dicom.series import DicomSeries, find_series


def find_usable_series(path: Path, series: str | None = None) -> DicomSeries:
    """The series below a path, or that one of several whose `id` or `uid` is given.

    Raises:
        InputError: there is none, several and none is named, or it cannot be read as a volume.
    """
    chosen = choose_series(find_series(path), path, series)
    if chosen.problems:
        raise InputError(f"{path}: series {chosen.id} {chosen.problems[0]}.")
    return chosen
