"""Several processes that train one network, on one GPU or on CPU cores: what they have to agree on.

Messages go through the CPU (`gloo`), because processes that share a GPU cannot use NCCL.
"""

from __future__ import annotations

import torch
from torch import distributed, nn


def rank_and_processes() -> tuple[int, int]:
    """Number of this process and how many there are; (0, 1) where `torch.distributed` is not initialised."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def average_gradients(network: nn.Module) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    processes = rank_and_processes()[1]
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if processes == 1 or not gradients:
        return
    together = torch.cat([g.flatten() for g in gradients]).cpu()
    distributed.all_reduce(together)
    together = together.to(gradients[0].device) / processes
    for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def first_process_says(number: float) -> float:
    """The number that the first process has, so that all end at the same step."""
    if rank_and_processes()[1] == 1:
        return number
    message = torch.tensor([number], dtype=torch.float64)
    distributed.broadcast(message, src=0)
    return float(message)
