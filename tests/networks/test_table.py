"""Every network by its name: shapes, sizes, determinism, options, errors."""

from __future__ import annotations

import pytest
import torch

from monai_unet.errors import InputError
from monai_unet.networks import NETWORKS, build_unet

TINY = {
    "unet": {"channels": (4, 6, 8)},
    "residual_unet": {"channels": (4, 6, 8)},
    "attention_unet": {"channels": (4, 6, 8)},
    "unet_plus_plus": {"features": (4, 4, 6, 6, 8, 4)},
    "transunet": {"channels": (4, 6, 8), "hidden": 12, "layers": 2, "heads": 2, "mlp": 24},
    "dynunet": {"channels": (4, 6, 8)},
    "segresnet": {"filters": 4},
    "swin_unetr": {},
    "diffusion_unet": {"channels": (8, 16), "attention": (False, True), "samples": 1, "steps": 1},
}
EACH = pytest.mark.parametrize("name", NETWORKS)


def tiny(name: str, **options: object) -> torch.nn.Module:
    return build_unet(name, **{**TINY[name], **options})  # type: ignore[arg-type]


def image(*size: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(1))


@EACH
@pytest.mark.parametrize("size", [(17, 12, 21), (18, 35)])
def test_any_size_in_two_and_three_dimensions_comes_out_as_it_went_in(name: str, size: tuple[int, ...]) -> None:
    network = tiny(name, spatial_dims=len(size), in_channels=2, out_channels=3).eval()
    with torch.no_grad():
        assert network(image(*size, channels=2)).shape == (1, 3, *size)


@EACH
def test_padding_inside_equals_padding_by_hand(name: str) -> None:
    network = tiny(name, spatial_dims=2).eval()
    size = [stride + 1 for stride in network.total_stride]
    x = image(*size)
    by_hand = torch.nn.functional.pad(x, [0, size[1] - 2, 0, size[0] - 2])
    assert all(n % stride == 0 for n, stride in zip(by_hand.shape[2:], network.total_stride, strict=True))
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(by_hand)[:, :, : size[0], : size[1]])


