"""Training for a given time instead of a number of epochs, so that networks of different cost compare fairly."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from monai_unet.errors import InputError

BUDGET_CSV = "budget.csv"


class TimeBudget:
    """Trainer handler that ends a training when its steps have taken a given time.

    Time is that of loading, augmentation, forward and backward passes, not of validation: CPU seconds of this process
    (all threads, no loader workers), or seconds of the wall clock where the network runs on a GPU. Attach it before the
    other handlers: it ends the last epoch early and validates it, so that they see a finished epoch.

    Args:
        seconds: the budget.
        evaluator: validates the last epoch where `val_interval` would not.
        output_dir: gets `budget.csv`, the seconds spent at the end of each epoch.
        val_interval: epochs between validations.

    Raises:
        InputError: `seconds` is no positive number.
    """

    def __init__(
        self,
        seconds: float,
        *,
        evaluator: Evaluator | None = None,
        output_dir: str | Path | None = None,
        val_interval: int = 1,
    ) -> None:
        if not 0 < seconds < float("inf"):
            raise InputError(f"a time budget must be a positive number of seconds, got {seconds}")
        self.factor = _Factor(seconds)
        self.evaluator, self.val_interval = evaluator, val_interval
        self.output_dir = Path(output_dir) if output_dir is not None else None
        self._mark = 0.0

    @property
    def spent(self) -> float:
        """Seconds spent so far, those before a resumption included."""
        return self.factor.spent

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer whose network may run anywhere."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_clock)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish_epoch)

    def _start_clock(self, engine: Engine) -> None:
        self._mark = _now()

    def _count(self, engine: Engine) -> None:
        now = _now()
        self.factor.spent += now - self._mark
        self._mark = now
        if self.spent >= self.factor.seconds:
            engine.terminate_epoch()

    def _finish_epoch(self, engine: Engine) -> None:
        if self.output_dir is not None:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            with (self.output_dir / BUDGET_CSV).open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([engine.state.epoch, engine.state.iteration, round(self.spent, 2)])
        if self.spent < self.factor.seconds:
            return
        if self.evaluator is not None and engine.state.epoch % self.val_interval:
            self.evaluator.run(engine.state.epoch)
        engine.terminate()


class _Factor:
    """Learning-rate factor from the share of the budget spent; LambdaLR saves and loads its attributes."""

    def __init__(self, seconds: float, warmup: float = 0.05) -> None:
        self.seconds, self.warmup, self.spent = float(seconds), warmup, 0.0

    def __call__(self, step: int) -> float:
        share = min(1.0, self.spent / self.seconds)
        if share < self.warmup:
            return max(0.01, share / self.warmup)
        return (1 - (share - self.warmup) / (1 - self.warmup)) ** 0.9


def budget_schedule(optimizer: Optimizer, budget: TimeBudget) -> LambdaLR:
    """Learning rate by the share of the budget spent: linear rise over 5 %, then (1 - t)^0.9.

    The schedule's state holds the seconds spent, so that a resumed training goes on with the rest of its budget.
    """
    return LambdaLR(optimizer, budget.factor)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.monotonic()
    return time.process_time()
