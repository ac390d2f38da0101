"""The queue on the disk: one folder for each study that came, with its images, its journal and its results.

An image counts as received when its file lies, whole and synced, under its UID: only then is its sender answered. So a
kill at any moment loses nothing that was answered, and what was not answered its sender sends again.
"""

from __future__ import annotations

import fcntl
import filecmp
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pydicom

from monai_unet.batch.listener.audit import Audit
from monai_unet.batch.listener.journal import StudyJournal
from monai_unet.batch.listener.rules import values_of
from monai_unet.errors import InputError
from monai_unet.io import sync_file, sync_folder
from monai_unet.io.dicom import Patient, take_patient
from monai_unet.io.dicom.network import check_uid


class Stored(Enum):
    """What became of an image."""

    NEW = "new"
    LATE = "late"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    OTHER_PATIENT = "other patient"
    UNREADABLE = "unreadable"
    OWN = "own result"


_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_IDENTITY = (
    *_UIDS,
    *("PatientID", "PatientName", "SpecificCharacterSet", "SeriesNumber", "Manufacturer", "SOPClassUID"),
)
_OWN = "monai-unet"
"""Manufacturer of our own results, as `io.dicom` writes it; a PACS may send them back to us."""
_RESULTS = tuple(f"1.2.840.10008.5.1.4.1.1.{part}" for part in ("66.", "88.", "11.", "104.", "7", "481.3"))
"""SEG, structured documents, presentation states, PDF, secondary captures, RTSTRUCT."""


@dataclass(eq=False)
class Study:
    """A study in the queue; changed only under `lock`.

    Attributes:
        images: SOPInstanceUID → SeriesInstanceUID.
        headers: of each series, what rules look at, from the first image that came.
        arrived: when the last image came (monotonic seconds).
        taken: the images of the last round that was begun; later ones make a new round.
        dead: why nothing is done with it; empty where something is.
        busy: a round of it runs.
        incomplete: how often in a row it was quiet and the PACS had images that did not come.
        settled: number of images with which the last round was found to be finished.
    """

    uid: str
    folder: Path
    journal: StudyJournal
    images: dict[str, str] = field(default_factory=dict)
    headers: dict[str, Mapping[str, str]] = field(default_factory=dict)
    patient: Patient | None = None
    arrived: float = 0.0
    dead: str = ""
    busy: bool = False
    settled: int = -1
    incomplete: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def pictures(self) -> Path:
        """Where the images lie."""
        return self.folder / "images"

    def last(self, *events: str) -> dict[str, object] | None:
        """The last event of these kinds."""
        return next((e for e in reversed(self.journal.events) if e["event"] in events), None)

    @property
    def round(self) -> int:
        """Number of the last round that was begun, 0 before the first."""
        begun = self.last("round")
        return int(str(begun["round"])) if begun else 0

    @property
    def taken(self) -> set[str]:
        """The images of that round."""
        begun = self.last("round")
        return set(begun["images"]) if begun else set()  # type: ignore[call-overload]


