from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.networks.nets import UNet
from torch.profiler import ProfilerActivity, profile

from monai_unet.inferers.onednn import OneDNNForSingleImages
from monai_unet.inferers.runtime import TorchNetwork
from monai_unet.segmentation.engine import Engine, Used


def small_network():
    return UNet(3, 1, 2, (8, 16, 32), (2, 2), num_res_units=2, norm="batch").eval()


def convolutions(call):
    """Names of the convolution kernels that PyTorch ran."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        result = call()
    return result, {event.key for event in profiled.key_averages() if "conv" in event.key}


@torch.no_grad()
def test_a_single_image_takes_the_fast_convolution_with_the_same_result():
    network, image = small_network(), torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    expected, before = convolutions(lambda: network(image))
    if "aten::slow_conv3d_forward" not in before:
        pytest.skip("this PyTorch has no slow path to avoid")
    found, after = convolutions(lambda: TorchNetwork(network)(image))
    assert "aten::slow_conv3d_forward" not in after
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1}, {"dilation": (1, 2, 1), "padding": (2, 0, 1)}, {"groups": 2}, {"bias": False}],
)
def test_every_kind_of_convolution_gives_the_result_of_pytorch(options):
    layer = torch.nn.Conv3d(4, 6, 3, **options)
    image = torch.randn(1, 4, 9, 8, 7)
    with OneDNNForSingleImages():
        found = layer(image)
    torch.testing.assert_close(found, layer(image), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_named_padding_and_double_precision_stay_with_pytorch():
    image = torch.randn(1, 2, 6, 6, 6)
    same, double = torch.nn.Conv3d(2, 2, 3, padding="same"), torch.nn.Conv3d(2, 2, 3).double()
    with OneDNNForSingleImages():
        torch.testing.assert_close(same(image), torch.conv3d(image, same.weight, same.bias, padding=1))
        assert double(image.double()).dtype == torch.float64


def test_gradients_are_not_lost():
    layer = torch.nn.Conv3d(1, 1, 3)
    with OneDNNForSingleImages():
        layer(torch.randn(1, 1, 5, 5, 5)).sum().backward()
    assert layer.weight.grad is not None


class Plain(Inferer):
    """An inferer of someone else's, which calls the network as it is."""

    def __call__(self, inputs, network, *args, **kwargs):
        result, self.kernels = convolutions(lambda: network(inputs))
        return result


@torch.no_grad()
def test_an_inferer_that_knows_no_steps_takes_it_too():
    """What `Engine` hands to a foreign inferer is a network that computes single images the fast way."""
    network, image, inferer = small_network(), MetaTensor(torch.randn(1, 24, 24, 24)), Plain()
    engine = Engine(SimpleNamespace(network=network, inferer=inferer, device=torch.device("cpu"), amp=False))
    assert engine.streaming is None
    expected, before = convolutions(lambda: network(image.as_tensor()[None]))
    if "aten::slow_conv3d_forward" not in before:
        pytest.skip("this PyTorch has no slow path to avoid")
    *_, last = engine.run(image, Used())
    assert inferer.kernels
    assert "aten::slow_conv3d_forward" not in inferer.kernels
    torch.testing.assert_close(last.slab.scores, expected[0], atol=1e-5, rtol=1e-4)
