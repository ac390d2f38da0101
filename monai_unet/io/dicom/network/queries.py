"""What is asked of a PACS and what it answers, whatever it is reached by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from monai_unet.errors import InputError


class LinkError(InputError):
    """The link failed or the PACS was too busy; the same may succeed when it is tried again."""


class PermanentError(InputError):
    """The PACS refused; trying again changes nothing."""


@dataclass(frozen=True)
class StudyQuery:
    """Which studies are meant; what is empty does not count. `*` and `?` stand for any letters and any letter.

    Attributes:
        patient_id, patient_name: as the PACS has them; a name is `Family^Given`.
        date: YYYYMMDD, or two of them with `-` between; either may be left out.
        modality: of one of its series at least, for example MR.
        accession: the number of the order.
        study_uid: StudyInstanceUID.

    Raises:
        InputError: a date that is none, or a UID that is none.
    """

    patient_id: str = ""
    patient_name: str = ""
    date: str = ""
    modality: str = ""
    accession: str = ""
    study_uid: str = ""

    def __post_init__(self) -> None:
        if self.date and not re.fullmatch(r"\d{8}|\d{8}-(\d{8})?|-\d{8}", self.date):
            raise InputError(f"a date is YYYYMMDD, or YYYYMMDD-YYYYMMDD for several days, not '{self.date}'.")
        if self.study_uid:
            check_uid(self.study_uid)

    def matches(self) -> dict[str, str]:
        """DICOM keyword → value to match; those that are not asked for are empty, so that they are returned."""
        return {
            "PatientID": self.patient_id,
            "PatientName": self.patient_name,
            "StudyDate": self.date,
            "ModalitiesInStudy": self.modality.upper(),
            "AccessionNumber": self.accession,
            "StudyInstanceUID": self.study_uid,
        }


@dataclass(frozen=True)
class FoundStudy:
    """A study in a PACS.

    Attributes:
        uid: StudyInstanceUID.
        date: YYYYMMDD, empty if not stated.
        modalities: of its series.
        description: of the study.
        images: number of instances; None where the PACS does not say.
        patient_id, patient_name: shown only where asked for.
    """

    uid: str
    date: str = ""
    modalities: tuple[str, ...] = ()
    description: str = ""
    images: int | None = None
    patient_id: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)


@dataclass(frozen=True)
class FoundSeries:
    """A series in a PACS; `images` is None where the PACS does not say how many it has."""

    uid: str
    modality: str = ""
    description: str = ""
    number: str = ""
    images: int | None = None


@dataclass(frozen=True)
class SendItem:
    """A DICOM file to be sent, and what its head says."""

    path: Path
    sop_class: str
    uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: str


@dataclass(frozen=True)
class SendOutcome:
    """What became of one item; `error` is empty where the PACS took it."""

    item: SendItem
    error: str = ""
    again: bool = False


class Archive(Protocol):
    """A PACS that is reached somehow. Everything may raise `LinkError` (try again) or `PermanentError`."""

    @property
    def name(self) -> str:
        """How a sentence calls it."""

    @property
    def verifies(self) -> bool:
        """Whether it can be asked which images it has."""

    def find(self, query: StudyQuery) -> list[FoundStudy]:
        """The studies that match."""

    def series(self, study_uid: str) -> list[FoundSeries]:
        """The series of a study."""

    def images(self, study_uid: str, series_uid: str) -> set[str] | None:
        """SOPInstanceUIDs of a series; None where the PACS does not answer that."""

    def fetch(self, study_uid: str, series_uid: str, folder: Path, wanted: set[str] | None) -> Iterator[str]:
        """Write the images of a series as `<SOPInstanceUID>.dcm`, each whole, and yield the UID of each.

        Args:
            wanted: those that are still missing; None: all.
        """

    def send(self, items: Sequence[SendItem]) -> Iterator[SendOutcome]:
        """Send files over one connection; the iterator ends early, by `LinkError`, where the link breaks."""


_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def check_uid(uid: str) -> str:
    """The UID itself.

    Raises:
        InputError: it is none; so that one from a file or a PACS may become the name of a file.
    """
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise InputError(f"'{uid[:80]}' is not a UID (digits and dots, at most 64); take it from 'pacs find'.")
    return uid


def count_of(value: object) -> int | None:
    """A number that a PACS states; None where it states none."""
    try:
        return int(str(value))
    except ValueError:
        return None
