"""A PACS over DIMSE (PS3.4 annexes B and C): C-FIND, C-GET or C-MOVE, C-STORE, by pynetdicom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, _config, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as FindModel,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet as GetModel,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove as MoveModel,
)

from monai_unet.io.dicom.network.incoming import Incoming
from monai_unet.io.dicom.network.link_faults import association_fault, route_to, status_fault
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
from monai_unet.io.dicom.network.servers import DimseServer
from monai_unet.io.dicom.network.transport import STORED_SYNTAXES, end_silence

# files are sent from the disk in pieces, so that a large one does not fill the memory
_config.STORE_SEND_CHUNKED_DATASET = True

_PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
_MOST_CONTEXTS = 120
_UIDS_AT_ONCE = 100
_PENDING = (0xFF00, 0xFF01)
_WARNINGS = (0xB000, 0xB006, 0xB007)


class DimseArchive:
    """An `Archive` over DIMSE.

    Raises:
        InputError: its certificates cannot be used.
    """

    verifies = True

    def __init__(self, server: DimseServer) -> None:
        self.server = server
        self._tls = server.tls.context() if server.tls is not None else None

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return str(self.server)

    def find(self, query: StudyQuery) -> list[FoundStudy]:
        """The studies that match (C-FIND)."""
        asked = {**query.matches(), "StudyDescription": "", "NumberOfStudyRelatedInstances": ""}
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
            for answer in self._find("STUDY", asked)
        ]

    def series(self, study_uid: str) -> list[FoundSeries]:
        """The series of a study."""
        asked = dict.fromkeys(
            ("SeriesInstanceUID", "Modality", "SeriesDescription", "SeriesNumber", "NumberOfSeriesRelatedInstances"), ""
        )
        return [
            FoundSeries(
                uid=str(answer.get("SeriesInstanceUID", "")),
                modality=str(answer.get("Modality") or ""),
                description=str(answer.get("SeriesDescription") or ""),
                number=str(answer.get("SeriesNumber") or ""),
                images=count_of(answer.get("NumberOfSeriesRelatedInstances")),
            )
            for answer in self._find("SERIES", {"StudyInstanceUID": study_uid, **asked})
        ]

    def images(self, study_uid: str, series_uid: str) -> set[str] | None:
        """SOPInstanceUIDs of a series; None where the PACS refuses queries for images."""
        asked = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": ""}
        try:
            found = self._find("IMAGE", asked)
        except PermanentError:
            return None
        return {str(answer.get("SOPInstanceUID", "")) for answer in found} - {""}

    def fetch(self, study_uid: str, series_uid: str, folder: Path, wanted: set[str] | None) -> Iterator[str]:
        """Write the images of a series into the folder and yield the UID of each."""
        incoming = Incoming(folder, study_uid, series_uid)
        for asked in _identifiers(study_uid, series_uid, wanted):
            if self.server.retrieve == "get":
                yield from self._get(asked, incoming)
            else:
                yield from self._move(asked, incoming)

    def send(self, items: Sequence[SendItem]) -> Iterator[SendOutcome]:
        """Send files (C-STORE), as many in one association as its contexts hold."""
        for some, contexts in _in_associations(items):
            with self._associated(contexts) as link:
                for item in some:
                    yield self._store(link, item)

    def _store(self, link: Association, item: SendItem) -> SendOutcome:
        try:
            status = link.send_c_store(str(item.path))
        except ValueError:
            return self._store_converted(link, item)
        except (AttributeError, RuntimeError, OSError) as error:
            if not link.is_established:
                raise LinkError(f"the link to {self.name} broke while sending.") from error
            return SendOutcome(item, f"{item.path} cannot be sent ({error}).")
        return self._stored(status, item)

    def _store_converted(self, link: Association, item: SendItem) -> SendOutcome:
        """The PACS takes no file of this kind as it is; uncompressed ones can be written as it takes them."""
        from pydicom import dcmread

        refused = f"{self.name} takes no {UID(item.sop_class).name} as {UID(item.transfer_syntax).name}"
        if item.transfer_syntax not in _PLAIN:
            return SendOutcome(item, f"{refused}; {item.path} was not sent.")
        try:
            return self._stored(link.send_c_store(dcmread(item.path)), item)
        except ValueError:
            return SendOutcome(item, f"{refused} at all; {item.path} was not sent.")
        except (AttributeError, RuntimeError) as error:
            raise LinkError(f"the link to {self.name} broke while sending.") from error

    def _stored(self, status: Dataset, item: SendItem) -> SendOutcome:
        if "Status" not in status:
            raise LinkError(f"{self.name} did not answer within {self.server.timeout:g} s while sending.")
        code = int(status.Status)
        if code == 0 or code in _WARNINGS:
            return SendOutcome(item)
        return SendOutcome(item, f"{self.name} refused {item.path}: {status_fault(status)}.", again=code >> 8 == 0xA7)

    def _find(self, level: str, asked: dict[str, str]) -> list[Dataset]:
        identifier = _dataset(level, asked)
        found = []
        with self._associated([build_context(FindModel)]) as link:
            for status, answer in link.send_c_find(identifier, FindModel):
                if "Status" not in status:
                    raise LinkError(f"{self.name} broke off its answer to a query; it may not know {self._us()}.")
                if status.Status in _PENDING and answer is not None:
                    found.append(answer)
                elif status.Status != 0:
                    raise PermanentError(
                        f"{self.name} refused the query: {status_fault(status)}; it may not know {self._us()}."
                    )
        return found

    def _get(self, asked: Dataset, incoming: Incoming) -> Iterator[str]:
        syntaxes = [str(syntax) for syntax in STORED_SYNTAXES]
        classes = [str(context.abstract_syntax) for context in StoragePresentationContexts[:_MOST_CONTEXTS]]
        contexts = [build_context(GetModel), *(build_context(uid, syntaxes) for uid in classes)]
        roles = [build_role(uid, scp_role=True) for uid in classes]
        arrived: SimpleQueue[str] = SimpleQueue()
        handlers = [(evt.EVT_C_STORE, lambda event: _take(event, incoming, arrived))]
        with self._associated(contexts, roles=roles, handlers=handlers) as link:
            for status, _ in link.send_c_get(asked, GetModel):
                yield from _drained(arrived)
                self._check_retrieve(status)
            yield from _drained(arrived)

    def _move(self, asked: Dataset, incoming: Incoming) -> Iterator[str]:
        arrived: SimpleQueue[str] = SimpleQueue()
        receiver = AE(ae_title=self.server.our_ae_title)
        receiver.supported_contexts = [
            build_context(str(context.abstract_syntax), [str(syntax) for syntax in STORED_SYNTAXES])
            for context in StoragePresentationContexts
        ]
        receiver.require_called_aet = True
        address = self.server.receive_address, self.server.receive_port
        try:
            listening = receiver.start_server(
                address,
                block=False,
                evt_handlers=[
                    (evt.EVT_C_STORE, lambda event: _take(event, incoming, arrived)),
                    (evt.EVT_CONN_OPEN, end_silence, [self.server.timeout]),
                ],
                ssl_context=self.server.tls.context(listening=True) if self.server.tls is not None else None,
            )
        except OSError as error:
            raise PermanentError(
                f"port {address[1]} of {address[0]} cannot be listened at ({error.strerror}), which C-MOVE needs."
            ) from None
        try:
            with self._associated([build_context(MoveModel)]) as link:
                for status, _ in link.send_c_move(asked, self.server.our_ae_title, MoveModel):
                    yield from _drained(arrived)
                    self._check_retrieve(status)
                yield from _drained(arrived)
        finally:
            if listening is not None:
                listening.shutdown()

    def _check_retrieve(self, status: Dataset) -> None:
        if "Status" not in status:
            raise LinkError(f"the link to {self.name} broke while images were coming.")
        code = int(status.Status)
        if code in _PENDING or code == 0 or code in _WARNINGS:
            return
        if code == 0xA801:
            raise PermanentError(f"{self.name} does not know {self._us()} as a place to send to; register it there.")
        again = code >> 8 in (0xA7, 0xFE)
        raise (LinkError if again else PermanentError)(f"{self.name} did not send the images: {status_fault(status)}.")

    def _us(self) -> str:
        return f"our AE title {self.server.our_ae_title}"

    @contextmanager
    def _associated(
        self,
        contexts: Sequence[PresentationContext],
        *,
        roles: Sequence[object] = (),
        handlers: Sequence[tuple[object, object]] = (),
    ) -> Iterator[Association]:
        """An association that is released at the end, and aborted when something is raised inside."""
        entity = AE(ae_title=self.server.our_ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self.server.timeout
        entity.connection_timeout = self.server.timeout
        address, own_address = route_to(self.server)
        link = entity.associate(
            address,
            self.server.port,
            list(contexts),
            bind_address=(own_address, 0),
            ae_title=self.server.ae_title,
            ext_neg=list(roles),  # type: ignore[arg-type]
            tls_args=None if self._tls is None else (self._tls, self.server.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, end_silence, [self.server.timeout]), *handlers],  # type: ignore[list-item]
        )
        if not link.is_established:
            raise association_fault(link, self.server, self._tls)
        try:
            yield link
        except BaseException:
            # also a caller that stops: the PACS does not go on sending
            link.abort()
            raise
        if link.is_established:
            link.release()


def _take(event: evt.Event, incoming: Incoming, arrived: SimpleQueue[str]) -> int:
    """Status of a C-STORE (PS3.4 B.2.3)."""
    uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
    try:
        with incoming.place_of(uid) as stream:
            stream.write(event.encoded_dataset())
    except OSError:
        return 0xA700
    except (LinkError, ValueError):
        return 0xA900
    arrived.put(uid)
    return 0x0000


def _drained(arrived: SimpleQueue[str]) -> Iterator[str]:
    while True:
        try:
            yield arrived.get_nowait()
        except Empty:
            return


def _dataset(level: str, values: dict[str, str]) -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if not all(value.isascii() for value in values.values()):
        made.SpecificCharacterSet = "ISO_IR 192"
    return made


def _identifiers(study_uid: str, series_uid: str, wanted: set[str] | None) -> Iterator[Dataset]:
    series = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
    if wanted is None:
        yield _dataset("SERIES", series)
        return
    missing = sorted(wanted)
    for start in range(0, len(missing), _UIDS_AT_ONCE):
        made = _dataset("IMAGE", series)
        made.SOPInstanceUID = missing[start : start + _UIDS_AT_ONCE]
        yield made


def _in_associations(items: Sequence[SendItem]) -> Iterator[tuple[list[SendItem], list[PresentationContext]]]:
    """The files in parts whose kinds fit into one association, with the contexts to propose."""
    some: list[SendItem] = []
    kinds: dict[tuple[str, str], None] = {}
    for item in items:
        needed = [(item.sop_class, item.transfer_syntax)]
        if item.transfer_syntax in _PLAIN:
            needed += [(item.sop_class, syntax) for syntax in _PLAIN]
        new = [kind for kind in dict.fromkeys(needed) if kind not in kinds]
        if some and len(kinds) + len(new) > _MOST_CONTEXTS:
            yield some, [build_context(*kind) for kind in kinds]
            some, kinds, new = [], {}, list(dict.fromkeys(needed))
        some.append(item)
        kinds.update(dict.fromkeys(new))
    if some:
        yield some, [build_context(*kind) for kind in kinds]


def _words(value: object) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)  # type: ignore[attr-defined]
