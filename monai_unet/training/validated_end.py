"""Validation every so many epochs, and always at the end, so that a run never ends without `best.pt`."""

from __future__ import annotations

from ignite.engine import Engine, Events
from monai.engines import Evaluator


class ValidationToTheEnd:
    """Trainer handler: runs the validation every `interval` epochs and behind the last one.

    MONAI's `ValidationHandler` leaves out the last epochs where `interval` does not divide their number, and a run
    shorter than `interval` altogether.

    Args:
        validator: the evaluator.
        interval: epochs between validations.
    """

    def __init__(self, validator: Evaluator, interval: int) -> None:
        if interval < 1:
            raise ValueError(f"interval must be 1 or more, got {interval}")
        self.validator, self.interval = validator, interval

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before `History` and `TrainingCheckpoint`."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._validate)

    def _validate(self, engine: Engine) -> None:
        epoch = engine.state.epoch
        if epoch % self.interval == 0 or epoch == engine.state.max_epochs:
            self.validator.run(epoch)
