"""A PACS over DICOMweb (PS3.18): QIDO-RS, WADO-RS and STOW-RS, each image in a request of its own, by requests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import requests
from pydicom.dataset import Dataset

from monai_unet.io.dicom.network.incoming import Incoming
from monai_unet.io.dicom.network.multipart import boundary_of, copy_first_part
from monai_unet.io.dicom.network.queries import (
    FoundSeries,
    FoundStudy,
    LinkError,
    PermanentError,
    SendItem,
    SendOutcome,
    StudyQuery,
    count_of,
)
from monai_unet.io.dicom.network.servers import WebServer

_PIECE = 1 << 16
_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_MOST_PAGES = 1000
_STUDY_FIELDS = ("StudyDescription", "NumberOfStudyRelatedInstances", "ModalitiesInStudy")
_SERIES_FIELDS = ("Modality", "SeriesDescription", "SeriesNumber", "NumberOfSeriesRelatedInstances")


class WebArchive:
    """An `Archive` over DICOMweb. Proxies and passwords of the environment are not used, redirections not followed."""

    verifies = True

    def __init__(self, server: WebServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False
        if server.token:
            self._session.headers["Authorization"] = f"Bearer {server.token}"
        elif server.user:
            self._session.auth = (server.user, server.password)
        if server.tls is not None:
            server.tls.context()  # a file that is missing is said now
            if server.tls.ca is not None:
                self._session.verify = str(server.tls.ca)
            if server.tls.certificate is not None:
                key = server.tls.key
                self._session.cert = (
                    str(server.tls.certificate) if key is None else (str(server.tls.certificate), str(key))
                )

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return str(self.server)

    def find(self, query: StudyQuery) -> list[FoundStudy]:
        """The studies that match (QIDO-RS)."""
        asked = {key: value for key, value in query.matches().items() if value}
        return [
            FoundStudy(
                uid=str(answer.get("StudyInstanceUID", "")),
                date=str(answer.get("StudyDate") or ""),
                modalities=_words(answer.get("ModalitiesInStudy")),
                description=str(answer.get("StudyDescription") or ""),
                images=count_of(answer.get("NumberOfStudyRelatedInstances")),
                patient_id=str(answer.get("PatientID") or ""),
                patient_name=str(answer.get("PatientName") or ""),
            )
            for answer in self._found("studies", asked, _STUDY_FIELDS)
        ]

    def series(self, study_uid: str) -> list[FoundSeries]:
        """The series of a study."""
        return [
            FoundSeries(
                uid=str(answer.get("SeriesInstanceUID", "")),
                modality=str(answer.get("Modality") or ""),
                description=str(answer.get("SeriesDescription") or ""),
                number=str(answer.get("SeriesNumber") or ""),
                images=count_of(answer.get("NumberOfSeriesRelatedInstances")),
            )
            for answer in self._found(f"studies/{study_uid}/series", {}, _SERIES_FIELDS)
        ]

    def images(self, study_uid: str, series_uid: str) -> set[str] | None:
        """SOPInstanceUIDs of a series."""
        try:
            found = self._found(f"studies/{study_uid}/series/{series_uid}/instances", {}, ())
        except _NotThereError:
            return set()
        return {str(answer.get("SOPInstanceUID", "")) for answer in found} - {""}

    def fetch(self, study_uid: str, series_uid: str, folder: Path, wanted: set[str] | None) -> Iterator[str]:
        """Write the images of a series into the folder and yield the UID of each."""
        incoming = Incoming(folder, study_uid, series_uid)
        missing = wanted if wanted is not None else self.images(study_uid, series_uid) or set()
        for uid in sorted(missing):
            path = f"studies/{study_uid}/series/{series_uid}/instances/{uid}"
            with self._asked("GET", path, headers={"Accept": _DICOM}, stream=True) as answer:
                self._refuse(answer, path)
                with incoming.place_of(uid) as stream:
                    self._copy(answer, stream)
            yield uid

    def send(self, items: Sequence[SendItem]) -> Iterator[SendOutcome]:
        """Send files (STOW-RS)."""
        for item in items:
            body = _OneFile(item.path)
            kind = f'multipart/related; type="application/dicom"; boundary={body.boundary}'
            headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
            with self._asked("POST", "studies", headers=headers, data=body) as answer:
                if answer.status_code not in (200, 202, 409):
                    self._refuse(answer, "studies")
                yield SendOutcome(item, self._why_not_stored(answer, item))

    def _why_not_stored(self, answer: requests.Response, item: SendItem) -> str:
        stated = self._json(answer)
        results = _dataset(stated[0] if isinstance(stated, list) and stated else stated)
        taken = {str(one.get("ReferencedSOPInstanceUID", "")) for one in results.get("ReferencedSOPSequence") or []}
        if item.uid in taken:
            return ""
        reasons = [count_of(one.get("FailureReason")) for one in results.get("FailedSOPSequence") or []]
        reason = next((f", reason 0x{code:04X}" for code in reasons if code is not None), "")
        return f"{self.name} refused {item.path} (HTTP {answer.status_code}{reason})."

    def _found(self, path: str, asked: Mapping[str, str], fields: Sequence[str]) -> list[Dataset]:
        """All answers to a query, page by page where the PACS says that there are more."""
        found: list[Dataset] = []
        for _ in range(_MOST_PAGES):
            query = [*asked.items(), *(("includefield", field) for field in fields)]
            query += [("offset", str(len(found)))] if found else []
            # Orthanc takes an asterisk for one only where it is not escaped
            words = urlencode(query, quote_via=quote, safe="*?")
            with self._asked("GET", path, headers={"Accept": "application/dicom+json"}, params=words) as answer:
                if answer.status_code == 204:
                    return found
                self._refuse(answer, path)
                page = self._json(answer)
                if not isinstance(page, list):
                    raise LinkError(f"{self.name} answered a query with something else than a list.")
                found += [_dataset(item) for item in page]
                if not page or "299" not in answer.headers.get("Warning", ""):
                    return found
        raise PermanentError(f"{self.name} goes on answering without end; ask more narrowly.")

    def _json(self, answer: requests.Response) -> object:
        try:
            return answer.json()
        except ValueError:
            raise LinkError(f"{self.name} answered with something that is not JSON.") from None

    def _copy(self, answer: requests.Response, stream: BinaryIO) -> None:
        pieces = answer.iter_content(_PIECE)
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("application/dicom"):
            for piece in pieces:
                stream.write(piece)
        else:
            copy_first_part(pieces, boundary_of(kind), stream)

    @contextmanager
    def _asked(self, method: str, path: str, **more: Any) -> Iterator[requests.Response]:
        url = f"{self.server.url.rstrip('/')}/{path}"
        try:
            with self._session.request(
                method, url, timeout=self.server.timeout, allow_redirects=False, **more
            ) as answer:
                yield answer
        except requests.exceptions.SSLError as error:
            raise PermanentError(
                f"{self.name}: its certificate is not trusted ({_innermost(error)}); renew it, or set ca."
            ) from None
        except requests.exceptions.Timeout:
            raise LinkError(f"{self.name} did not answer within {self.server.timeout:g} s.") from None
        except requests.exceptions.RequestException as error:
            raise LinkError(f"the link to {self.name} failed ({_innermost(error)}); check url and network.") from None

    def _refuse(self, answer: requests.Response, path: str) -> None:
        code = answer.status_code
        if code < 300:
            return
        if code in (401, 403):
            raise PermanentError(f"{self.name} does not let us in (HTTP {code}); check user, password or token.")
        if code == 404:
            raise _NotThereError(f"{self.name} has no {path} (HTTP 404); check the UID, and the url's path.")
        if code in (408, 429) or code >= 500:
            raise LinkError(f"{self.name} cannot answer now (HTTP {code}).")
        raise PermanentError(f"{self.name} refused {path} (HTTP {code}).")


class _NotThereError(PermanentError):
    pass


class _OneFile:
    """A file as a multipart body that is read while it is sent."""

    def __init__(self, path: Path) -> None:
        self.boundary = f"monai-unet-{secrets.token_hex(16)}"
        self._path = path
        self._head = f"--{self.boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"\r\n--{self.boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self._path.stat().st_size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with self._path.open("rb") as stream:
            read: Callable[[], bytes] = lambda: stream.read(_PIECE)  # noqa: E731
            yield from iter(read, b"")
        yield self._tail


def _dataset(stated: object) -> Dataset:
    try:
        return Dataset.from_json(stated if isinstance(stated, dict) else {})
    except Exception as error:
        # nonsense makes the parser raise anything
        raise LinkError(f"an answer holds no DICOM ({type(error).__name__}).") from None


def _innermost(error: BaseException) -> str:
    """The system's own words below the layers of the HTTP packages."""
    seen = error
    while True:
        inner = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            return getattr(seen, "verify_message", "") or getattr(seen, "strerror", "") or type(seen).__name__
        seen = inner


def _words(value: object) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)  # type: ignore[attr-defined]
