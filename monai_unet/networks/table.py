"""The one table of networks: a name, how it is built, and what it offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from monai_unet.errors import InputError
from monai_unet.mappings import Json
from monai_unet.networks import monai_networks
from monai_unet.networks.anisotropy import strides_and_kernels
from monai_unet.networks.diffusion import DiffusionUNet
from monai_unet.networks.dynunet import DynUNet
from monai_unet.networks.encoder_decoder import SKIPS
from monai_unet.networks.transunet import TransUNet
from monai_unet.networks.unet import UNet

CHANNELS: dict[str, tuple[int, ...]] = {
    "s": (16, 32, 64, 128),
    "m": (24, 48, 96, 192, 256),
    "l": (32, 64, 128, 256, 320),
}
"""Feature channels per level, full resolution first."""


@dataclass(frozen=True)
class Network:
    """One row of the table.

    Attributes:
        build: makes the network from a size, the base arguments and the options.
        title, paper: what it is, and where it was described.
        options: names of the options that `build_unet` passes on.
        skips: values of the option `skip`; empty where skip connections are fixed.
        deep_supervision: largest number of further outputs at size "s".
        equivariant: shifting the input by the total stride shifts the output, in evaluation with default options.
        torchscript, onnx: how the export works, and for which input sizes.
    """

    build: Callable[..., nn.Module]
    title: str
    paper: str
    options: tuple[str, ...]
    skips: tuple[str, ...] = ()
    deep_supervision: int = 0
    equivariant: bool = False
    torchscript: str = "trace, any size"
    onnx: str = "any size"

    @property
    def checkpointing(self) -> bool:
        """Whether activations can be recomputed instead of kept."""
        return "checkpointing" in self.options

    @property
    def anisotropic(self) -> bool:
        """Whether strides can follow a voxel spacing."""
        return "spacing" in self.options


def _levels(size: str, spacing: Sequence[float] | None, options: Json) -> Json:
    """Channels and strides from the size, the spacing and the options; `kernels` where there is a spacing."""
    channels = options.pop("channels", CHANNELS[size])
    if spacing is None:
        return {"channels": channels, "strides": options.pop("strides", (2,) * (len(channels) - 1))}
    if "strides" in options:
        raise InputError("give spacing or strides, not both: strides follow from the spacing")
    strides, kernels = strides_and_kernels(spacing, len(channels) - 1)
    return {"channels": channels, "strides": strides, "kernels": kernels}


def _unet(
    size: str, base: Json, *, residual: bool, spacing: Sequence[float] | None = None, **options: Any
) -> nn.Module:
    levels = _levels(size, spacing, options)
    levels.pop("kernels", None)  # the U-Net's kernels are 3 everywhere, nnU-Net's follow the spacing as well
    return UNet(**base, **levels, residual=residual, **options)


def _dynunet(size: str, base: Json, *, spacing: Sequence[float] | None = None, **options: Any) -> nn.Module:
    levels = _levels(size, spacing, options)
    return DynUNet(**base, **levels, **options)


_TRANSFORMER: dict[str, dict[str, int]] = {
    "s": {"hidden": 192, "layers": 4, "heads": 6, "mlp": 768},
    "m": {"hidden": 384, "layers": 8, "heads": 6, "mlp": 1536},
    "l": {"hidden": 768, "layers": 12, "heads": 12, "mlp": 3072},
}


def _transunet(size: str, base: Json, *, spacing: Sequence[float] | None = None, **options: Any) -> nn.Module:
    levels = _levels(size, spacing, options)
    levels.pop("kernels", None)
    return TransUNet(**base, **levels, **{**_TRANSFORMER[size], **options})


def _unet_plus_plus(size: str, base: Json, **options: Any) -> nn.Module:
    first = CHANNELS[size][0]
    features = (first, first, 2 * first, 4 * first, 8 * first, first)
    return monai_networks.unet_plus_plus(base, **{"features": features, **options})


_DIFFUSION: dict[str, Json] = {
    "s": {"channels": (16, 32, 64), "attention": (False, False, True), "blocks": 1},
    "m": {"channels": (32, 64, 128), "attention": (False, False, True), "blocks": 1},
    "l": {"channels": (32, 64, 128, 256), "attention": (False, False, True, True), "blocks": 2},
}

_SWITCHES = ("checkpointing", "deep_supervision")
"""Options whose 0 or False asks for nothing, so that one config serves networks with and without them."""

_SHARED = ("channels", "strides", "spacing", "skip", "norm", "deep_supervision", "checkpointing")

NETWORKS: dict[str, Network] = {
    "unet": Network(
        lambda size, base, **options: _unet(size, base, residual=False, **options),
        "U-Net",
        "arXiv:1505.04597, 1606.06650",
        (*_SHARED, "act", "dropout"),
        skips=SKIPS,
        deep_supervision=2,
        equivariant=True,
        torchscript="script, any size",
    ),
    "residual_unet": Network(
        lambda size, base, **options: _unet(size, base, residual=True, **options),
        "Residual U-Net",
        "arXiv:1711.10684",
        (*_SHARED, "act", "dropout"),
        skips=SKIPS,
        deep_supervision=2,
        equivariant=True,
        torchscript="script, any size",
    ),
    "attention_unet": Network(
        lambda size, base, **options: monai_networks.attention_unet(base, **{"channels": CHANNELS[size], **options}),
        "Attention U-Net (MONAI)",
        "arXiv:1804.03999",
        ("channels", "dropout"),
        torchscript="script, any size",
    ),
    "unet_plus_plus": Network(
        _unet_plus_plus,
        "U-Net++ (MONAI)",
        "arXiv:1807.10165",
        ("features", "norm", "deep_supervision", "dropout"),
        deep_supervision=3,
        equivariant=True,
    ),
    "transunet": Network(
        _transunet,
        "TransUNet",
        "arXiv:2102.04306, 2310.07781",
        (*_SHARED, "hidden", "layers", "heads", "mlp", "dropout"),
        skips=("concat", "none"),
        deep_supervision=2,
    ),
    "dynunet": Network(
        _dynunet,
        "nnU-Net, plain or residual encoder",
        "doi:10.1038/s41592-020-01008-z, arXiv:2404.09556",
        (*_SHARED, "kernels", "encoder"),
        skips=SKIPS,
        deep_supervision=2,
        torchscript="script, any size",
    ),
    "segresnet": Network(
        lambda size, base, **options: monai_networks.segresnet(base, **{"filters": CHANNELS[size][0], **options}),
        "SegResNet (MONAI)",
        "arXiv:1810.11654",
        ("filters", "norm", "spacing", "deep_supervision"),
        deep_supervision=2,
        equivariant=True,
    ),
    "swin_unetr": Network(
        lambda size, base, **options: monai_networks.swin_unetr(
            base, **{"features": {"s": 12, "m": 24, "l": 48}[size], **options}
        ),
        "Swin UNETR (MONAI)",
        "arXiv:2201.01266",
        ("features", "checkpointing"),
        torchscript="trace, fixed size",
        onnx="no",  # PyTorch's exporter loses the channels in front of instance normalisation
    ),
    "diffusion_unet": Network(
        lambda size, base, **options: DiffusionUNet(**base, **{**_DIFFUSION[size], **options}),
        "Diffusion U-Net (MONAI's network and schedulers)",
        "arXiv:2006.11239, 2112.03145, 2303.10326",
        ("channels", "attention", "blocks", "mask_scale", "samples", "steps"),
        torchscript="trace of the denoiser",
        onnx="the denoiser",
    ),
}
"""Name to row; the names are the same on the command line, in a bundle and in Python."""


def build_unet(
    name: str,
    *,
    spatial_dims: int = 3,
    in_channels: int = 1,
    out_channels: int = 2,
    size: str = "s",
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """The network called `name`, with weights drawn from `seed` (the caller's random state is left as it was).

    Every network takes (N, in_channels, *spatial) of any size and returns logits (N, out_channels, *spatial); in
    training mode with `deep_supervision` a list of logits, the finest first.

    Args:
        name: one of `NETWORKS`.
        spatial_dims: 2 or 3.
        in_channels, out_channels: image channels; classes including the background.
        size: "s", "m" or "l".
        seed: of the initial weights.
        options: what the network's row offers beyond this: `skip`, `deep_supervision`, `checkpointing`, `spacing`
            (mm per axis, from which strides follow), `norm`, and its class's own; None leaves an option out.

    Raises:
        InputError: unknown name, size or option; the message lists what exists.

    >>> import torch
    >>> network = build_unet("unet", in_channels=1, out_channels=3)
    >>> network(torch.zeros(1, 1, 20, 24, 28)).shape
    torch.Size([1, 3, 20, 24, 28])
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    if size not in CHANNELS:
        raise InputError(f"unknown size {size!r}; choose one of {', '.join(CHANNELS)}")
    if spatial_dims not in (2, 3):
        raise InputError(f"spatial_dims must be 2 or 3, got {spatial_dims!r}")
    network = NETWORKS[name]
    off = [key for key, value in options.items() if value is None or (key in _SWITCHES and not value)]
    for option in off:
        del options[option]
    for option, value in options.items():
        if option not in network.options:
            having = [other for other, row in NETWORKS.items() if option in row.options]
            raise InputError(
                f"{name} has no option {option!r}; it has {', '.join(network.options)}"
                + (f" ({option!r} belongs to {', '.join(having)})" if having else "")
            )
        if option == "skip" and value not in network.skips:
            raise InputError(f"{name} has skip {', '.join(network.skips)}, not {value!r}")
        if option == "spacing" and value is not None and len(value) != spatial_dims:
            raise InputError(f"spacing must have {spatial_dims} lengths in mm, got {list(value)}")
    base = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network.build(size, base, **options)
