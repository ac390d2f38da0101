"""The one table of networks: a name, and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from monai_unet.networks.unet import UNet

CHANNELS: dict[str, tuple[int, ...]] = {
    "s": (16, 32, 64, 128),
    "m": (24, 48, 96, 192, 256),
    "l": (32, 64, 128, 256, 320),
}
"""Feature channels per level of the plain and the residual U-Net, full resolution first."""


def _unet(size: str, *, residual: bool, **options: Any) -> nn.Module:
    channels = options.pop("channels", CHANNELS[size])
    strides = options.pop("strides", (2,) * (len(channels) - 1))
    return UNet(channels=channels, strides=strides, residual=residual, **options)


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "unet": lambda size, **options: _unet(size, residual=False, **options),
    "residual_unet": lambda size, **options: _unet(size, residual=True, **options),
}


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

    Args:
        name: one of `BUILDERS`.
        spatial_dims: 2 or 3.
        in_channels, out_channels: image channels; classes including the background.
        size: "s", "m" or "l".
        seed: of the initial weights.
        options: what the network's own class offers beyond this.

    Raises:
        ValueError: unknown name or size; the message lists the names.
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(BUILDERS)}")
    if size not in CHANNELS:
        raise ValueError(f"unknown size {size!r}; choose one of {', '.join(CHANNELS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUILDERS[name](
            size, spatial_dims=spatial_dims, in_channels=in_channels, out_channels=out_channels, **options
        )
