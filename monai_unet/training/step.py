"""What happens at each optimisation step beyond MONAI's trainer: clipping, schedule, average, a guard."""

from __future__ import annotations

import math

import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from monai_unet.training.weight_average import WeightAverage


class StepControl:
    """Trainer handler: clips the gradient's norm, steps schedule and average, stops when the loss is not a number.

    Args:
        network: the network that is trained.
        scheduler: learning-rate schedule in optimisation steps.
        average: the weight average, when there is one.
        max_norm: largest gradient norm (12, as nnU-Net).
    """

    def __init__(
        self,
        network: nn.Module,
        scheduler: LRScheduler,
        *,
        average: WeightAverage | None = None,
        max_norm: float = 12.0,
    ) -> None:
        self.network, self.scheduler, self.average, self.max_norm = network, scheduler, average, max_norm

    def attach(self, engine: SupervisedTrainer) -> None:
        """Attach to a MONAI `SupervisedTrainer`, before the validation."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._clip)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        if self.average is not None:
            self.average.attach(engine)

    def _clip(self, engine: SupervisedTrainer) -> None:
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)

    def _advance(self, engine: SupervisedTrainer) -> None:
        loss = float(engine.state.output["loss"].detach())
        if not math.isfinite(loss):
            raise RuntimeError(
                f"the loss became {loss} at iteration {engine.state.iteration}; lower --learning_rate and resume."
            )
        self.scheduler.step()