class Spool:
    """All studies below a folder; of two listeners the second is refused.

    Raises:
        InputError: another listener works on this folder, or it cannot be written.
    """

    def __init__(self, folder: Path, keywords: set[str]) -> None:

        self.folder = folder
        self.incoming, self.dead = folder / "incoming", folder / "dead"
        self._keywords = sorted(keywords | {"SeriesNumber"})
        try:
            for place in (folder, self.incoming, self.dead, folder / "studies"):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._guard = (folder / "lock").open("w")
        except OSError as error:
            raise InputError(f"the queue {folder} cannot be written ({error.strerror}); name another folder.") from None
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another listener works on the queue {folder}; stop it, or name another folder."
            ) from None
        self.audit = Audit(folder / "audit.jsonl")
        self.lock = threading.Lock()
        for unfinished in self.incoming.iterdir():
            shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()
        self.studies = {place.name: self._opened(place) for place in sorted((folder / "studies").iterdir())}

    def close(self) -> None:
        """Let another listener work."""
        self.audit.close()
        self._guard.close()

    def store(self, path: Path, sender: str) -> Stored:
        """Take a whole DICOM file from `incoming`; when this returns NEW or LATE, the image is on the disk for good.

        Raises:
            OSError: the disk is full or fails; then nothing was taken.
        """
        try:
            header = pydicom.dcmread(path, specific_tags=[*_IDENTITY, *self._keywords], stop_before_pixels=True)
            uid, study_uid, series_uid = (check_uid(str(header[name].value)) for name in _UIDS)
        except OSError:
            raise
        except Exception as error:
            # damaged bytes make the parser raise anything
            self._bury(path, f"it cannot be read as DICOM ({type(error).__name__})", sender)
            return Stored.UNREADABLE
        if header.get("Manufacturer") == _OWN and str(header.get("SOPClassUID", "")).startswith(_RESULTS):
            # it would be taken for a late image, and segmented, and sent, for ever
            path.unlink()
            self.audit.note("own result", study=study_uid, image=uid, sender=sender)
            return Stored.OWN
        values = values_of(header, self._keywords)
        patient = take_patient(header)
        study = self._study(study_uid)
        with study.lock:
            if self.studies.get(study_uid) is not study:
                return self.store(path, sender)  # it was removed in between, being finished for long
            target = study.pictures / f"{uid}.dcm"
            if uid in study.images:
                if filecmp.cmp(path, target, shallow=False):
                    path.unlink()
                    self.audit.note("duplicate", study=study_uid, image=uid, sender=sender)
                    return Stored.DUPLICATE
                self._bury(path, f"image {uid} was there already with other content", sender, study_uid)
                return Stored.CONFLICT
            if study.patient is not None and not study.patient.may_be(patient):
                self._bury(path, f"it came under study {study_uid}, which is another patient's", sender, study_uid)
                if not study.dead:
                    study.dead = "images of two patients came under its UID"
                    study.journal.add("dead", reason=study.dead, round=study.round, for_good=True)
                    self.audit.note("dead", study=study_uid, reason=study.dead)
                return Stored.OTHER_PATIENT
            sync_file(path)
            os.replace(path, target)
            sync_folder(study.pictures)
            late = study.round > 0
            self._add(study, uid, series_uid, values, patient)
        self.audit.note("late" if late else "received", study=study_uid, series=series_uid, image=uid, sender=sender)
        return Stored.LATE if late else Stored.NEW

    def sweep(self, older_than_s: float) -> None:
        """Remove what links that broke within an image have left."""
        for path in self.incoming.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > older_than_s:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def forget(self, study: Study) -> None:
        """Remove a finished study."""
        with self.lock, study.lock:
            del self.studies[study.uid]
            gone = self.incoming / f"gone-{study.uid}"
            os.replace(study.folder, gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _add(self, study: Study, uid: str, series_uid: str, values: Mapping[str, str], patient: Patient) -> None:
        study.images[uid] = series_uid
        study.headers.setdefault(series_uid, values)
        # one that states nothing says nothing of the next
        if study.patient is None or not study.patient.identifier:
            study.patient = patient
        study.arrived, study.incomplete = time.monotonic(), 0

    def _study(self, uid: str) -> Study:
        with self.lock:
            if uid not in self.studies:
                folder = self.folder / "studies" / uid
                (folder / "images").mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(folder)
                sync_folder(folder.parent)
                self.studies[uid] = Study(uid, folder, StudyJournal(folder / "journal.jsonl"))
            return self.studies[uid]

    def _opened(self, folder: Path) -> Study:
        """A study as it was left, by whatever end of the process."""
        study = Study(folder.name, folder, StudyJournal(folder / "journal.jsonl"))
        study.pictures.mkdir(exist_ok=True)
        for path in sorted(study.pictures.iterdir()):
            try:
                header = pydicom.dcmread(path, specific_tags=[*_IDENTITY, *self._keywords], stop_before_pixels=True)
                values = values_of(header, self._keywords)
                series = str(header.SeriesInstanceUID)
            except Exception as error:
                # a disk that lost what it had promised to hold; one bad file keeps no listener from starting
                self._bury(path, f"it was damaged in the queue ({type(error).__name__})", "", study.uid)
                continue
            self._add(study, path.stem, series, values, take_patient(header))
        dead = study.last("dead")
        if dead is not None and dead.get("for_good"):
            study.dead = str(dead["reason"])
        return study

    def _bury(self, path: Path, reason: str, sender: str, study: str = "") -> None:
        """A dead letter: the file, and beside it why."""
        target = self.dead / f"{time.time_ns()}.dcm"
        with suppress(FileNotFoundError):
            os.replace(path, target)
        target.with_suffix(".txt").write_text(f"{reason}\nsender: {sender}\n", encoding="utf-8")
        self.audit.note("dead letter", reason=reason, sender=sender, file=target.name, study=study)
