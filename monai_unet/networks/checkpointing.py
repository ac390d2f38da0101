"""Gradient checkpointing that leaves batch statistics as they would be without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module) -> Tensor:
    """`function(x)` without keeping its activations; they are computed again in the backward pass.

    PyTorch's `checkpoint` alone lets the second computation update running statistics a second time.

    `x` is (N, C, *spatial), features or intensities.

    Args:
        module: holds the layers that `function` uses.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _still_statistics(module)

    return checkpoint(function, x, use_reentrant=False, context_fn=contexts)


@contextmanager
def _still_statistics(module: nn.Module) -> Iterator[None]:
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in norms]
    counts = [None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone() for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, count in zip(norms, momenta, counts, strict=True):
            layer.momentum = momentum
            if count is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(count)
