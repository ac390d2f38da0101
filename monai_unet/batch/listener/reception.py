"""C-STORE received: written to the disk piece by piece, answered as soon as it lies there (PS3.4 annex B)."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict, deque
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from monai_unet.batch.listener.rules import ListenSettings
from monai_unet.batch.listener.spool import Spool, Stored
from monai_unet.errors import InputError
from monai_unet.io.dicom.network import STORED_SYNTAXES, end_silence

STATUS = {
    Stored.NEW: 0x0000,
    Stored.LATE: 0x0000,
    Stored.DUPLICATE: 0x0000,
    Stored.OWN: 0x0000,
    Stored.CONFLICT: 0xA900,
    Stored.OTHER_PATIENT: 0xA900,
    Stored.UNREADABLE: 0xC000,
}
_NO_ROOM = 0xA700
_TIMEOUT_S = 60.0
_PDU_BYTES = 1 << 18
"""Largest piece that senders may send; each costs a turn of pynetdicom's loop."""


class Room:
    """Whether more can be taken: room on the disk, and no more of one sender than agreed. Safe for threads."""

    def __init__(self, folder: Path, settings: ListenSettings) -> None:
        self._folder, self._settings = folder, settings
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def refusal(self, sender: str) -> str:
        """Why the next image of a sender is not taken; empty where it is."""
        if shutil.disk_usage(self._folder).free < self._settings.min_free_gib * 2**30:
            return "the disk is full"
        now = time.monotonic()
        with self._lock:
            times = self._times[sender]
            while times and times[0] < now - 60:
                times.popleft()
            if len(times) >= self._settings.max_per_minute:
                return "more images a minute than agreed"
            times.append(now)
        return ""


class Reception:
    """Listens for C-STORE and C-ECHO once `start` was called. It sets where this process makes temporary files."""

    def __init__(self, spool: Spool, settings: ListenSettings, room: Room) -> None:
        self._spool, self._settings, self._room = spool, settings, room
        self._most = int(settings.max_instance_mb * 2**20)
        self._came: dict[object, int] = defaultdict(int)
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Listen in threads.

        Raises:
            InputError: the port is taken, or certificates cannot be used.
        """
        # images come onto the queue's own disk, so that taking one is a rename
        tempfile.tempdir = str(self._spool.incoming)
        _config.STORE_RECV_CHUNKED_DATASET = True
        _config.LOG_HANDLER_LEVEL = "none"  # the audit says what happened, and a line for each piece takes time
        entity = AE(ae_title=self._settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(self._settings.allow)
        entity.maximum_associations = self._settings.max_associations
        entity.network_timeout = _TIMEOUT_S
        entity.maximum_pdu_size = _PDU_BYTES
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), [str(syntax) for syntax in STORED_SYNTAXES])
        entity.add_supported_context(Verification)
        tls = self._settings.tls
        try:
            self._server = entity.start_server(
                (self._settings.address, self._settings.port),
                block=False,
                ssl_context=tls.context(listening=True) if tls is not None else None,
                evt_handlers=[
                    (evt.EVT_C_STORE, self._store),
                    (evt.EVT_DATA_RECV, self._count),
                    (evt.EVT_CONN_OPEN, end_silence, [_TIMEOUT_S]),
                    (evt.EVT_CONN_CLOSE, lambda event: self._came.pop(event.assoc, None)),
                    (evt.EVT_REJECTED, self._rejected),
                ],
            )
        except OSError as error:
            raise InputError(
                f"port {self._settings.port} of {self._settings.address} cannot be listened at ({error.strerror})."
            ) from None

    def stop(self) -> None:
        """End all associations."""
        if self._server is not None:
            self._server.shutdown()

    def _count(self, event: evt.Event) -> None:
        """Break off an image that is larger than any may be."""
        self._came[event.assoc] += len(event.data)
        if self._came[event.assoc] > self._most:
            self._spool.audit.note("too large", sender=_sender(event), limit_mb=self._settings.max_instance_mb)
            event.assoc.abort()

    def _store(self, event: evt.Event) -> int:
        self._came[event.assoc] = 0
        sender = _sender(event)
        refusal = self._room.refusal(sender)
        if refusal:
            self._spool.audit.note("refused", reason=refusal, sender=sender)
            return _NO_ROOM
        request = event.request
        try:
            request._dataset_file.flush()  # type: ignore[union-attr]
            return STATUS[self._spool.store(event.dataset_path, sender)]
        except OSError as error:
            self._spool.audit.note("refused", reason=os.strerror(error.errno or 0), sender=sender)
            return _NO_ROOM

    def _rejected(self, event: evt.Event) -> None:
        self._spool.audit.note("rejected", sender=_sender(event))


def _sender(event: evt.Event) -> str:
    requestor = event.assoc.requestor
    title = requestor.primitive.calling_ae_title if requestor.primitive is not None else requestor.ae_title
    return str(title).strip()
