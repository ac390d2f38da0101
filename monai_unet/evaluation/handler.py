"""Scoring as a component of a bundle: the handler of every `evaluate.yaml`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import ignite.distributed as idist
import numpy as np
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils import string_list_all_gather
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation import provenance as origin
from monai_unet.evaluation.case_work import CaseResult, ScoreSettings, image_on, score_label_maps
from monai_unet.evaluation.detection import LesionRecord
from monai_unet.evaluation.label_maps import labels_of, read_label_map, require_same_grid
from monai_unet.evaluation.outputs import OUTPUT_NAMES, Evaluation, collect, write_outputs
from monai_unet.evaluation.pairs import Pair
from monai_unet.evaluation.regions import score_regions
from monai_unet.evaluation.scores import ClassScore
from monai_unet.evaluation.surface import Surface
from monai_unet.evaluation.tables import text_table
from monai_unet.geometry import Grid, grid_of
from monai_unet.io import case_name, claim_names, notes_of, plain, write_label_map
from monai_unet.io.datasets import unique_names

logger = logging.getLogger(__name__)


_SAYS_NOTHING = {"seg", "label", "labels", "mask", "segmentation"}
"""Names that are the same in the folder of every case."""


class ScoreHandler:
    """Scores each case of an evaluator on its original grid; at the end writes what `monai-unet evaluate` writes.

    The prediction is the post-processed output, a label map MetaTensor (1, S, A, R) on the grid of the file (behind
    `Invertd`). The reference is read from the label's file, untouched by any transform of the bundle; the batch may
    hold the loaded label or only its path. A case whose grids differ is refused by name and the others go on.

    Args:
        output_dir: folder of the results, which must not hold those of another run; the predictions are kept in
            `predictions` below it, under the names that the tables give the cases.
        labels: name of each label value; 0 is background.
        tolerance_mm: tolerance or tolerances of the normalized surface Dice.
        surface: definition of the surface, "area" or "voxel".
        lesions: label values whose connected parts are scored as lesions.
        regions: score these regions (name → label values, they may overlap) instead of the labels one by one.
        convert: turns the reference's values into those of `labels`, given the array, the name of its convention (under
            "convention" in the batch) and `name=` of the file; None: they are the same.
        pred_key, label_key, image_key: where prediction, label and image stand in the evaluator's output and batch.
        provenance: written into `summary.json`: bundle, version, hashes.
    """

    def __init__(
        self,
        output_dir: str | Path,
        labels: Mapping[int | str, str],
        *,
        tolerance_mm: float | Sequence[float] = 1.0,
        surface: Surface | str = Surface.AREA,
        lesions: Sequence[int] = (),
        regions: Mapping[str, Sequence[int]] | None = None,
        convert: Callable[..., NDArray[np.integer]] | None = None,
        pred_key: str = "pred",
        label_key: str = "label",
        image_key: str = "image",
        provenance: Mapping[str, object] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.regions = {str(name): [int(v) for v in values] for name, values in (regions or {}).items()}
        self.convert = convert
        named = dict(enumerate(self.regions, start=1)) if self.regions else labels
        self.settings = ScoreSettings(
            labels={int(value): str(name) for value, name in named.items()},
            tolerances_mm=tuple(tolerance_mm) if isinstance(tolerance_mm, Sequence) else (float(tolerance_mm),),
            surface=Surface(surface),
            lesion_labels=tuple(int(value) for value in lesions),
        )
        self.pred_key = pred_key
        self.label_key = label_key
        self.image_key = image_key
        self.provenance = dict(provenance or {})
        self._results: list[CaseResult] = []
        self._written: set[str] = set()

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._score_batch)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        # a process of a distributed run may have begun to write predictions before the first one looks
        predictions = ["predictions"] if idist.get_world_size() == 1 else []
        if idist.get_rank() == 0:
            claim_names(self.output_dir, [*OUTPUT_NAMES, *predictions], hint="or remove it")
        self._results, self._written = [], set()

    def _score_batch(self, engine: Engine) -> None:
        outputs, batch = engine.state.output, engine.state.batch
        if not isinstance(outputs, list) or not isinstance(batch, list):
            raise ValueError("ScoreHandler scores case by case: the evaluator needs decollate=True")
        for output, given in zip(outputs, batch, strict=True):
            prediction = output[self.pred_key]
            reference = _path(given.get(self.label_key))
            image = _path(given.get(self.image_key)) or _path(prediction)
            # until all cases are known, a path is the case's name
            pair = Pair(image or reference, "", reference, (image,) if image else ())
            try:
                self._results.append(self._score(pair, prediction, str(given.get("convention", ""))))
            except InputError as error:
                logger.warning("%s: %s", pair.case, error)
                self._results.append(CaseResult(pair, failure=str(error)))

    def _score(self, pair: Pair, prediction: object, convention: str) -> CaseResult:
        if not isinstance(prediction, MetaTensor):
            raise InputError(
                "the prediction has no geometry (not a MetaTensor): it was not put back on the file's grid."
            )
        if not pair.reference:
            raise InputError("the label's file is not known; give the label's path under its key.")
        reference, grid, of_reference = read_label_map(pair.reference)
        if self.convert is not None:
            reference = self.convert(reference, convention, name=pair.reference)
        labels = labels_of(prediction, where="the prediction")
        require_same_grid(grid_of(prediction), grid)
        image, of_image = image_on(pair, grid) if self.settings.lesion_labels else (None, ())
        scores, lesions = self._scores(labels, reference, grid, image, pair.case)
        written = self.output_dir / "predictions" / f"{self._name(pair.reference)}.nii.gz"
        write_label_map(labels, written, like=prediction.meta)
        roles = {"reference": of_reference, "image": tuple(dict.fromkeys([*notes_of(prediction.meta), *of_image]))}
        notes = tuple(f"{role}: {note}" for role, found in roles.items() for note in found)
        return CaseResult(replace(pair, prediction=str(written)), scores, lesions, notes=notes)

    def _name(self, reference: str) -> str:
        """As the reference is called, by which `evaluate` finds it again; with its folder where two have one name."""
        name = case_name(reference)
        if name in self._written or name.lower() in _SAYS_NOTHING:
            name = f"{Path(reference).parent.name}_{name}"
        self._written.add(name)
        return name

    def _scores(
        self,
        labels: NDArray[np.integer],
        reference: NDArray[np.integer],
        grid: Grid,
        image: NDArray[np.number] | None,
        case: str,
    ) -> tuple[tuple[ClassScore, ...], tuple[LesionRecord, ...]]:
        settings = self.settings
        if not self.regions:
            return score_label_maps(labels, reference, grid=grid, settings=settings, image=image, case=case)
        rows = score_regions(
            labels,
            reference,
            spacing=grid.spacing,
            regions=self.regions,
            tolerance_mm=settings.tolerances_mm,
            surface=settings.surface,
            case=case,
        )
        return tuple(rows), ()

    def _write(self, engine: Engine) -> None:
        results = self._gathered()
        if idist.get_rank() != 0:
            return
        scored, refusals = collect(results, ())
        bundle = self.provenance.get("bundle", "")
        title = f"Evaluation of {bundle}" if bundle else "Evaluation"
        made = origin.environment() | {"title": title, "finished": origin.now()} | self.provenance
        summary = write_outputs(Evaluation(self.settings, tuple(scored), tuple(refusals), made), self.output_dir)
        for refusal in refusals:
            print(plain(f"not scored: {refusal.case}: {refusal.reason}"))
        if summary is None:
            raise InputError(f"No case could be scored; {self.output_dir / 'summary.json'} names the reason of each.")
        print(text_table(summary))

    def _gathered(self) -> list[CaseResult]:
        """Results of all ranks under their short names; a case that a distributed sampler repeated counts once."""
        lines = string_list_all_gather([json.dumps(result.to_json()) for result in self._results])
        results = {r.pair.case: r for r in (CaseResult.from_json(json.loads(line)) for line in lines if line)}
        names = unique_names(list(results))
        return [_under_its_name(result.renamed(name)) for name, result in zip(names, results.values(), strict=True)]


def _under_its_name(result: CaseResult) -> CaseResult:
    """The result with its prediction called as the case, so that `evaluate` pairs the file again."""
    written = Path(result.pair.prediction)
    if not result.pair.prediction or idist.get_rank() != 0:
        return result
    final = written.with_name(f"{result.pair.case}.nii.gz")
    if written != final and written.is_file():
        written.rename(final)
    return replace(result, pair=replace(result.pair, prediction=str(final)))


def _path(value: object) -> str:
    """Path of a batch entry: itself, or the file that a MetaTensor was loaded from; empty where unknown."""
    if isinstance(value, MetaTensor):
        return str(value.meta.get("filename_or_obj", ""))
    return value if isinstance(value, str) else ""
