"""Learning-rate schedule: linear warm-up, then polynomial decay (as nnU-Net, Isensee et al. 2021)."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_polynomial(
    optimizer: Optimizer, *, total_steps: int, warmup_steps: int = 0, power: float = 0.9, floor: float = 0.0
) -> LambdaLR:
    """Factor of the optimizer's learning rate per optimisation step: 0 → 1 linearly, then (1 - t)^power → `floor`."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        left = max(0.0, 1 - (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return floor + (1 - floor) * left**power

    return LambdaLR(optimizer, factor)
