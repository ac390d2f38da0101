"""Results on their way to the servers that a rule names: each once, tried again while a link is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_unet.batch.listener.spool import Study
from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.io.dicom.network import (
    Archive,
    LinkError,
    PermanentError,
    SendItem,
    Server,
    item_of,
    open_archive,
    send_items,
)

WAIT_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Pauses between attempts; the last one goes on."""


class Sender:
    """Sends what a study's journal says is to be sent, and writes into it what was."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers
        self._archives: dict[str, Archive] = {}

    def send(self, study: Study, number: int, *, resumed: bool) -> list[str]:
        """Send all results of round `number` that were not yet; gives the reasons of what will never be taken.

        Args:
            resumed: an earlier attempt may have sent some, so that each server is asked first what it has.

        Raises:
            LinkError: a server cannot be reached now.
        """
        refused = []
        events = [event for event in study.journal.events if event.get("round") == number]
        done = {(e["series"], e["to"]) for e in events if e["event"] in ("sent", "refused")}
        for result in [event for event in events if event["event"] == "result"]:
            for name in result["to"]:
                if (result["series"], name) in done:
                    continue
                try:
                    self._send_one(study, result, name, resumed=resumed)
                except PermanentError as error:
                    refused.append(str(error))
                    study.journal.add("refused", round=number, series=result["series"], to=name, reason=str(error))
        return refused

    def _send_one(self, study: Study, result: Mapping[str, object], name: str, *, resumed: bool) -> None:
        folder = study.folder / "results" / str(result["folder"])
        items = _items(folder, result["send_files"])  # type: ignore[arg-type]
        archive = self._archives.get(name) or self._archives.setdefault(name, open_archive(self._servers[name]))
        left = _not_there(archive, items) if resumed else items
        if left:
            sent = drain(send_items(archive, left, attempts=2, wait_s=0.5))
            if sent.refused:
                raise PermanentError(sent.refused[0])
        uids = [item.uid for item in items]
        study.journal.add("sent", round=result["round"], series=result["series"], to=name, images=uids)


def _items(folder: Path, names: Sequence[str]) -> list[SendItem]:
    items = [item_of(folder / name) for name in names]
    missing = [name for name, item in zip(names, items, strict=True) if item is None]
    if missing:
        raise InputError(f"the result {folder / missing[0]} is gone; it was not sent.")
    return [item for item in items if item is not None]


def _not_there(archive: Archive, items: Sequence[SendItem]) -> list[SendItem]:
    there: set[str] = set()
    for study_uid, series_uid in dict.fromkeys((item.study_uid, item.series_uid) for item in items):
        there |= archive.images(study_uid, series_uid) or set()
    return [item for item in items if item.uid not in there]


__all__ = ["WAIT_S", "LinkError", "Sender"]