@EACH
def test_initial_weights_depend_on_the_seed_alone_and_leave_the_callers_random_state(name: str) -> None:
    state = torch.get_rng_state()
    first = tiny(name, spatial_dims=2, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    again, other = tiny(name, spatial_dims=2, seed=3).state_dict(), tiny(name, spatial_dims=2, seed=4).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", [n for n, row in NETWORKS.items() if row.deep_supervision])
def test_deep_supervision_is_a_list_from_fine_to_coarse_in_training_and_a_tensor_in_evaluation(name: str) -> None:
    more = NETWORKS[name].deep_supervision - (name in ("unet", "residual_unet", "dynunet", "transunet"))
    network = tiny(name, spatial_dims=2, out_channels=3, deep_supervision=more)
    outputs = network(image(32, 48).repeat(2, 1, 1, 1))
    assert [type(output) for output in outputs] == [torch.Tensor] * (1 + more)
    sizes = [output.shape[2] for output in outputs]
    assert sizes[0] == 32
    assert sizes == sorted(sizes, reverse=True)
    assert all(output.shape[1] == 3 for output in outputs)
    with torch.no_grad():
        assert isinstance(network.eval()(image(32, 48)), torch.Tensor)


def test_unet_plus_plus_gives_its_most_refined_node_first() -> None:
    network = tiny("unet_plus_plus", spatial_dims=2, deep_supervision=3)
    nodes = {}
    for node in (1, 4):
        head = getattr(network.network, f"final_conv_0_{node}")
        head.register_forward_hook(lambda *a, node=node: nodes.__setitem__(node, a[2]))
    outputs = network(image(32, 32).repeat(2, 1, 1, 1))
    assert torch.equal(outputs[0], nodes[4])
    assert torch.equal(outputs[3], nodes[1])


@pytest.mark.parametrize("name", [n for n, row in NETWORKS.items() if row.deep_supervision])
def test_coarse_outputs_of_a_padded_input_cover_the_image_and_not_the_padding(name: str) -> None:
    options = {"deep_supervision": 3} if name == "unet_plus_plus" else {"deep_supervision": 1}
    outputs = tiny(name, spatial_dims=2, **options)(image(33, 32).repeat(2, 1, 1, 1))
    assert outputs[0].shape[2:] == (33, 32)
    assert outputs[1].shape[2:] in ((33, 32), (17, 16))


@EACH
def test_every_weight_gets_a_gradient(name: str) -> None:
    network = tiny(name, spatial_dims=2, out_channels=2)
    x, labels = image(32, 32).repeat(2, 1, 1, 1), torch.zeros(2, 1, 32, 32)
    output = network(x, labels) if name == "diffusion_unet" else network(x)
    output.square().sum().backward()
    idle = [key for key, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []


@EACH
def test_a_wrong_number_of_channels_or_dimensions_is_refused_with_both_shapes(name: str) -> None:
    network = tiny(name, spatial_dims=3).eval()
    with pytest.raises(InputError, match=r"3D input with 1 channels.*\[1, 2, 16, 16, 16\]"):
        network(image(16, 16, 16, channels=2))
    with pytest.raises(InputError, match=r"3D input with 1 channels.*\[1, 1, 16, 16\]"):
        network(image(16, 16))


def test_unknown_names_sizes_and_options_are_refused_with_what_exists() -> None:
    with pytest.raises(InputError, match=r"unknown network 'unett'.*unet, residual_unet, attention_unet"):
        build_unet("unett")
    with pytest.raises(InputError, match=r"unknown size 'xl'.*s, m, l"):
        build_unet("unet", size="xl")
    with pytest.raises(InputError, match="spatial_dims must be 2 or 3, got 4"):
        build_unet("unet", spatial_dims=4)
    with pytest.raises(InputError, match=r"swin_unetr has no option 'skip'.*belongs to unet, residual_unet"):
        build_unet("swin_unetr", skip="none")
    with pytest.raises(InputError, match="transunet has skip concat, none, not 'add'"):
        build_unet("transunet", skip="add")
    with pytest.raises(InputError, match="unet has skip concat, add, none, not 'half'"):
        build_unet("unet", skip="half")
    with pytest.raises(InputError, match="spacing must have 3 lengths"):
        build_unet("unet", spacing=(1.0, 1.0))


def test_an_option_that_is_off_may_be_named_for_any_network() -> None:
    options = {"checkpointing": False, "deep_supervision": 0, "skip": None, "spacing": None}
    plain, named = tiny("attention_unet", spatial_dims=2), tiny("attention_unet", spatial_dims=2, **options)
    assert plain.state_dict().keys() == named.state_dict().keys()
    with pytest.raises(InputError, match="attention_unet has no option 'checkpointing'"):
        tiny("attention_unet", checkpointing=True)


@pytest.mark.parametrize(("name", "skip"), [(n, s) for n, row in NETWORKS.items() for s in row.skips])
def test_every_skip_mode_that_the_table_names_builds_and_none_has_no_connection(name: str, skip: str) -> None:
    network = tiny(name, spatial_dims=2, skip=skip, norm="batch").eval()
    stages = []
    for stage in network.encoder:
        stage.register_forward_hook(lambda module, inputs, output: stages.append(output.requires_grad_()))
    output = network(image(16, 16))
    used = torch.autograd.grad(output.sum(), stages, retain_graph=True, allow_unused=True)
    network.ups[-1].register_forward_hook(lambda module, inputs, result: torch.zeros_like(result))
    cut = network(image(16, 16))
    without_depth = torch.autograd.grad(cut.sum(), stages[len(stages) // 2], allow_unused=True)[0]
    assert all(gradient is not None for gradient in used)
    # with the way from below cut off, only a skip connection can still carry the finest features
    assert (without_depth is None or not without_depth.any()) == (skip == "none")


@pytest.mark.parametrize("name", [n for n, row in NETWORKS.items() if row.anisotropic])
def test_strides_follow_the_spacing(name: str) -> None:
    network = tiny(name, spatial_dims=3, spacing=(5.0, 1.0, 1.0))
    in_slice = {"segresnet": 8}.get(name, 4)
    assert list(network.total_stride) == [1 if in_slice == 4 else 2, in_slice, in_slice]
    with torch.no_grad():
        assert network.eval()(image(5, 17, 18)).shape == (1, 2, 5, 17, 18)
