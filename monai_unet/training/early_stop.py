"""Stop when validation has not improved for a while."""

from __future__ import annotations

from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import EarlyStopHandler


class EarlyStop:
    """Trainer handler: ends training after `patience` validations without a better key metric; 0: never.

    MONAI's `EarlyStopHandler` sits on the evaluator and needs the trainer, a cycle that a config cannot express.
    """

    def __init__(self, patience: int, evaluator: Evaluator) -> None:
        self.patience, self.evaluator = patience, evaluator

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if self.patience > 0:
            handler = EarlyStopHandler(
                patience=self.patience,
                score_function=lambda evaluator: evaluator.state.metrics[evaluator.state.key_metric_name],
                trainer=engine,
            )
            self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, handler)
