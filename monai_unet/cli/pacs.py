"""`monai-unet pacs find|fetch|send`"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from monai_unet.cli import SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import rewrite_line, say, say_json
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.io.dicom.network import Archive, FoundSeries, FoundStudy


_Step = TypeVar("_Step")
_Result = TypeVar("_Result")
_Numbers = tuple[int, int | None]


@dataclass(frozen=True, kw_only=True)
class PacsCommand(Command):
    """Find studies in a PACS, fetch them whole, send files to it."""

    action: Annotated[
        Literal["find", "fetch", "send"],
        Positional("find: list studies; fetch: copy studies into a folder; send: copy files into the PACS"),
    ]
    what: Annotated[
        tuple[str, ...],
        Positional("find: a StudyInstanceUID, for its series; fetch: StudyInstanceUIDs; send: files and folders"),
    ] = ()
    pacs: Annotated[str | None, Option("which PACS of the settings (default: the one they say)", metavar="NAME")] = None
    config: Annotated[
        Path | None, Option("settings, readable by you alone (default: ~/.monai-unet/pacs.yaml)", metavar="FILE")
    ] = None
    patient: Annotated[str | None, Option("find: the patient's identifier", metavar="ID")] = None
    name: Annotated[str | None, Option("find: the patient's name, Family^Given; * for any letters")] = None
    date: Annotated[str | None, Option("find: YYYYMMDD, or YYYYMMDD-YYYYMMDD")] = None
    modality: Annotated[str | None, Option("find: of a series of the study, for example MR")] = None
    accession: Annotated[str | None, Option("find: the number of the order", metavar="NUMBER")] = None
    identity: Annotated[bool, Option("find: also say who the patient is")] = False
    json: Annotated[bool, Option("find: for programs")] = False
    series: Annotated[
        tuple[str, ...], Option("fetch: only this series of one study; once for each", metavar="UID", repeat=True)
    ] = ()
    output: Annotated[Path, Option("fetch: folder for <StudyInstanceUID>/ (.)", short="-o", metavar="DIR")] = Path()
    quiet: Annotated[bool, Option("print nothing but errors")] = False

    def run(self) -> int:
        """Do it; 0 all done, 2 some files were refused."""
        archive = self._archive()
        if self.action == "find":
            return self._find(archive)
        return self._fetch(archive) if self.action == "fetch" else self._send(archive)

    def _archive(self) -> Archive:
        from monai_unet.io.dicom.network import one_of, open_archive, read_servers
        from monai_unet.paths import pacs_file

        servers, default = read_servers(self.config or pacs_file())
        return open_archive(one_of(servers, default, self.pacs))

    def _find(self, archive: Archive) -> int:
        from monai_unet.io.dicom.network import StudyQuery

        if len(self.what) > 1:
            raise InputError("find takes one StudyInstanceUID; without one it lists studies.")
        if self.what:
            rows = [_series_row(one) for one in archive.series(StudyQuery(study_uid=self.what[0]).study_uid)]
        else:
            query = StudyQuery(
                patient_id=self.patient or "",
                patient_name=self.name or "",
                date=self.date or "",
                modality=self.modality or "",
                accession=self.accession or "",
            )
            if query == StudyQuery():
                raise InputError("say what to look for: --patient, --name, --date, --modality or --accession.")
            found = sorted(archive.find(query), key=lambda study: (study.date, study.uid))
            rows = [_study_row(study, identity=self.identity) for study in found]
        if self.json:
            say_json(rows)
        elif not rows:
            say("nothing found", file=sys.stderr)
        else:
            say(*_table(rows), sep="\n")
        return SUCCESS

    def _fetch(self, archive: Archive) -> int:
        from monai_unet.io.dicom.network import StudyQuery, fetch_study

        if not self.what:
            raise InputError("fetch needs the StudyInstanceUID of a study; 'pacs find' lists them.")
        if self.series and len(self.what) > 1:
            raise InputError("--series chooses series of one study; fetch the studies one by one.")
        for uid in self.what:
            folder = self.output / StudyQuery(study_uid=uid).study_uid
            steps = fetch_study(archive, uid, folder, series=self.series)
            with closing(steps):
                images = self._watched(steps, lambda step: (step.done, step.total))
            if not self.quiet:
                say(f"{folder} ({images} images)")
        return SUCCESS

    def _send(self, archive: Archive) -> int:
        from monai_unet.io.dicom.network import send_files

        if not self.what:
            raise InputError("send needs the files or folders to send.")
        steps = send_files(archive, self.what)
        with closing(steps):
            sent = self._watched(steps, lambda step: step)
        for sentence in sent.refused:
            say(f"monai-unet: {sentence}", file=sys.stderr)
        if not self.quiet and sent.uids:
            found = "found there again" if sent.verified else "not looked for again: it answers no query for images"
            say(f"{len(sent.uids)} files sent to {archive.name}, {found}")
        if sent.refused and not sent.uids:
            raise InputError("no file was taken.")
        return SOME_FAILED if sent.refused else SUCCESS

    def _watched(self, steps: Generator[_Step, None, _Result], numbers: Callable[[_Step], _Numbers]) -> _Result:
        """Run to the end, with a line of progress on a terminal, and give what comes out."""
        from monai_unet.generators import drain

        live = sys.stderr.isatty() and not self.quiet

        def show(step: _Step) -> None:
            if live:
                done, total = numbers(step)
                rewrite_line(f"{done} of {total if total is not None else '?'}", file=sys.stderr)

        try:
            return drain(steps, show)
        finally:
            if live:
                rewrite_line(file=sys.stderr)


def _study_row(study: FoundStudy, *, identity: bool) -> dict[str, str | int | None]:
    row: dict[str, str | int | None] = {
        "date": study.date,
        "modalities": " ".join(study.modalities),
        "description": study.description,
        "images": study.images,
    }
    if identity:
        row |= {"patient_id": study.patient_id, "patient_name": study.patient_name}
    return {**row, "study": study.uid}


def _series_row(series: FoundSeries) -> dict[str, str | int | None]:
    return {
        "number": series.number,
        "modality": series.modality,
        "description": series.description,
        "images": series.images,
        "series": series.uid,
    }


def _table(rows: Sequence[dict[str, str | int | None]]) -> list[str]:
    from monai_unet.io import plain

    cells = [list(rows[0]), *([plain("" if value is None else str(value)) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(c.ljust(width) for c, width in zip(line, widths, strict=True)).rstrip() for line in cells]
