import torch
from torch import nn

from monai_unet.training import WeightAverage


def test_average_follows_the_formula_and_keeps_the_networks_names():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = WeightAverage(network, decay=0.5)
    values = [1.0, 3.0, 7.0, 2.0]
    expected = 0.0
    for step, value in enumerate(values):
        nn.init.constant_(network[0].weight, value)
        network[1].running_mean.fill_(value)
        average.model.update_parameters(network)
        # the first update copies; afterwards the past weighs min(decay, (1 + n) / (10 + n))
        past = 0.0 if step == 0 else min(0.5, (1 + step) / (10 + step))
        expected = past * expected + (1 - past) * value
    assert average.average[0].weight.item() == torch.tensor(expected).item()
    assert average.average[1].running_mean.item() == torch.tensor(expected).item()
    assert average.average.state_dict().keys() == network.state_dict().keys()
