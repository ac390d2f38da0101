"""TransUNet against the descriptions of Chen et al. 2021 and of ViT-Base (Dosovitskiy et al. 2021)."""

from __future__ import annotations

import torch
from torch import nn

from monai_unet.networks import TransUNet, build_unet
from monai_unet.networks.transunet import TransformerLayer, VisionTransformer


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_large_transformer_has_the_size_of_vit_base() -> None:
    """12 layers, width 768, MLP 3072: 85,054,464 weights in the layers, and 1,536 in the last normalisation."""
    with torch.device("meta"):
        network = build_unet("transunet", size="l")
    transformer = next(module for module in network.modules() if isinstance(module, VisionTransformer))
    attention, mlp, norms = 4 * (768 * 768 + 768), 768 * 3072 + 3072 + 3072 * 768 + 768, 2 * 2 * 768
    assert parameters(transformer.layers) == 12 * (attention + mlp + norms) == 85_054_464
    assert parameters(transformer.norm) == 2 * 768
    assert {layer.heads for layer in transformer.layers} == {12}


def test_a_transformer_layer_is_pytorchs_pre_norm_layer() -> None:
    ours = TransformerLayer(24, 3, 48).eval()
    theirs = nn.TransformerEncoderLayer(24, 3, 48, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    names = {
        "self_attn.in_proj_weight": "qkv.weight",
        "self_attn.in_proj_bias": "qkv.bias",
        "self_attn.out_proj.weight": "project.weight",
        "self_attn.out_proj.bias": "project.bias",
        "linear1.weight": "mlp.0.weight",
        "linear1.bias": "mlp.0.bias",
        "linear2.weight": "mlp.3.weight",
        "linear2.bias": "mlp.3.bias",
    }
    state = ours.state_dict()
    theirs.load_state_dict({key: state[names.get(key, key)] for key in theirs.state_dict()})
    x = torch.randn(2, 10, 24)
    torch.testing.assert_close(ours(x), theirs(x))


def test_tokens_are_the_voxels_of_the_sixteenth_and_skips_come_from_every_finer_level() -> None:
    """Size "l" on 32 × 48: a 2 × 3 grid of tokens; the decoder sees 1/8, 1/4, 1/2 and full resolution."""
    network = build_unet("transunet", spatial_dims=2, size="l", layers=1).eval()
    seen: dict[str, torch.Size] = {}
    transformer = next(m for m in network.modules() if isinstance(m, VisionTransformer))
    transformer.layers[0].register_forward_hook(lambda m, i, o: seen.update(tokens=o.shape))
    for level, stage in enumerate(network.decoder):
        stage.register_forward_hook(lambda m, i, o, level=level: seen.update({str(level): i[0].shape}))
    with torch.no_grad():
        network(torch.randn(1, 1, 32, 48))
    assert seen["tokens"] == (1, 2 * 3, 768)
    channels = (32, 64, 128, 256, 320)
    for level in range(4):  # interpolated from the level below, concatenated with the encoder's features
        size = (4 * 2**level, 6 * 2**level)
        assert seen[str(level)] == (1, channels[4 - level] + channels[3 - level], *size)


def test_position_embeddings_are_used_as_learned_at_their_own_grid_and_interpolated_elsewhere() -> None:
    transformer = VisionTransformer(2, 4, hidden=8, layers=0, heads=2, mlp=16, grid=6)
    nn.init.zeros_(transformer.embed.weight)
    nn.init.zeros_(transformer.embed.bias)
    tokens = {}
    transformer.norm.register_forward_hook(lambda m, i, o: tokens.update(x=i[0]))
    transformer(torch.zeros(1, 4, 6, 6))
    torch.testing.assert_close(tokens["x"], transformer.position.flatten(2).transpose(1, 2))
    transformer(torch.zeros(1, 4, 12, 12))
    halved = tokens["x"].transpose(1, 2).unflatten(2, (12, 12))[..., 1:-1, 1:-1]  # inner voxels, in pairs around a line
    mean = nn.functional.avg_pool2d(halved, 2)
    expected = (transformer.position[..., :-1, :] + transformer.position[..., 1:, :]) / 2
    torch.testing.assert_close(mean, (expected[..., :-1] + expected[..., 1:]) / 2, atol=1e-5, rtol=1e-4)


def test_one_voxel_of_the_input_reaches_the_far_corner() -> None:
    network = TransUNet(2, channels=(4, 8, 8), strides=(2, 2), hidden=8, layers=1, heads=2, mlp=16, norm="batch").eval()
    x = torch.randn(1, 1, 64, 64, requires_grad=True)
    network(x)[0, 0, -1, -1].backward()
    assert x.grad is not None
    assert x.grad[0, 0, 0, 0] != 0
