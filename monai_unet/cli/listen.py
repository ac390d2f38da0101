"""`monai-unet listen rules.yaml`"""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.batch.listener import ListenFile


@dataclass(frozen=True, kw_only=True)
class ListenCommand(Command):
    """Receive studies, segment them by rules, and send results where a rule says."""

    rules: Annotated[Path, Positional("settings and rules (see docs/pacs.md)", metavar="RULES.YAML")]
    again: Annotated[
        str | None,
        Option("begin a study anew that is in the queue, a dead letter say; then stop", metavar="STUDY_UID"),
    ] = None
    check: Annotated[bool, Option("only check the file and the models it names")] = False

    def run(self) -> int:
        """Listen until stopped; with --check say what the file means."""
        from monai_unet.batch.listener import Listener, read_listen_settings

        file = read_listen_settings(self.rules)
        if self.check:
            _check_models(file)
            say(*_meaning(file), sep="\n")
            return 0
        if self.again:
            return _again(file, self.again)
        try:
            listener = Listener(file)
        except ModuleNotFoundError as error:
            if error.name == "fcntl":
                raise InputError("listen runs on Linux and macOS.") from None
            raise InputError(f"listening needs {error.name}; pip install 'monai-unet[dicom-network]'") from None
        stop = threading.Event()
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            listener.start()
            say(*_meaning(file), sep="\n", flush=True)
            stop.wait()
        finally:
            listener.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        return 0


def _again(file: ListenFile, uid: str) -> int:
    from monai_unet.batch.listener import Spool

    spool = Spool(file.settings.queue, file.keywords())
    try:
        study = spool.studies.get(uid)
        if study is None or study.dead:
            raise InputError(f"{uid}: {study.dead if study else 'there is no such study in the queue'}.")
        study.journal.add("again")
        spool.audit.note("again", study=uid)
    finally:
        spool.close()
    say(f"{uid} begins anew when the listener runs.")
    return 0


def _check_models(file: ListenFile) -> None:
    from monai_unet.bundle_format import find_bundle, require_trust

    for rule in file.rules:
        if rule.bundle:
            bundle = find_bundle(rule.bundle)
            require_trust(bundle)
            channels = len(bundle.description.channels)
            if channels > 1:
                raise InputError(
                    f"rule '{rule.name}': {rule.bundle} takes {channels} series of a case, and a rule names one."
                )


def _meaning(file: ListenFile) -> list[str]:
    settings = file.settings
    lines = [f"{settings.ae_title} listens at {settings.address}:{settings.port} for {', '.join(settings.allow)}"]
    if settings.http_port:
        lines.append(f"STOW-RS, /health and /metrics at {settings.address}:{settings.http_port}")
    lines.append(f"a study is complete after {settings.quiet_seconds:g} s without a new image; queue: {settings.queue}")
    for rule in file.rules:
        when = ", ".join(f"{keyword} ~ {pattern.pattern}" for keyword, pattern in rule.when.items()) or "everything"
        what = "left alone" if rule.ignore else rule.bundle
        leaves = f"{', '.join(rule.send)} to {', '.join(rule.to)}" if rule.to else "nothing leaves"
        lines.append(f"{rule.name}: {when}: {what}" + ("" if rule.ignore else f"; {leaves}"))
    return lines
