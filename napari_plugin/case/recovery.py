"""Where sessions are saved as they go, and which of them a crash has left behind (no Qt)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import ClassVar

import psutil

from monai_unet import paths
from monai_unet.errors import InputError
from monai_unet.interaction.session import EditSession, JournalInfo, fingerprint, journal_info
from napari_plugin.case.process_identity import ProcessIdentity

SUFFIX = ".journal"
_OLD_ENOUGH = 24 * 3600.0
"""Seconds without a change after which a journal of version 0.1, which names no computer, is taken as left behind."""


class Journals:
    """Journals in a folder, by default `~/.monai-unet/sessions`.

    A file is named after its image (the start of its fingerprint) and the process that writes it (computer, its start,
    number, time of start), so that two viewers on one image do not share a file, and what may still be written, here
    or on another computer of a shared home, is not offered for recovery.
    """

    _own: ClassVar[set[Path]] = set()
    """Journals that sessions of this process write."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.sessions_folder()

    def begin(self, session: EditSession, image_name: str) -> None:
        """Save a session as it goes from now on.

        Raises:
            InputError: the folder cannot be written to.
        """
        path = self._new_path(session)
        try:
            paths.make_private(path.parent)
        except OSError as error:
            raise InputError(f"{path.parent} cannot be made ({error.strerror}).") from error
        session.start_journal(path, image_name=image_name)
        self._own.add(path)

    def end(self, session: EditSession, *, keep: bool) -> None:
        """Stop saving; the journal is removed unless its work is to be kept for recovery."""
        path = session.stop_journal()
        if path is not None:
            self._own.discard(path)
            if not keep:
                path.unlink(missing_ok=True)

    def left_behind(self, session: EditSession) -> JournalInfo | None:
        """The newest journal with work on this image that no running process writes."""
        found = []
        for path in self.folder.glob(f"{_start(session)}-*{SUFFIX}"):
            if path in self._own or not _is_left_behind(path):
                continue
            try:
                info = journal_info(path)
            except InputError:
                continue
            if info.operations > 1:
                found.append(info)
        return max(found, key=lambda info: info.started, default=None)

    def recover(self, session: EditSession) -> tuple[EditSession, tuple[str, ...]]:
        """The session that `left_behind` names, on the image of the present one, and what was lost.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        info = self.left_behind(session)
        if info is None:
            raise InputError("There is no earlier work on this image.")
        path = self._new_path(session)
        try:
            info.path.rename(path)
        except FileNotFoundError:
            raise InputError("The earlier work on this image was just taken by another window.") from None
        recovered = EditSession.recover(path, session.image, session.grid)
        self._own.add(path)
        return recovered

    def discard(self, session: EditSession) -> None:
        """Remove what `left_behind` names."""
        info = self.left_behind(session)
        if info is not None:
            info.path.unlink(missing_ok=True)

    def _new_path(self, session: EditSession) -> Path:
        stamp = time.time_ns() // 1000
        return self.folder / f"{_start(session)}-{ProcessIdentity.own()}-{stamp}{SUFFIX}"


def _start(session: EditSession) -> str:
    return fingerprint(session.image, session.grid)[:16]


def _is_left_behind(path: Path) -> bool:
    """Whether the process that wrote a journal has ended; this one writes what is in `_own` and nothing else."""
    writer = path.stem.split("-")[1]
    identity = ProcessIdentity.parse(writer)
    if identity is not None:
        return identity == ProcessIdentity.own() or identity.has_ended()
    if not writer.isdigit():
        return False
    untouched = time.time() - path.stat().st_mtime > _OLD_ENOUGH
    return int(writer) == os.getpid() or (untouched and not psutil.pid_exists(int(writer)))
