"""How far a voxel reaches, by formula and by changing voxels; shifts of the input are shifts of the output."""

from __future__ import annotations

import pytest
import torch

from monai_unet.networks import (
    NETWORKS,
    DynUNet,
    UNet,
    build_unet,
    is_translation_equivariant,
    receptive_field,
)
from monai_unet.networks.encoder_decoder import EncoderDecoder
from monai_unet.networks.receptive_field import measured_receptive_field

NETS = {
    "plain": UNet(2, channels=(3, 4, 5), strides=(2, 2)),
    "residual": UNet(2, channels=(3, 4, 5), strides=(2, 2), residual=True),
    "anisotropic": UNet(2, channels=(3, 4, 5), strides=((1, 2), (2, 3))),
    "without skips": UNet(2, channels=(3, 4, 5), strides=(2, 2), skip="none"),
    "nnU-Net": DynUNet(2, channels=(3, 4, 5), strides=((1, 2), 2), kernels=((1, 3), (3, 3), (3, 3)), norm="batch"),
    "residual encoder": DynUNet(2, channels=(3, 4, 5), strides=(2, 2), encoder="residual", norm="batch"),
}


@pytest.mark.parametrize("name", NETS)
def test_the_formula_is_what_changing_single_voxels_shows(name: str) -> None:
    network = NETS[name]
    assert network.receptive_field() == measured_receptive_field(network)


def test_two_convolutions_without_a_level_below_see_five_voxels() -> None:
    """Level 0 alone: two 3-convolutions in the encoder, two in the decoder, and one level of stride 2 between.

    By hand for the voxel 0 of a pair: decoder 0 ± 2 → level 1 voxels -1…1; there two convolutions (the first of
    stride 2): -1…1 → -2…2 → -5…5; encoder level 0: -7…7. Voxel 1: -1…3 → 0…1 (floor of half: -1…1) → -7…7 as well.
    """
    network = UNet(3, channels=(2, 3), strides=(2,))
    assert network.receptive_field() == (2 * 8 + 1,) * 3  # voxel 1 lies 8 from -7


@pytest.mark.parametrize("name", [n for n, row in NETWORKS.items() if row.equivariant])
def test_shifting_by_the_total_stride_shifts_the_output_of_networks_that_declare_it(name: str) -> None:
    network = build_unet(name, spatial_dims=2, seed=1).eval()
    for module in network.modules():  # statistics as after a training, not 0 and 1
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    field = receptive_field(network)
    assert field is not None
    stride, halo = network.total_stride[0], field[0] // 2
    length = 2 * (halo + stride) + 4 * stride
    length += -length % stride
    x = torch.randn(1, 1, length, stride, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network(x)
        tile = network(x[:, :, stride:])
    inside = slice(halo, -halo)
    torch.testing.assert_close(tile[:, :, inside], whole[:, :, stride:][:, :, inside], atol=1e-5, rtol=1e-4)
    assert tile[:, :, inside].shape[2] > stride


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_declares_what_the_layers_say(name: str) -> None:
    network = build_unet(name, spatial_dims=2)
    assert is_translation_equivariant(network) == NETWORKS[name].equivariant
    if not NETWORKS[name].equivariant:
        assert receptive_field(network) is None
    elif isinstance(network, EncoderDecoder):
        assert receptive_field(network) == network.receptive_field()
