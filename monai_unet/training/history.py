"""A line per epoch: in the log, in `history.csv`, and as TensorBoard curves."""

from __future__ import annotations

import csv
import logging
import sys
import time
from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from tqdm import tqdm

from monai_unet.io import atomic_path
from monai_unet.mappings import Json

logger = logging.getLogger(__name__)
COLUMNS = ("epoch", "loss", "learning_rate", "seconds", "validation")


class History:
    """Trainer handler that keeps the curves of a run.

    Args:
        output_dir: folder of the run; `history.csv` and TensorBoard's files go there.
        evaluator: its key metric is the column `validation` (empty in epochs without validation).
        writes: whether this process writes (rank 0 of a distributed run).
    """

    def __init__(self, output_dir: str | Path, evaluator: Evaluator, *, writes: bool = True) -> None:
        self.output_dir, self.evaluator, self.writes = Path(output_dir), evaluator, writes
        self._losses: list[float] = []
        self._start = 0.0
        self._bar: tqdm | None = None
        self._board: Any = None

    def attach(self, engine: SupervisedTrainer) -> None:
        """Attach to the trainer, after the validation handler."""
        if not self.writes:
            return
        engine.add_event_handler(Events.EPOCH_STARTED, self._open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._close)
        engine.add_event_handler(Events.COMPLETED, self._finish)

    def _open(self, engine: SupervisedTrainer) -> None:
        self._losses, self._start = [], time.monotonic()
        if sys.stderr.isatty():
            total = engine.state.epoch_length
            self._bar = tqdm(total=total, desc=f"epoch {engine.state.epoch}/{engine.state.max_epochs}", leave=False)

    def _count(self, engine: SupervisedTrainer) -> None:
        self._losses.append(float(engine.state.output["loss"].detach()))
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{self._losses[-1]:.3f}")
            self._bar.update()

    def _close(self, engine: SupervisedTrainer) -> None:
        if self._bar is not None:
            self._bar.close()
        epoch, state = engine.state.epoch, self.evaluator.state
        validated = state.epoch == epoch and bool(state.metrics)
        row = {
            "epoch": epoch,
            "loss": round(sum(self._losses) / max(1, len(self._losses)), 5),
            "learning_rate": f"{engine.optimizer.param_groups[0]['lr']:.3g}",
            "seconds": round(time.monotonic() - self._start, 1),
            "validation": round(float(state.metrics[state.key_metric_name]), 5) if validated else "",
        }
        self._write(row)
        best = f", {state.key_metric_name} {row['validation']:.4f}" if validated else ""
        if validated:
            best += f" (best {state.best_metric:.4f} in epoch {state.best_metric_epoch})"
        logger.info("epoch %d/%d: loss %.4f%s", epoch, engine.state.max_epochs, row["loss"], best)

    def _write(self, row: Json) -> None:
        path = self.output_dir / "history.csv"
        # a run that goes on from before this epoch trains it again; whoever reads the file sees it once, and whole
        rows = [*_rows_before(path, row["epoch"]), row]
        with atomic_path(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(rows)
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.output_dir / "tensorboard"))
        for name in COLUMNS[1:]:
            if row[name] != "":
                self._board.add_scalar(name, float(row[name]), row["epoch"])

    def _finish(self, engine: SupervisedTrainer) -> None:
        if self._board is not None:
            self._board.close()


def _rows_before(path: Path, epoch: int) -> list[dict[str, str]]:
    """The epochs of a history before `epoch`, each once; a line that was cut short is none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row.get("epoch") or "").isdecimal()]
    return list({int(row["epoch"]): row for row in rows if int(row["epoch"]) < epoch}.values())
