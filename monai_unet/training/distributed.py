"""The end of a training in several processes."""

from __future__ import annotations

import gc

import torch.distributed as dist
from torch import nn


def leave_process_group(network: nn.Module) -> None:
    """Wait for the other processes, let go of what `DistributedDataParallel` holds of the group, and end the group.

    The wrapper's reducer would else be the group's last owner and end its threads while Python itself ends: such a
    process hung, or died by SIGABRT ("terminate called without an active exception"), after all was written.

    Args:
        network: the wrapped network; one that is not wrapped needs nothing but the group's end.
    """
    dist.barrier()
    for name in ("reducer", "logger", "process_group"):
        if hasattr(network, name):
            setattr(network, name, None)
    gc.collect()
    dist.destroy_process_group()
