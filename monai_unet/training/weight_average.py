"""Exponential moving average of the weights: what is validated and shipped is smoother than the last step."""

from __future__ import annotations

from ignite.engine import Engine, Events
from torch import Tensor, distributed, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """Handler that keeps `average`, an EMA of a network's weights and buffers, in evaluation mode.

    Args:
        network: the network that is trained (unwrapped from DistributedDataParallel).
        decay: weight of the past per step; ramps up as (1 + n) / (10 + n), so that early averages forget the start.
    """

    def __init__(self, network: nn.Module, *, decay: float = 0.999) -> None:
        def average(past: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
            if not past.is_floating_point():
                return now
            n = float(count)
            return past.lerp(now, 1 - min(decay, (1 + n) / (10 + n)))

        self.network = network
        self.model = AveragedModel(network, avg_fn=average, use_buffers=True).eval()

    @property
    def average(self) -> nn.Module:
        """The averaged network, with the state-dict names of the network itself."""
        return self.model.module

    def attach(self, engine: Engine) -> None:
        """Update after each iteration of the trainer; attach before the validation."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: self.model.update_parameters(self.network))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._share_buffers)

    def _share_buffers(self) -> None:
        """Batch statistics of rank 0 for all: each rank saw other batches, and all must validate the saved network."""
        if distributed.is_available() and distributed.is_initialized():
            for buffer in self.average.buffers():
                distributed.broadcast(buffer, src=0)
