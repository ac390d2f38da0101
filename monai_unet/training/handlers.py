"""The handlers that every bundle's trainer has, in the order in which they must run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import EarlyStopHandler, ValidationHandler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from monai_unet.errors import InputError
from monai_unet.training.averaging import WeightAverage
from monai_unet.training.checkpoint import TrainingCheckpoint
from monai_unet.training.history import History
from monai_unet.training.step import StepControl


def training_handlers(
    *,
    output_dir: str | Path,
    network: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    average: WeightAverage,
    loader: DataLoader,
    evaluator: Evaluator,
    val_interval: int = 1,
    early_stop: int = 0,
    ckpt: str = "",
    resume: str = "",
    seed: int = 0,
    writes: bool = True,
) -> list[Any]:
    """Clipping and schedule, weight average, validation, history, early stopping, checkpoints.

    Args:
        output_dir: folder of the run: `last.pt`, `best.pt`, `history.csv`, TensorBoard's files.
        network: the network that is trained (unwrapped from DistributedDataParallel).
        ckpt: a plain state dict to start from, or "".
        early_stop: validations without a better metric after which training stops; 0: never.
        resume: see `TrainingCheckpoint`.

    Raises:
        InputError: `ckpt` is missing or belongs to another network.
    """
    if ckpt:
        load_weights(network, ckpt)
        average.average.load_state_dict(network.state_dict())
    handlers: list[Any] = [
        StepControl(network, scheduler),
        average,
        ValidationHandler(val_interval, evaluator),
        History(output_dir, evaluator, writes=writes),
    ]
    if early_stop > 0:
        handlers.append(_EarlyStop(early_stop, evaluator))
    handlers.append(
        TrainingCheckpoint(
            output_dir,
            network=network,
            optimizer=optimizer,
            scheduler=scheduler,
            sampler=loader.sampler,  # type: ignore[arg-type]
            average=average,
            evaluator=evaluator,
            resume=resume,
            seed=seed,
            writes=writes,
        )
    )
    return handlers


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a plain state dict (tensors only) into a network.

    Raises:
        InputError: the file is missing, damaged, or belongs to another network.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; name a file of weights (a PyTorch state dict).")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"{path} does not fit this network or is damaged ({first_line}).") from error


def exit_if_stopped(trainer: Engine) -> None:
    """After a signal stopped the trainer, leave with the code that schedulers expect (128 + signal number)."""
    number = getattr(trainer.state, "stopped_by", None)
    if number is not None:
        raise SystemExit(128 + number)


class _EarlyStop:
    """MONAI's `EarlyStopHandler` on the evaluator, tied to the trainer that it is attached to."""

    def __init__(self, patience: int, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.handler = EarlyStopHandler(
            patience=patience,
            score_function=lambda engine: engine.state.metrics[engine.state.key_metric_name],
            trainer=None,
        )

    def attach(self, engine: Engine) -> None:
        self.handler.set_trainer(engine)
        self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self.handler)
