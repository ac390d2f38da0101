"""The listener: takes studies as complete when they are quiet, has their series segmented, and results sent."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from monai_unet.batch.listener.rules import ListenFile, Rule
from monai_unet.batch.listener.sender import WAIT_S, Sender
from monai_unet.batch.listener.spool import Spool, Study
from monai_unet.batch.listener.worker import COMMAND, Worker, WorkerDiedError
from monai_unet.errors import InputError
from monai_unet.io.dicom.network import LinkError, open_archive

_TICK_S = 0.2
_ATTEMPTS = 3
_SWEEP_S = 3600.0

Wanted = Mapping[str, tuple[Rule, frozenset[str]]]
"""SeriesInstanceUID → its rule and its images, of those series that are segmented."""


class Listener:
    """Everything between `start` and `stop`; both are called by the same thread.

    Raises:
        InputError: the queue is another listener's.
    """

    def __init__(self, file: ListenFile, *, worker_command: Sequence[str] = COMMAND) -> None:
        # only what listens needs pynetdicom
        from monai_unet.batch.listener.reception import Reception, Room
        from monai_unet.batch.listener.web import WebReception

        self.file = file
        self.spool = Spool(file.settings.queue, file.keywords())
        self.worker = Worker(worker_command)
        self._sender = Sender(file.servers)
        room = Room(file.settings.queue, file.settings)
        self._reception = Reception(self.spool, file.settings, room) if file.settings.port else None
        self._web = WebReception(self.spool, file.settings, room, self.health) if file.settings.http_port else None
        self._todo: SimpleQueue[Study] = SimpleQueue()
        self._outbox: SimpleQueue[tuple[Study, int, bool]] = SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen and work in threads.

        Raises:
            InputError: a port is taken, or certificates cannot be used.
        """
        for part in (self._reception, self._web):
            if part is not None:
                part.start()
        self.worker.start()
        for work in (self._watch, self._segment, self._send):
            thread = threading.Thread(target=work, name=f"monai-unet listener{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self.spool.audit.note("started", studies=len(self.spool.studies))

    def stop(self) -> None:
        """Stop listening and working; what is unfinished goes on at the next start."""
        self._stopping.set()
        for part in (self._reception, self._web):
            if part is not None:
                part.stop()
        self.worker.close()
        for thread in self._threads:
            thread.join(timeout=10)
        self.spool.audit.note("stopped")
        self.spool.close()

    def health(self) -> dict[str, float]:
        """Numbers of what is there and what waits."""
        studies = list(self.spool.studies.values())
        waiting = [study for study in studies if not study.dead and not self._is_finished(study)]
        dead = [
            study
            for study in studies
            if study.dead or (study.last("round", "done", "dead") or {}).get("event") == "dead"
        ]
        oldest = max((time.monotonic() - study.arrived for study in waiting), default=0.0)
        return {
            "studies": len(studies),
            "studies_waiting": len(waiting),
            "studies_dead": len(dead),
            "oldest_waiting_seconds": round(oldest, 1),
            "dead_letters": sum(1 for path in self.spool.dead.iterdir() if path.suffix == ".txt"),
            "worker_alive": float(self.worker.alive),
            "threads_alive": float(all(thread.is_alive() for thread in self._threads)),
        }

    def _wanted(self, study: Study) -> dict[str, tuple[Rule, frozenset[str]]]:
        with study.lock:
            images = dict(study.images)
            headers = dict(study.headers)
        found = {}
        for series in sorted(headers, key=lambda uid: (headers[uid].get("SeriesNumber", "").zfill(12), uid)):
            own = frozenset(uid for uid, of in images.items() if of == series)
            rule = self.file.rule_for(headers[series], len(own))
            if rule is not None and not rule.ignore:
                found[series] = rule, own
        return found

    def _is_finished(self, study: Study) -> bool:
        """Whether the last round ended, good or bad, and no image came since to a series that is segmented."""
        images = len(study.images)
        if study.settled != images and _ended(study) and _images(self._wanted(study)) <= study.taken:
            study.settled = images
        return study.settled == images

    def _watch(self) -> None:
        settings, swept = self.file.settings, time.monotonic()
        while not self._stopping.wait(_TICK_S):
            now = time.monotonic()
            if now > swept + _SWEEP_S:
                swept = now
                self.spool.sweep(_SWEEP_S)
            for study in list(self.spool.studies.values()):
                if study.dead or study.busy or not study.images or now - study.arrived < settings.quiet_seconds:
                    continue
                if not self._is_finished(study):
                    study.busy = True
                    self._todo.put(study)
                elif (
                    now - study.arrived > settings.keep_hours * 3600
                    and (study.last("done", "dead") or {}).get("event") == "done"
                ):
                    self.spool.forget(study)

    def _segment(self) -> None:
        for bundle, device in dict.fromkeys((rule.bundle, rule.device) for rule in self.file.rules if rule.bundle):
            # before the first study comes, so that it need not wait
            with suppress(WorkerDiedError):
                answer = self.worker.run(
                    {"bundle": bundle, "device": device}, seconds=self.file.settings.segment_minutes * 60
                )
                if "error" in answer:
                    self.spool.audit.note("model not loaded", bundle=bundle, reason=str(answer["error"]))
        while not self._stopping.is_set():
            with suppress(Empty):
                study = self._todo.get(timeout=_TICK_S)
                try:
                    self._round(study)
                except OSError as error:
                    # the disk is full, say; the round goes on when there is room
                    self.spool.audit.note("waiting", study=study.uid, reason=error.strerror or str(error))
                    self._stopping.wait(5.0)
                    study.busy = False
                except Exception as error:
                    self._fault(study, error)

    def _round(self, study: Study) -> None:
        if time.monotonic() - study.arrived < self.file.settings.quiet_seconds:
            study.busy = False  # images came while others were segmented
            return
        wanted = self._wanted(study)
        try:
            half = self._missing(study, wanted)
        except LinkError as error:
            study.arrived, study.busy = time.monotonic(), False
            self.spool.audit.note("waiting", study=study.uid, reason=str(error))
            return
        if half and study.incomplete < self.file.settings.give_up_after:
            study.incomplete += 1
            study.arrived, study.busy = time.monotonic(), False
            self.spool.audit.note("incomplete", study=study.uid, reason=half)
            return
        begun = study.last("round", "done", "dead", "again")
        resumed = begun is not None and begun["event"] == "round" and study.taken == _images(wanted)
        if not resumed:
            study.journal.add("round", round=study.round + 1, images=sorted(_images(wanted)))
            what = "complete" if wanted else "no rule"
            self.spool.audit.note(
                what, study=study.uid, images=len(study.images), series=len(wanted), round=study.round
            )
        number = study.round
        if half:
            study.journal.add("dead", round=number, reason=half)
            self.spool.audit.note("dead", study=study.uid, round=number, reason=half)
            study.busy = False
            return
        events = [event for event in study.journal.events if event.get("round") == number]
        done = {event["series"] for event in events if event["event"] in ("result", "failed")}
        for series, (rule, own) in wanted.items():
            if series in done:
                continue
            self._one_series(study, number, series, rule)
            if self._stopping.is_set():
                return
            if self._wanted(study).get(series, (rule, frozenset()))[1] != own:
                # late images: these results are of half a series, and nobody gets them
                self.spool.audit.note("stale", study=study.uid, series=series, round=number)
                study.journal.add("dead", round=number, reason="late images came while it was segmented")
                study.busy = False
                return
        self._outbox.put((study, number, resumed))

    def _missing(self, study: Study, wanted: Wanted) -> str:
        """Why a study is no whole one, as the PACS says that is asked; empty where it is or nobody is asked.

        Raises:
            LinkError: it cannot be asked now.
        """
        name = self.file.settings.complete_by
        if not name:
            return ""
        archive = open_archive(self.file.servers[name])
        for series, (_, own) in wanted.items():
            there = archive.images(study.uid, series)
            if there is None:
                self.spool.audit.note("not asked", study=study.uid, reason=f"{name} answers no query for images")
            elif not there <= own:
                return f"half a series: {len(own)} of {len(there | own)} images of {series} came"
        return ""

    def _one_series(self, study: Study, number: int, series: str, rule: Rule) -> None:
        folder = f"{number}-{secrets.token_hex(4)}"
        job = {
            "bundle": rule.bundle,
            "device": rule.device,
            "images": str(study.pictures),
            "series": series,
            "folder": str(study.folder / "results" / folder),
        }
        start, reason = time.monotonic(), ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self.worker.run(job, seconds=self.file.settings.segment_minutes * 60)
                break
            except WorkerDiedError as error:
                if self._stopping.is_set():
                    return
                reason = str(error)
                self.spool.audit.note("worker died", study=study.uid, series=series, reason=reason)
        else:
            answer = {"error": f"{reason}, {_ATTEMPTS} times"}
        seconds = round(time.monotonic() - start, 2)
        if "error" in answer:
            reason = _without_names(str(answer["error"]), study.folder)
            study.journal.add("failed", round=number, series=series, rule=rule.name, reason=reason)
            self.spool.audit.note("failed", study=study.uid, series=series, rule=rule.name, reason=reason)
            return
        files = [name for kind in rule.send for name in answer["files"].get(kind, ())]
        study.journal.add(
            "result", round=number, series=series, rule=rule.name, folder=folder, send_files=files, to=list(rule.to)
        )
        self.spool.audit.note(
            "segmented", study=study.uid, series=series, rule=rule.name, findings=answer["findings"], seconds=seconds
        )

    def _send(self) -> None:
        waiting: list[tuple[float, int, float, Study, int]] = []
        while not self._stopping.is_set():
            with suppress(Empty):
                study, number, resumed = self._outbox.get(timeout=_TICK_S)
                waiting.append((0.0, int(resumed), time.monotonic(), study, number))
            now = time.monotonic()
            due = [entry for entry in waiting if entry[0] <= now]
            waiting = [entry for entry in waiting if entry[0] > now]
            for entry in due:
                again = self._send_round(*entry)
                if again is not None:
                    waiting.append(again)

    def _send_round(
        self, _due: float, attempt: int, first: float, study: Study, number: int
    ) -> tuple[float, int, float, Study, int] | None:
        """Send a round's results; gives when and how to try again, None when it is finished."""
        try:
            refused = self._sender.send(study, number, resumed=attempt > 0)
        except (LinkError, OSError) as error:
            self.spool.audit.note("not sent", study=study.uid, reason=str(error), attempt=attempt + 1)
            if time.monotonic() - first < self.file.settings.send_hours * 3600:
                return time.monotonic() + WAIT_S[min(attempt, len(WAIT_S) - 1)], attempt + 1, first, study, number
            refused = [f"given up: {error}"]
        except InputError as error:
            refused = [str(error)]
        except Exception as error:
            self._fault(study, error)
            return None
        try:
            self._close_round(study, number, refused)
        except OSError as error:
            # what was sent stands in the journal, or the server is asked
            self.spool.audit.note("waiting", study=study.uid, reason=error.strerror or str(error))
            return time.monotonic() + WAIT_S[1], attempt + 1, first, study, number
        return None

    def _fault(self, study: Study, error: Exception) -> None:
        """A fault of this program ends the round of one study, and no thread."""
        reason = f"it failed unexpectedly ({type(error).__name__})"
        traceback.print_exc()
        self.spool.audit.note("dead", study=study.uid, reason=reason)
        with suppress(OSError):
            study.journal.add("dead", round=study.round, reason=reason)
        study.busy = False

    def _close_round(self, study: Study, number: int, refused: Sequence[str]) -> None:
        events = [event for event in study.journal.events if event.get("round") == number]
        reasons = [str(event["reason"]) for event in events if event["event"] in ("failed", "refused")]
        reasons += [reason for reason in refused if reason not in reasons]
        if reasons:
            study.journal.add("dead", round=number, reason="; ".join(reasons))
            self.spool.audit.note("dead", study=study.uid, round=number, reason="; ".join(reasons))
        else:
            study.journal.add("done", round=number)
            sent = sum(len(event["images"]) for event in events if event["event"] == "sent")
            self.spool.audit.note("done", study=study.uid, round=number, sent=sent)
        study.busy = False


def _ended(study: Study) -> str:
    """How the last round ended: "done", "dead", or "" where it runs or none was."""
    end = study.last("round", "done", "dead", "again")
    return "" if end is None or end["event"] in ("round", "again") else str(end["event"])


def _images(wanted: Wanted) -> set[str]:
    return {uid for _, images in wanted.values() for uid in images}


def _without_names(reason: str, folder: Path) -> str:
    return reason.replace(str(folder), "the study")
