"""Files sent to a PACS: tried again where a link breaks, and looked for there afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pydicom

from monai_unet.errors import InputError
from monai_unet.io.dicom.network.queries import Archive, LinkError, SendItem, check_uid

ATTEMPTS = 4
WAIT_S = 1.0
VERIFY_S = 20.0
"""Seconds in which a PACS that took images may put them where a query finds them."""

_HEAD = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Sent:
    """What became of sending.

    Attributes:
        uids: SOPInstanceUIDs that the PACS took.
        refused: a sentence for each file that it refused.
        verified: whether a query found all of `uids` there; False where the PACS answers no such query.
    """

    uids: tuple[str, ...]
    refused: tuple[str, ...] = ()
    verified: bool = False


def send_files(
    archive: Archive,
    paths: Iterable[str | Path],
    *,
    attempts: int = ATTEMPTS,
    wait_s: float = WAIT_S,
    verify_s: float = VERIFY_S,
) -> Generator[tuple[int, int], None, Sent]:
    """Send DICOM files, and all below folders; yields how many of how many are done.

    Raises:
        InputError: no DICOM file, two files with one UID and different content, the link stays broken, or the PACS
            said that it took what it then does not have.
    """
    return send_items(archive, items_of(paths), attempts=attempts, wait_s=wait_s, verify_s=verify_s)


def send_items(
    archive: Archive,
    items: Sequence[SendItem],
    *,
    attempts: int = ATTEMPTS,
    wait_s: float = WAIT_S,
    verify_s: float = VERIFY_S,
) -> Generator[tuple[int, int], None, Sent]:
    """The same for files whose heads were read."""
    done: dict[str, None] = {}
    refused: dict[str, str] = {}
    for attempt in range(attempts):
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        left = [item for item in items if item.uid not in done and item.uid not in refused]
        if not left:
            break
        broken = ""
        try:
            for outcome in archive.send(left):
                if outcome.error and outcome.again:
                    broken = outcome.error
                elif outcome.error:
                    refused[outcome.item.uid] = outcome.error
                else:
                    done[outcome.item.uid] = None
                yield len(done) + len(refused), len(items)
        except LinkError as error:
            broken = str(error)
    left = [item for item in items if item.uid not in done and item.uid not in refused]
    if left:
        raise LinkError(f"{len(done)} of {len(items)} files were sent, then: {broken.rstrip('.')}; send them again.")
    taken = [item for item in items if item.uid in done]
    verified = _verified(archive, taken, attempts, wait_s, verify_s)
    return Sent(tuple(done), tuple(refused.values()), verified)


def items_of(paths: Iterable[str | Path]) -> list[SendItem]:
    """The DICOM files of paths, in order; a file of which there are two is sent once.

    Raises:
        InputError: a file that is no DICOM was named, nothing was found, or two different files have one UID.
    """
    found: dict[str, SendItem] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path} does not exist; check the path.")
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if file != path and any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            item = item_of(file)
            if item is None:
                if file == path:
                    raise InputError(f"{file} is no DICOM file, and nothing else is sent.")
                continue
            other = found.setdefault(item.uid, item)
            if other is not item and other.path.read_bytes() != file.read_bytes():
                raise InputError(f"{other.path} and {file} differ and have one SOPInstanceUID; send one of them.")
    if not found:
        raise InputError("there is no DICOM file to send below the paths given.")
    return list(found.values())


def item_of(path: Path) -> SendItem | None:
    """A file with what its head says; None where it is no DICOM file that can be sent."""
    try:
        head = pydicom.dcmread(path, specific_tags=list(_HEAD), stop_before_pixels=True)
        values = [check_uid(str(head[keyword].value)) for keyword in _HEAD]
        sop_class, uid, study_uid, series_uid = values
        return SendItem(path, sop_class, uid, study_uid, series_uid, str(head.file_meta.TransferSyntaxUID))
    except Exception:
        # a foreign or damaged file makes the parser raise anything
        return None


def _verified(archive: Archive, items: Sequence[SendItem], attempts: int, wait_s: float, verify_s: float) -> bool:
    """Whether the PACS has the items; False where it cannot be asked.

    Raises:
        InputError: it has not.
    """
    deadline = time.monotonic() + verify_s
    series: dict[tuple[str, str], set[str]] = {}
    for item in items:
        series.setdefault((item.study_uid, item.series_uid), set()).add(item.uid)
    for (study_uid, series_uid), uids in series.items():
        while True:
            there = asked_again(lambda s=study_uid, r=series_uid: archive.images(s, r), attempts, wait_s)  # type: ignore[misc]
            if there is None:
                return False
            missing = uids - there
            if not missing:
                break
            if time.monotonic() > deadline:
                raise LinkError(
                    f"{archive.name} said that it took {len(uids)} files of series {series_uid} and has "
                    f"{len(uids) - len(missing)}; look there before you send them again."
                )
            time.sleep(min(0.5, verify_s))
    return bool(items)


def asked_again(ask: Callable[[], _Answer], attempts: int, wait_s: float) -> _Answer:
    """What a question gives, asked again where the link fails.

    Raises:
        LinkError: it failed each time.
    """
    for attempt in range(attempts - 1):
        try:
            return ask()
        except LinkError:
            time.sleep(wait_s * 2**attempt)
    return ask()
