"""Last and best checkpoint, written whole or not at all; resume to the identical result; SIGTERM saves and stops."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from monai_unet.bundle_format import read_tensors
from monai_unet.errors import InputError
from monai_unet.io import atomic_path
from monai_unet.mappings import Json
from monai_unet.training.reproducible import EpochSampler, derived_seed
from monai_unet.training.weight_average import WeightAverage

LAST, BEST, HISTORY = "last.pt", "best.pt", "history.csv"
logger = logging.getLogger(__name__)


class TrainingCheckpoint:
    """Trainer handler that makes a run resumable.

    `last.pt` holds everything that training needs to go on; `best.pt` is the plain state dict of the validated
    network. Both hold tensors and plain values only (`torch.load(weights_only=True)`).

    Args:
        output_dir: folder of the run.
        network: the network that is trained (unwrapped from DistributedDataParallel).
        optimizer, scheduler: stepped by the trainer.
        sampler: the training loader's `EpochSampler`.
        average: the weight average, when there is one.
        evaluator: the validation engine whose best key metric selects `best.pt`.
        resume: "" (start anew), a `last.pt` or the folder of one, or "auto" (that of `output_dir`, if it exists).
        overwrite: begin anew in a folder that holds a run, whose weights and history are lost.
        writes: whether this process writes files (rank 0 of a distributed run).

    Raises:
        InputError: `output_dir` holds a run that is neither resumed nor to be overwritten, or nothing to resume.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        network: nn.Module,
        optimizer: Optimizer,
        scheduler: LRScheduler,
        sampler: EpochSampler,
        average: WeightAverage | None = None,
        evaluator: Evaluator | None = None,
        resume: str = "",
        seed: int = 0,
        overwrite: bool = False,
        writes: bool = True,
    ) -> None:
        self.output_dir, self.resume, self.seed, self.writes = Path(output_dir), resume, seed, writes
        self.overwrite = overwrite
        self._refuse_loss()
        self.parts: Json = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
        if average is not None:
            self.parts["average"] = average.model
        self.validated = average.average if average is not None else network
        self.sampler, self.evaluator = sampler, evaluator
        self.stopped_by: int | None = None
        self._resumed_inside = False
        self._handler_before: Any = signal.SIG_DFL

    def attach(self, engine: SupervisedTrainer) -> None:
        """Attach to the trainer; reads the checkpoint to resume from when the run starts."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._seed_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop_if_asked)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)
        engine.add_event_handler(Events.COMPLETED, self._end)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._save_best)

    def save(self, engine: SupervisedTrainer) -> None:
        """Write `last.pt`."""
        if not self.writes:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state["trainer"] = {"iteration": engine.state.iteration, "epoch_length": engine.state.epoch_length}
        state["torch_rng"] = torch.get_rng_state()
        if self.evaluator is not None:
            best = self.evaluator.state
            state["best"] = {"metric": best.best_metric, "epoch": best.best_metric_epoch}
        with atomic_path(self.output_dir / LAST) as temporary:
            torch.save(state, temporary)

    def _start(self, engine: SupervisedTrainer) -> None:
        if threading.current_thread() is threading.main_thread():
            self._handler_before = signal.signal(signal.SIGTERM, self._on_signal)
        path = self._resume_path()
        if path is not None:
            self._load(engine, path)
        if self.writes and not self._goes_on(path):
            for name in (LAST, BEST, HISTORY):
                (self.output_dir / name).unlink(missing_ok=True)

    def _refuse_loss(self) -> None:
        """A finished run is not destroyed by the command that made it."""
        path = self._resume_path()
        if not self.writes or self.overwrite or self._goes_on(path):
            return
        # a run killed in its first epoch has a history and nothing to resume
        names = (LAST, BEST) if self.resume == "auto" else (LAST, BEST, HISTORY)
        held = next((name for name in names if (self.output_dir / name).exists()), None)
        if held is not None:
            raise InputError(
                f"{self.output_dir} holds a run already ({held}), which would be lost; go on with it (--resume auto), "
                "name another folder (--output_dir), or say --overwrite true."
            )

    def _goes_on(self, path: Path | None) -> bool:
        """Whether what is resumed is the run of this folder."""
        return path is not None and self.output_dir.is_dir() and path.parent.samefile(self.output_dir)

    def _end(self, engine: SupervisedTrainer) -> None:
        # a process that goes on, and those it forks, can be stopped as before
        if signal.getsignal(signal.SIGTERM) == self._on_signal:
            signal.signal(signal.SIGTERM, self._handler_before)

    def _resume_path(self) -> Path | None:
        if not self.resume:
            return None
        path = self.output_dir / LAST if self.resume == "auto" else Path(self.resume)
        path = path / LAST if path.is_dir() else path
        if path.is_file():
            return path
        if self.resume == "auto":
            return None
        raise InputError(f"{path} does not exist; --resume takes a run's folder or its {LAST}.")

    def _load(self, engine: SupervisedTrainer, path: Path) -> None:
        state = read_tensors(path)
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"{path} cannot be resumed, it belongs to another network or configuration ({error})."
            ) from error
        iteration, length = state["trainer"]["iteration"], state["trainer"]["epoch_length"]
        if length != engine.state.epoch_length:
            raise InputError(
                f"{path} was trained with {length} batches per epoch, this run has {engine.state.epoch_length}; "
                "resume with the same data, batch size and number of processes."
            )
        engine.state.iteration, engine.state.epoch = iteration, iteration // length
        done = iteration % length
        # ignite goes on at this place of the epoch; the sampler skips the cases it had already given
        self.sampler.skip = done * _batch_size(engine)
        self._resumed_inside = done > 0
        torch.set_rng_state(state["torch_rng"])
        if self.evaluator is not None and "best" in state:
            self.evaluator.state.best_metric = state["best"]["metric"]
            self.evaluator.state.best_metric_epoch = state["best"]["epoch"]
        logger.info("resumed from %s at iteration %d", path, iteration)

    def _seed_epoch(self, engine: SupervisedTrainer) -> None:
        self.sampler.epoch = engine.state.epoch
        if not self._resumed_inside:
            torch.manual_seed(derived_seed(self.seed, engine.state.epoch))
        self._resumed_inside = False

    def _on_signal(self, number: int, frame: object) -> None:
        self.stopped_by = number

    def _stop_if_asked(self, engine: SupervisedTrainer) -> None:
        if self.stopped_by is not None:
            engine.state.stopped_by = self.stopped_by
            self.save(engine)
            logger.warning("stopped by signal %d; go on with --resume %s", self.stopped_by, self.output_dir / LAST)
            engine.terminate()

    def _save_best(self, engine: Evaluator) -> None:
        if self.writes and engine.state.best_metric_epoch == engine.state.epoch:
            with atomic_path(self.output_dir / BEST) as temporary:
                # weights are read on computers without a GPU
                torch.save({name: tensor.cpu() for name, tensor in self.validated.state_dict().items()}, temporary)


def _batch_size(engine: SupervisedTrainer) -> int:
    return int(engine.data_loader.batch_size)  # type: ignore[union-attr,arg-type]


def exit_if_stopped(trainer: SupervisedTrainer) -> None:
    """After a signal stopped the trainer, leave with the code that schedulers expect (128 + signal number)."""
    number = getattr(trainer.state, "stopped_by", None)
    if number is not None:
        raise SystemExit(128 + number)
