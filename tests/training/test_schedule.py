import pytest
import torch

from monai_unet.training import warmup_polynomial


def test_rises_linearly_then_decays_to_nothing():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = warmup_polynomial(optimizer, total_steps=100, warmup_steps=9, power=0.9)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.1 / 10)
    assert rates[9] == 0.1
    assert rates[50] == pytest.approx(0.1 * (1 - (50 - 9) / 91) ** 0.9)
    assert rates[99] < 0.002
