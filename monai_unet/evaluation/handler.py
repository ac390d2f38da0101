"""Scoring as a component of a bundle: the handler of every `evaluate.yaml`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils import string_list_all_gather

from monai_unet.errors import InputError
from monai_unet.evaluation.label_maps import labels_of, read_label_map, require_same_grid
from monai_unet.evaluation.scores import ClassScore, Status, score_case
from monai_unet.evaluation.summary import summarise
from monai_unet.evaluation.surface import Surface
from monai_unet.evaluation.tables import text_table, write_cases_csv, write_summary_json
from monai_unet.io import case_name, grid_of

logger = logging.getLogger(__name__)


class ScoreHandler:
    """Scores each case of an evaluator on its original grid and writes `cases.csv` and `summary.json` at the end.

    The prediction is the post-processed output, a label map MetaTensor (1, S, A, R) on the grid of the file (behind
    `Invertd`). The reference is read from the label's file, untouched by any transform of the bundle; the batch may
    hold the loaded label or only its path. A case whose grids differ is refused by name and the others go on.

    Args:
        output_dir: folder of the results.
        labels: name of each label value; 0 is background.
        tolerance_mm: tolerance or tolerances of the normalized surface Dice.
        surface: definition of the surface, "area" or "voxel".
        pred_key, label_key: where prediction and label stand in the evaluator's output and batch.
        provenance: written into `summary.json`: bundle, version, hashes.
    """

    def __init__(
        self,
        output_dir: str | Path,
        labels: Mapping[int | str, str],
        *,
        tolerance_mm: float | Sequence[float] = 1.0,
        surface: Surface | str = Surface.AREA,
        pred_key: str = "pred",
        label_key: str = "label",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.labels = {int(value): str(name) for value, name in labels.items()}
        self.tolerance_mm = tolerance_mm
        self.surface = Surface(surface)
        self.pred_key = pred_key
        self.label_key = label_key
        self.provenance = provenance
        self._scores: list[ClassScore] = []
        self._failures: list[dict[str, str]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._score_batch)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _start(self, engine: Engine) -> None:
        self._scores, self._failures = [], []

    def _score_batch(self, engine: Engine) -> None:
        outputs, batch = engine.state.output, engine.state.batch
        if not isinstance(outputs, list) or not isinstance(batch, list):
            raise ValueError("ScoreHandler scores case by case: the evaluator needs decollate=True")
        for output, given in zip(outputs, batch, strict=True):
            prediction = output[self.pred_key]
            path = _path(given.get(self.label_key))
            name = case_name(_path(prediction) or path or f"case {len(self._scores) + len(self._failures)}")
            try:
                self._scores += self._score(name, prediction, path)
            except InputError as error:
                logger.warning("%s: %s", name, error)
                self._failures.append({"case": name, "reason": str(error)})

    def _score(self, name: str, prediction: Any, label_path: str) -> list[ClassScore]:
        if not isinstance(prediction, MetaTensor):
            raise InputError(
                "the prediction has no geometry (not a MetaTensor), so it was not put back on the file's grid."
            )
        if not label_path:
            raise InputError("the label's file is not known; give the label's path under its key.")
        reference, reference_grid = read_label_map(label_path)
        labels = labels_of(prediction, where="the prediction")
        grid = grid_of(prediction)
        require_same_grid(grid, reference_grid)
        return score_case(
            labels,
            reference,
            spacing=reference_grid.spacing,
            labels=self.labels,
            tolerance_mm=self.tolerance_mm,
            surface=self.surface,
            case=name,
        )

    def _write(self, engine: Engine) -> None:
        scores, failures = self._gathered()
        if idist.get_rank() != 0:
            return
        summary = summarise(scores) if scores else None
        write_cases_csv(scores, self.output_dir / "cases.csv")
        write_summary_json(
            summary,
            self.output_dir / "summary.json",
            surface=self.surface,
            failures=failures,
            provenance=self.provenance,
        )
        for failure in failures:
            print(f"not scored: {failure['case']}: {failure['reason']}")
        if summary is None:
            raise InputError(f"No case could be scored; {self.output_dir / 'summary.json'} names the reason of each.")
        print(text_table(summary))

    def _gathered(self) -> tuple[list[ClassScore], list[dict[str, str]]]:
        """Scores and failures of all ranks; a case that a distributed sampler repeated counts once."""
        here = [json.dumps(asdict(score)) for score in self._scores], [json.dumps(f) for f in self._failures]
        scores, failures = ([line for line in string_list_all_gather(lines) if line] for lines in here)
        rows = {(row.case, row.label): row for row in (_score_from(json.loads(line)) for line in scores)}
        return list(rows.values()), [json.loads(line) for line in dict.fromkeys(failures)]


def _score_from(fields: dict[str, Any]) -> ClassScore:
    fields |= {"status": Status(fields["status"]), "nsd": tuple(fields["nsd"])}
    return ClassScore(**fields | {"tolerances_mm": tuple(fields["tolerances_mm"])})


def _path(value: Any) -> str:
    """Path of a batch entry: itself, or the file that a MetaTensor was loaded from; empty where unknown."""
    if isinstance(value, MetaTensor):
        return str(value.meta.get("filename_or_obj", ""))
    return value if isinstance(value, str) else ""
