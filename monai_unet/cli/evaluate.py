"""`monai-unet evaluate`: score predictions, or segment a data set with a bundle and score that."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.errors import InputError

LESION_WORDS = ("tumour", "tumor", "lesion", "metasta", "nodule", "cancer", "sarcoma", "glioma", "gtv", "plaque")
"""A class whose name holds one of these is scored by lesion unless --lesions says otherwise."""

JOURNAL = "journal.jsonl"
_LOG_EVERY_S = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    source = parser.add_argument_group("what is scored")
    source.add_argument("--predictions", metavar="DIR", help="label maps, one file per case, named as the references")
    source.add_argument("--references", metavar="DIR", help="reference label maps")
    source.add_argument(
        "--images", metavar="DIR", help="image or DICOM folder of each case, for pictures and for DICOM"
    )
    source.add_argument(
        "--pairs", metavar="CSV", help="instead: a CSV with the columns prediction,reference[,case,image]"
    )
    source.add_argument(
        "--dataset", metavar="DIR", help="instead: a folder with dataset.json (Decathlon or nnU-Net raw)"
    )
    source.add_argument("--key", default="test", help="list of the data set: training, validation, test (default test)")
    source.add_argument("--bundle", metavar="NAME", help="segment the data set with this bundle first")
    source.add_argument("--checkpoint", metavar="FILE", help="weights to use instead of the bundle's own")
    source.add_argument(
        "--trust", action="store_true", help="agree to run a model that is not built in (its config can run any code)"
    )
    source.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: the best there is)")
    source.add_argument("--probabilities", metavar="DIR", help="foreground probability of each case, for calibration")
    how = parser.add_argument_group("how")
    how.add_argument("--labels", nargs="+", metavar="VALUE=NAME", help="names of the label values, as 1=liver 2=tumour")
    how.add_argument(
        "--tolerance", nargs="+", type=float, default=[1.0], metavar="MM", help="of the surface Dice (1 mm)"
    )
    how.add_argument("--surface", choices=("area", "voxel"), default="area", help="definition of the surface")
    how.add_argument(
        "--lesions",
        nargs="+",
        metavar="NAME",
        help="classes scored lesion by lesion, or 'all' or 'none' (default: those whose name says tumour, lesion, ...)",
    )
    run = parser.add_argument_group("running")
    run.add_argument("--output", required=True, metavar="DIR", help="folder of the results")
    run.add_argument("--resume", action="store_true", help="go on with an evaluation that was stopped")
    run.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core; with --bundle 1)")
    run.add_argument("--cluster", metavar="ADDRESS", help="run on the Dask scheduler at this address instead")


def run(arguments: argparse.Namespace) -> int:
    """Pair, score, write; 0 all scored, 2 some cases failed, 1 none was scored."""
    from monai_unet.evaluation import (
        Evaluation,
        ScoreFiles,
        SegmentAndScore,
        Settings,
        Surface,
        provenance,
        text_table,
        write_outputs,
    )

    folder = Path(arguments.output)
    started = provenance.now()
    pairing = _pairing(arguments)
    labels, model = _labels_and_model(arguments, pairing)
    settings = Settings(
        labels=labels,
        tolerances_mm=tuple(arguments.tolerance),
        surface=Surface(arguments.surface),
        lesion_labels=_lesion_labels(labels, arguments.lesions),
    )
    if not pairing.pairs:
        for refusal in pairing.refusals:
            print(f"not scored: {refusal.case}: {refusal.reason}", file=sys.stderr)
        raise InputError("No prediction has a reference; see the list above.")
    work: Any = ScoreFiles(settings)
    if arguments.bundle:
        work = SegmentAndScore(settings, arguments.bundle, arguments.device, arguments.checkpoint)
    scored, failed = _results(arguments, pairing.pairs, work, folder, {"settings": asdict(settings), "model": model})
    refusals = [*pairing.refusals, *failed]
    made = provenance.environment() | {
        "title": f"Evaluation of {arguments.bundle or arguments.predictions or arguments.pairs}",
        "started": started,
        "finished": provenance.now(),
        "inputs": _inputs(arguments),
        "bundle": model,
    }
    summary = write_outputs(Evaluation(settings, scored, refusals, made), folder)
    for refusal in refusals:
        print(f"not scored: {refusal.case}: {refusal.reason}", file=sys.stderr)
    if summary is not None:
        print(text_table(summary))
    print(f"{len(scored)} of {len(scored) + len(refusals)} cases scored; report: {folder / 'report.html'}")
    return FAILURE if summary is None else SOME_FAILED if refusals else SUCCESS


def _pairing(arguments: argparse.Namespace) -> Any:
    from monai_unet.evaluation import pairs

    _refuse_mixed(arguments)
    named, probabilities = bool(arguments.labels), arguments.probabilities
    if arguments.pairs:
        return pairs.pair_csv(arguments.pairs)
    if arguments.bundle:
        predictions = Path(arguments.output) / "predictions"
        return pairs.pair_dataset(arguments.dataset, arguments.key, predictions, made_later=True, named=named)
    if arguments.dataset:
        return pairs.pair_dataset(
            arguments.dataset, arguments.key, arguments.predictions, probabilities=probabilities, named=named
        )
    return pairs.pair_folders(
        arguments.predictions, arguments.references, images=arguments.images, probabilities=probabilities, named=named
    )


_SOURCES = ("predictions", "references", "images", "pairs", "dataset", "bundle", "checkpoint", "probabilities")
_TOGETHER: tuple[tuple[set[str], set[str]], ...] = (
    ({"pairs"}, set()),
    ({"dataset", "bundle"}, {"checkpoint"}),
    ({"dataset", "predictions"}, {"probabilities"}),
    ({"predictions", "references"}, {"images", "probabilities"}),
)
"""What must be given together, and what may stand beside it."""


def _refuse_mixed(arguments: argparse.Namespace) -> None:
    """An option that would not be used is refused, not passed over."""
    given = {name for name in _SOURCES if getattr(arguments, name)}
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


def _options(names: set[str]) -> str:
    return " and ".join(f"--{name}" for name in sorted(names))


def _labels_and_model(arguments: argparse.Namespace, pairing: Any) -> tuple[dict[int, str], dict[str, Any]]:
    """Names of the label values, and what is known of the model (empty without a bundle)."""
    from monai_unet.evaluation import labels_in

    model: dict[str, Any] = {}
    if arguments.bundle:
        model = _model(arguments)
    if arguments.labels:
        return _named(arguments.labels), model
    if pairing.labels:
        return dict(pairing.labels), model
    labels = labels_in((pair.reference, "".join(pair.images[:1])) for pair in pairing.pairs)
    print(f"No label names given (--labels); scoring {', '.join(labels.values())}.", file=sys.stderr)
    return labels, model


def _model(arguments: argparse.Namespace) -> dict[str, Any]:
    """Name and version of the bundle, and SHA-256 of its configs and weights.

    Raises:
        InputError: no such bundle or weights, or the bundle is not built in and the user has not agreed to it.
    """
    from monai_unet.bundle_format import find_bundle, require_trust
    from monai_unet.evaluation import sha256

    bundle = find_bundle(arguments.bundle)
    require_trust(bundle, consent=arguments.trust)
    files = sorted(p for folder in ("configs", "models") for p in (bundle.root / folder).glob("*") if p.is_file())
    hashes = {path.relative_to(bundle.root).as_posix(): sha256(path) for path in files}
    if arguments.checkpoint:
        if not Path(arguments.checkpoint).is_file():
            raise InputError(f"{arguments.checkpoint} does not exist; name a file of weights (--checkpoint).")
        hashes[arguments.checkpoint] = sha256(arguments.checkpoint)
    return {
        "name": arguments.bundle,
        "version": bundle.description.version,
        "checkpoint": arguments.checkpoint or "",
        "sha256": hashes,
    }


def _named(words: list[str]) -> dict[int, str]:
    labels = {}
    for word in words:
        value, _, name = word.partition("=")
        if not value.isdigit() or not name:
            raise InputError(f"--labels takes VALUE=NAME, such as 1=liver, got {word}.")
        labels[int(value)] = name
    return labels


def _lesion_labels(labels: dict[int, str], chosen: list[str] | None) -> tuple[int, ...]:
    names = {name.lower(): value for value, name in labels.items() if value != 0}
    if chosen is None:
        return tuple(value for name, value in names.items() if any(word in name for word in LESION_WORDS))
    if chosen == ["all"]:
        return tuple(names.values())
    if chosen == ["none"]:
        return ()
    unknown = [name for name in chosen if name.lower() not in names]
    if unknown:
        raise InputError(f"--lesions names {unknown[0]}, and the classes are {', '.join(names)}.")
    return tuple(names[name.lower()] for name in chosen)


def _results(
    arguments: argparse.Namespace, pairs: tuple[Any, ...], work: Any, folder: Path, settings: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """Scored cases in the order of the pairs, those of an earlier run too, and what failed; all are in the journal."""
    from monai_unet.evaluation import Journal, Refusal, StoredResults

    path = folder / JOURNAL
    if path.exists() and path.stat().st_size and not arguments.resume:
        raise InputError(
            f"{folder} holds an evaluation already; go on with it (--resume), or name another folder, or remove it."
        )
    wanted = {pair: index for index, pair in enumerate(pairs)}
    places, failed = [-1] * len(pairs), {}
    with Journal(path, settings, resume=arguments.resume) as journal:
        for place, result in journal.done():
            if result.pair in wanted:
                places[wanted[result.pair]] = place
        left = [pair for pair, place in zip(pairs, places, strict=True) if place < 0]
        if len(left) < len(pairs):
            done = len(pairs) - len(left)
            print(f"{done} of {len(pairs)} cases were scored before; {len(left)} to go.", file=sys.stderr)
        with _stop_on_sigterm(), closing(_run(arguments, left, work)) as finished, _bar(pairs, left) as bar:
            for result in finished:
                place = journal.append(result)
                if result.failure:
                    failed[wanted[result.pair]] = Refusal(result.pair.case, result.failure)
                else:
                    places[wanted[result.pair]] = place
                bar.update()
    return StoredResults(path, [place for place in places if place >= 0]), [failed[index] for index in sorted(failed)]


def _bar(pairs: Sequence[Any], left: Sequence[Any]) -> Any:
    """Progress with the remaining time: live on a terminal, a line a minute in a log."""
    every = 0.1 if sys.stderr.isatty() else _LOG_EVERY_S
    return tqdm(total=len(pairs), initial=len(pairs) - len(left), unit="case", mininterval=every)


def _run(arguments: argparse.Namespace, pairs: list[Any], work: Any) -> Generator[Any]:
    from monai_unet.evaluation import runner

    if arguments.cluster:
        return runner.run_on_cluster(pairs, work, address=arguments.cluster)
    workers = arguments.workers or (1 if arguments.bundle else runner.default_workers())
    if workers < 1:
        raise InputError(f"--workers must be 1 or more, got {workers}.")
    if workers == 1 or len(pairs) < 2:
        return runner.run_here(pairs, work)
    return runner.run_in_processes(pairs, work, workers=min(workers, len(pairs)))


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
        print("stopped; every finished case is kept, go on with --resume", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _inputs(arguments: argparse.Namespace) -> dict[str, str]:
    from monai_unet.evaluation import sha256

    named = {
        name: str(getattr(arguments, name))
        for name in ("predictions", "references", "images", "pairs", "dataset", "probabilities", "cluster")
        if getattr(arguments, name)
    }
    if arguments.dataset:
        named |= {"key": arguments.key, "dataset.json sha256": sha256(Path(arguments.dataset) / "dataset.json")}
    return named
