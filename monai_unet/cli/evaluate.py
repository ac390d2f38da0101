"""`monai-unet evaluate`: score predictions, or segment a data set with a bundle and score that."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

from tqdm import tqdm

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option
from monai_unet.cli.letters import say, say_notes
from monai_unet.errors import InputError
from monai_unet.generators import drain

if TYPE_CHECKING:
    from monai_unet.batch import Part
    from monai_unet.evaluation import CaseResult, Pair, Pairing, Recorded, Refusal, ScoreSettings

_LOG_EVERY_S = 60
_SCORED, _HOW, _RUNNING = "what is scored", "how", "running"


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(Command):
    """Score label maps against references and write the results."""

    predictions: Annotated[
        str | None, Option("label maps, one file per case, named as the references", metavar="DIR", group=_SCORED)
    ] = None
    references: Annotated[str | None, Option("reference label maps", metavar="DIR", group=_SCORED)] = None
    images: Annotated[
        str | None,
        Option("image or DICOM folder of each case, for pictures and for DICOM", metavar="DIR", group=_SCORED),
    ] = None
    pairs: Annotated[
        str | None,
        Option("instead: a CSV with the columns prediction,reference[,case,image]", metavar="CSV", group=_SCORED),
    ] = None
    dataset: Annotated[
        str | None,
        Option("instead: a folder with dataset.json (Decathlon or nnU-Net raw)", metavar="DIR", group=_SCORED),
    ] = None
    key: Annotated[str, Option("list of the data set: training, validation, test (default test)", group=_SCORED)] = (
        "test"
    )
    bundle: Annotated[
        str | None, Option("segment the data set with this bundle first", metavar="NAME", group=_SCORED)
    ] = None
    checkpoint: Annotated[
        str | None, Option("weights to use instead of the bundle's own", metavar="FILE", group=_SCORED)
    ] = None
    trust: Annotated[
        bool,
        Option("agree to run a model that is not built in (its config can run any code)", group=_SCORED),
    ] = False
    device: Annotated[str | None, Option("cpu, cuda, cuda:1, ... (default: the best there is)", group=_SCORED)] = None
    probabilities: Annotated[
        str | None, Option("foreground probability of each case, for calibration", metavar="DIR", group=_SCORED)
    ] = None
    labels: Annotated[
        tuple[str, ...],
        Option("names of the label values, as 1=liver 2=tumour", metavar="VALUE=NAME", group=_HOW),
    ] = ()
    tolerance: Annotated[tuple[float, ...], Option("of the surface Dice (1 mm)", metavar="MM", group=_HOW)] = (1.0,)
    surface: Annotated[Literal["area", "voxel"], Option("definition of the surface", group=_HOW)] = "area"
    lesions: Annotated[
        tuple[str, ...] | None,
        Option(
            "classes scored lesion by lesion, or 'all' or 'none' (default: those whose name says tumour, lesion, ...)",
            metavar="NAME",
            group=_HOW,
        ),
    ] = None
    output: Annotated[Path, Option("folder of the results", metavar="DIR", group=_RUNNING)]
    resume: Annotated[bool, Option("go on with an evaluation that was stopped", group=_RUNNING)] = False
    workers: Annotated[
        int | None, Option("processes (default: one per core; with --bundle 1)", metavar="N", group=_RUNNING)
    ] = None
    memory_limit: Annotated[
        float | None,
        Option(
            "memory that reading one volume may take (default: 70 %% of what is free)", metavar="GIB", group=_RUNNING
        ),
    ] = None
    cluster: Annotated[
        str, Option("run on the Dask scheduler at this address instead", metavar="ADDRESS", group=_RUNNING)
    ] = ""

    part: Annotated[
        str | None,
        Option(
            "only part I of N of the cases, by their names; auto in a job array (then: monai-unet gather)",
            metavar="I/N",
            group=_RUNNING,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Option("give a case up that takes longer; it is named, the others go on", metavar="SECONDS", group=_RUNNING),
    ] = None

    def run(self) -> int:
        """Pair, score, write; 0 all scored, 2 some cases failed, 1 none was scored."""
        from monai_unet.batch import part_of
        from monai_unet.evaluation import (
            Evaluation,
            ScoreSettings,
            Surface,
            journal_name,
            lesion_values,
            listed,
            provenance,
            run_recorded,
            text_table,
            write_outputs,
            write_part,
        )

        started, part = provenance.now(), part_of(self.part)
        pairing = self._pairing()
        self._claim(part)
        if not pairing.pairs:
            _name_refusals(pairing.refusals)
            raise InputError("No prediction has a reference; see the list above.")
        model, labels = self._model(), self._labels(pairing)
        settings = ScoreSettings(
            labels=labels,
            tolerances_mm=self.tolerance,
            surface=Surface(self.surface),
            lesion_labels=lesion_values(labels, self.lesions),
        )
        depends_on = {"settings": asdict(settings), "model": model}
        made = {
            "title": f"Evaluation of {self.bundle or self.predictions or self.pairs}",
            "started": started,
            "inputs": self._inputs(),
        }
        mine = part.of(pairing.pairs)
        if part.count > 1:
            write_part(
                self.output,
                part,
                cases=pairing.pairs,
                refusals=pairing.refusals,
                settings=settings,
                model=model,
                made=made,
            )
        steps = run_recorded(
            mine,
            self._runner(settings),
            self.output,
            settings=depends_on,
            resume=self.resume,
            makes_predictions=bool(self.bundle),
            journal_file=journal_name(part),
        )
        with _stop_on_sigterm(), closing(_Bar(len(mine))) as bar:
            scored = drain(steps, bar.show)
        for note in scored.notes:
            say(note, file=sys.stderr)
        if part.count > 1:
            return self._end_part(part, scored)
        refusals = [*pairing.refusals, *scored.failed]
        made = provenance.environment() | made | {"finished": provenance.now(), "bundle": model}
        evaluation = Evaluation(settings, scored.results, refusals, made)
        summary = write_outputs(evaluation, self.output)
        say_notes(f"{listed(cases)}: {note}" for note, cases in evaluation.notes().items())
        _name_refusals(refusals)
        if summary is not None:
            say(text_table(summary))
        cases = len(scored.results)
        say(f"{cases} of {cases + len(refusals)} cases scored; report: {self.output / 'report.html'}")
        return FAILURE if summary is None else SOME_FAILED if refusals else SUCCESS

    def _end_part(self, part: Part, scored: Recorded) -> int:
        """Say what became of a part; the report is of all parts."""
        _name_refusals(scored.failed)
        cases = len(scored.results)
        say(
            f"part {part}: {cases} of {cases + len(scored.failed)} cases scored; when all parts are done: "
            f"monai-unet gather {self.output}"
        )
        if scored.failed:
            return SOME_FAILED if cases else FAILURE
        return SUCCESS

    def _pairing(self) -> Pairing:
        from monai_unet.evaluation import pairs

        given = {name: value for name in _SOURCES if (value := getattr(self, name))}
        _refuse_mixed(given.keys())
        named, probabilities = bool(self.labels), self.probabilities
        if self.pairs:
            return pairs.pair_csv(self.pairs)
        if self.bundle:
            later = self.output / "predictions"
            return pairs.pair_dataset(given["dataset"], self.key, later, made_later=True, named=named)
        if self.dataset:
            return pairs.pair_dataset(
                self.dataset, self.key, given["predictions"], probabilities=probabilities, named=named
            )
        return pairs.pair_folders(
            given["predictions"], given["references"], images=self.images, probabilities=probabilities, named=named
        )

    def _claim(self, part: Part) -> None:
        """Refuse a folder whose files are not those of this evaluation, or are its inputs."""
        from monai_unet.evaluation import JOURNAL, OUTPUT_NAMES, has_parts
        from monai_unet.io import claim_names, input_at

        path = self.output / JOURNAL
        begun = path.is_file() and path.stat().st_size > 0
        if part.count > 1:
            # other parts may have begun, and have been gathered before
            begun = has_parts(self.output)
        elif has_parts(self.output):
            raise InputError(f"{self.output} holds parts of an evaluation; name another folder, or give --part again.")
        files = [self.pairs, self.checkpoint, Path(self.dataset) / "dataset.json" if self.dataset else None]
        names = [*OUTPUT_NAMES, JOURNAL, *(["predictions"] if self.bundle else [])]
        if not begun:
            folders = [self.predictions, self.references, self.images, self.probabilities]
            claim_names(self.output, names, inputs=[*files, *folders])
        for name in names:
            taken = input_at(self.output / name, files)
            if taken is not None:
                raise InputError(f"{taken} would be replaced by a result; name another folder with --output.")

    def _model(self) -> dict[str, object]:
        """Name and version of the bundle, and the hashes of its files; empty where nothing is segmented."""
        from monai_unet.bundle_format import find_bundle, require_trust
        from monai_unet.evaluation import provenance

        if not self.bundle:
            return {}
        bundle = find_bundle(self.bundle)
        require_trust(bundle, consent=self.trust)
        return provenance.model_of(bundle, self.checkpoint or "") | {"name": self.bundle}

    def _labels(self, pairing: Pairing) -> dict[int, str]:
        """Names of the label values: as given, as the data set states them, or those that the references hold."""
        from monai_unet.evaluation import labels_in

        if self.labels:
            return _named(self.labels)
        if pairing.labels:
            return dict(pairing.labels)
        labels = labels_in((pair.reference, "".join(pair.images[:1])) for pair in pairing.pairs)
        say(f"No label names given (--labels); scoring {', '.join(labels.values())}.", file=sys.stderr)
        return labels

    def _runner(self, settings: ScoreSettings) -> Callable[[Sequence[Pair]], Generator[CaseResult]]:
        """What scores cases: with a bundle one process, where the user does not say how many."""
        from monai_unet.batch import run_cases
        from monai_unet.evaluation import ScoreFiles, SegmentAndScore

        if not self.bundle:
            return partial(
                run_cases, work=ScoreFiles(settings), workers=self.workers, cluster=self.cluster, timeout_s=self.timeout
            )
        workers = 1 if self.workers is None else self.workers
        work = SegmentAndScore(settings, self.bundle, self.device, self.checkpoint)
        return partial(run_cases, work=work, workers=workers, cluster=self.cluster, timeout_s=self.timeout)

    def _inputs(self) -> dict[str, str]:
        """What was scored, for the provenance."""
        from monai_unet.io import sha256_of

        named = {
            name: str(getattr(self, name))
            for name in ("predictions", "references", "images", "pairs", "dataset", "probabilities", "cluster")
            if getattr(self, name)
        }
        if self.dataset:
            named |= {"key": self.key, "dataset.json sha256": sha256_of(Path(self.dataset) / "dataset.json")}
        return named


_SOURCES = ("predictions", "references", "images", "pairs", "dataset", "bundle", "checkpoint", "probabilities")
_TOGETHER: tuple[tuple[set[str], set[str]], ...] = (
    ({"pairs"}, set()),
    ({"dataset", "bundle"}, {"checkpoint"}),
    ({"dataset", "predictions"}, {"probabilities"}),
    ({"predictions", "references"}, {"images", "probabilities"}),
)
"""What must be given together, and what may stand beside it."""


def _refuse_mixed(given: Set[str]) -> None:
    """An option that would not be used is refused, not passed over."""
    for needed, allowed in _TOGETHER:
        if needed <= given:
            if given - needed - allowed:
                raise InputError(
                    f"{_options(given - needed - allowed)} cannot be used with {_options(needed)}; leave it out."
                )
            return
    raise InputError(
        "Say what to score: --predictions DIR --references DIR, or --dataset DIR with --bundle NAME or --predictions "
        "DIR, or --pairs CSV."
    )


def _options(names: Set[str]) -> str:
    return " and ".join(f"--{name}" for name in sorted(names))


def _named(words: Sequence[str]) -> dict[int, str]:
    labels = {}
    for word in words:
        value, _, name = word.partition("=")
        if not value.isdigit() or not name:
            raise InputError(f"--labels takes VALUE=NAME, such as 1=liver, got {word}.")
        labels[int(value)] = name
    return labels


def _name_refusals(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals:
        say(f"not scored: {refusal.case}: {refusal.reason}", file=sys.stderr)


class _Bar:
    """Progress with the remaining time, live on a terminal, a line a minute in a log; says what was done before."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: tqdm | None = None

    def show(self, done: int) -> None:
        """So many cases are scored; the first time, by an earlier run."""
        if self._bar is None:
            if done:
                left = self._total - done
                say(f"{done} of {self._total} cases were scored before; {left} to go.", file=sys.stderr)
            every = 0.1 if sys.stderr.isatty() else _LOG_EVERY_S
            self._bar = tqdm(total=self._total, initial=done, unit="case", mininterval=every)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the line."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """A polite kill (Slurm, Docker, shutdown) stops as Ctrl-C does: the journal keeps every finished case."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        say("stopped; every finished case is kept, go on with --resume", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
