"""Write each result of an evaluator as it comes."""

from __future__ import annotations

from collections.abc import Callable

from ignite.engine import Events
from monai.engines import Evaluator

from monai_unet.mappings import Json


class SaveHandler:
    """Evaluator handler that gives each post-processed case to a transform that writes it.

    Args:
        save: for example `SaveLabelMapd`; called with batch and output of one case, joined.
    """

    def __init__(self, save: Callable[[Json], object]) -> None:
        self.save = save

    def attach(self, engine: Evaluator) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._save)

    def _save(self, engine: Evaluator) -> None:
        for given, output in zip(engine.state.batch, engine.state.output, strict=True):  # type: ignore[arg-type]
            self.save({**given, **output})
