"""`monai-unet interact`: how good a mask becomes with how many clicks, by a user who clicks into the largest error."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from monai_unet.cli import SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option
from monai_unet.cli.letters import say, say_json, say_notes
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.evaluation.clicks import ClickSettings, Curve
    from monai_unet.interaction import Answerer

DEFAULT_METHOD = "lesion_editor"
_WHAT, _HOW, _OUTPUT = "what is clicked at", "how", "output"


@dataclass(frozen=True, kw_only=True)
class InteractCommand(Command):
    """Measure one case or a data set."""

    image: Annotated[str | None, Option("a volume of one channel, or a DICOM folder", metavar="FILE", group=_WHAT)] = (
        None
    )
    reference: Annotated[
        str | None, Option("its reference label map, on the same grid", metavar="FILE", group=_WHAT)
    ] = None
    series: Annotated[
        str,
        Option("which DICOM series of FILE, where it holds several (see: monai-unet info)", metavar="UID", group=_WHAT),
    ] = ""
    initial: Annotated[
        str, Option("label map to begin with; of a data set a folder of <case> files", metavar="MASK", group=_WHAT)
    ] = ""
    dataset: Annotated[
        str | None,
        Option("instead: a folder with dataset.json, or such a file of another name in it", metavar="DIR", group=_WHAT),
    ] = None
    key: Annotated[str, Option("list of the data set: training, validation, test (default test)", group=_WHAT)] = "test"
    labels: Annotated[
        tuple[int, ...] | None,
        Option(
            "label values of the reference (default: all as one object; of a data set each label is one)",
            metavar="VALUE",
            group=_WHAT,
        ),
    ] = None
    method: Annotated[
        str,
        Option(
            f"a bundle, classical, or a server of nnInteractive's protocol: http://host:1527 ({DEFAULT_METHOD})",
            metavar="NAME",
            group=_HOW,
        ),
    ] = DEFAULT_METHOD
    clicks: Annotated[int, Option("clicks per object (10)", metavar="N", group=_HOW)] = 10
    tolerance: Annotated[float, Option("of the surface Dice (1 mm)", metavar="MM", group=_HOW)] = 1.0
    seed: Annotated[int | None, Option("of the choice between equally good clicks", metavar="N", group=_HOW)] = None
    trust: Annotated[
        bool, Option("agree to run a model that is not built in (its config can run any code)", group=_HOW)
    ] = False
    memory_limit: Annotated[
        float | None,
        Option("memory that reading one volume may take (default: 70 %% of what is free)", metavar="GIB", group=_HOW),
    ] = None
    json: Annotated[bool, Option("print one JSON object with a list for each score", group=_OUTPUT)] = False
    output: Annotated[Path | None, Option("folder of the report (with --dataset)", metavar="DIR", group=_OUTPUT)] = None
    overwrite: Annotated[bool, Option("replace a report that is there", group=_OUTPUT)] = False

    def run(self) -> int:
        """Measure and print; 0 all measured, 2 some cases failed, 1 none was measured."""
        from monai_unet.evaluation.clicks import SEED, ClickSettings
        from monai_unet.io import claim_names

        seed = SEED if self.seed is None else self.seed
        settings = ClickSettings(self.clicks, self.tolerance, seed)
        if bool(self.dataset) == bool(self.image or self.reference):
            raise InputError("Say what to measure: --image FILE --reference FILE, or --dataset DIR.")
        if self.dataset and self.series:
            raise InputError('--series is for --image; a data set names the series of a case in its file ("series").')
        if self.dataset:
            if not self.output:
                raise InputError("A data set needs a folder for its report; name one: --output DIR.")
            names = ["cases.csv", "curves.png", "summary.json", "report.html"]
            claim_names(self.output, names, overwrite=self.overwrite, hint="or say --overwrite")
            answerer = self._answerer()
            return self._data_set(self.dataset, self.output, answerer, settings)
        if not self.image or not self.reference:
            raise InputError("One case needs both --image FILE and --reference FILE.")
        return self._one(self.image, self.reference, self._answerer(), settings)

    def _answerer(self) -> Answerer:
        from monai_unet.interaction.answering import build_answerer
        from monai_unet.interaction.remote import RemoteAnswerer

        answerer = build_answerer(self.method, trust=self.trust)
        if isinstance(answerer, RemoteAnswerer):
            say_notes([answerer.facts.sentence])  # before the first image is sent
        return answerer

    def _one(self, image: str, reference: str, answerer: Answerer, settings: ClickSettings) -> int:
        from monai_unet.evaluation.clicks import measure_object, read_case

        case = read_case(image, reference, initial=self.initial, series=self.series)
        say_notes(case.notes)
        curve = measure_object(case, answerer, settings, self.labels)
        if self.json:
            say(json.dumps(self._as_json(curve, settings), allow_nan=False))
            return SUCCESS
        say("clicks  Dice   NSD    Dice outside  ms")
        columns = zip(curve.dice, curve.nsd, curve.dice_outside, curve.milliseconds, strict=True)
        for count, (dice, nsd, outside, milliseconds) in enumerate(columns):
            say(f"{count:6d}  {dice:.3f}  {nsd:.3f}  {outside:.3f}         {milliseconds:.0f}")
        return SUCCESS

    def _as_json(self, curve: Curve, settings: ClickSettings) -> dict[str, object]:
        from monai_unet.evaluation.clicks import BALL, TARGETS

        return {
            "image": self.image,
            "reference": self.reference,
            "method": self.method,
            "dice": curve.dice,
            "nsd": curve.nsd,
            "dice_outside": [value if isfinite(value) else None for value in curve.dice_outside],
            "milliseconds": [round(value, 3) for value in curve.milliseconds],
            "clicks": [{"world": click.world, "include": click.positive} for click in curve.clicks],
            "clicks_to": {f"{target:.2f}": curve.clicks_to(target) for target in TARGETS},
            "tolerance_mm": settings.tolerance_mm,
            "outside_ball_voxels": BALL,
            "seed": settings.seed,
            "notes": curve.notes,
        }

    def _data_set(self, dataset: str, output: Path, answerer: Answerer, settings: ClickSettings) -> int:
        from monai_unet.evaluation import Refusal, provenance
        from monai_unet.evaluation.clicks import (
            MeasuredObject,
            chosen_pictures,
            list_cases,
            measure_cases,
            write_benchmark,
        )

        started = provenance.now()
        measured: list[MeasuredObject] = []
        refusals: list[Refusal] = []
        files = list_cases(dataset, self.key, initial=self.initial)
        for found in measure_cases(files, answerer, settings, self.labels):
            if isinstance(found, Refusal):
                refusals.append(found)
                say(f"not measured: {found.case}: {found.reason}", file=sys.stderr)
            else:
                measured.append(found)
                say(f"{found.caption}: Dice {found.dice:.3f}", file=sys.stderr)
                say_notes(found.curve.curve.notes, indent="    ")
        if not measured:
            raise InputError("No case of the data set could be measured; see the list above.")
        made = provenance.environment() | {
            "title": f"Clicks with {self.method} on {Path(dataset).name}, {self.key}",
            "started": started,
            "finished": provenance.now(),
            "tolerance of NSD": f"{settings.tolerance_mm:g} mm",
            "seed": str(settings.seed),
        }
        curves = [found.curve for found in measured]
        table = write_benchmark(curves, refusals, output, provenance=made, pictures=chosen_pictures(measured))
        if self.json:
            say_json(json.loads((output / "summary.json").read_text(encoding="utf-8")))
        else:
            say(table)
            say(f"{len(measured)} objects measured, {len(refusals)} cases not; report: {output / 'report.html'}")
        return SOME_FAILED if refusals else SUCCESS
