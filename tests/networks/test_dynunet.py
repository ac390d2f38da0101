"""nnU-Net's topologies against MONAI's DynUNet, nnU-Net's published numbers and its rule for anisotropic voxels."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import DynUNet as MonaiDynUNet
from torch import nn

from monai_unet.errors import InputError
from monai_unet.networks import DynUNet, build_unet
from monai_unet.networks.anisotropy import strides_and_kernels


def test_the_plain_topology_computes_what_monais_dynunet_does() -> None:
    channels, strides = (4, 6, 8, 10), [(1, 2), (2, 2), (2, 2)]
    ours = DynUNet(2, 1, 3, channels=channels, strides=strides).eval()
    theirs = MonaiDynUNet(2, 1, 3, [(3, 3)] * 4, [1, *strides], strides, filters=channels, trans_bias=True).eval()
    blocks = [theirs.input_block, *theirs.downsamples, theirs.bottleneck]
    pairs = list(zip(ours.encoder, blocks, strict=True))
    pairs += [(a, b.conv_block) for a, b in zip(ours.decoder, theirs.upsamples, strict=True)]
    for a, b in pairs:
        b.conv1.conv.load_state_dict(a.conv1.state_dict())
        b.conv2.conv.load_state_dict(a.conv2.state_dict())
    for a, b in zip(ours.ups, theirs.upsamples, strict=True):
        b.transp_conv.conv.load_state_dict(a.state_dict())
    theirs.output_block.conv.conv.load_state_dict(ours.head.state_dict())
    x = torch.randn(1, 1, 16, 24)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_default_plain_network_has_the_size_of_nnunets() -> None:
    """nnU-Net's 3D network of 6 levels (32 to 320 features) has 31.2 million weights."""
    with torch.device("meta"):
        weights = sum(p.numel() for p in DynUNet().parameters())
    assert weights == pytest.approx(31.2e6, rel=0.005)


def test_the_residual_encoder_has_nnunets_blocks_and_each_begins_as_its_shortcut() -> None:
    network = build_unet("dynunet", size="l", spatial_dims=2, encoder="residual")
    counts = [sum(type(m).__name__ == "_ResidualBlock" for m in stage.modules()) for stage in network.encoder]
    assert counts == [1, 3, 4, 6, 6]
    block = network.encoder[1].blocks[1].eval()  # no stride, no change of channels
    x = torch.randn(1, 64, 8, 8)
    torch.testing.assert_close(block(x), nn.functional.leaky_relu(x, 0.01))


def test_strides_and_kernels_wait_for_a_coarse_axis() -> None:
    """Voxels of 5 × 1 × 1 mm: the slices are joined from the voxel size 4 mm on, which is less than 2 × finer."""
    strides, kernels = strides_and_kernels((5.0, 1.0, 1.0), 4)
    assert strides == [(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)]
    assert kernels == [(1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert strides_and_kernels((1.5, 1.0, 1.0), 2)[0] == [(2, 2, 2), (2, 2, 2)]
    with pytest.raises(InputError, match="positive length in mm"):
        strides_and_kernels((1.0, 0.0, 1.0), 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("residual_unet", {}),
        ("dynunet", {"encoder": "residual", "norm": "batch"}),
        ("transunet", {"norm": "batch", "hidden": 8, "heads": 2, "layers": 1, "mlp": 16}),
        ("swin_unetr", {}),
    ],
)
def test_checkpointing_changes_neither_gradients_nor_batch_statistics(name: str, options: dict) -> None:
    x = torch.randn(2, 1, 32, 64, generator=torch.Generator().manual_seed(0))
    states = []
    for checkpointing in (False, True):
        more = {} if name == "swin_unetr" else {"channels": (4, 6, 8)}
        network = build_unet(name, spatial_dims=2, checkpointing=checkpointing, **more, **options)
        network(x).square().mean().backward()
        states.append((network.state_dict(), {k: p.grad for k, p in network.named_parameters()}))
    for kept, recomputed in zip(*states, strict=True):
        assert kept.keys() == recomputed.keys()
        for key in kept:
            torch.testing.assert_close(kept[key], recomputed[key], msg=lambda m, key=key: f"{key}: {m}")


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    kept = []
    for checkpointing in (False, True):
        network = build_unet("residual_unet", spatial_dims=2, checkpointing=checkpointing)
        voxels = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal voxels
            voxels += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            network(torch.randn(2, 1, 32, 32))
        kept.append(voxels)
    assert kept[1] < 0.5 * kept[0]
