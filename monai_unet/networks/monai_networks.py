"""The networks that MONAI has, built with the family's options."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import AttentionUnet, BasicUNetPlusPlus, SegResNetDS, SwinUNETR
from torch import nn

from monai_unet.errors import InputError
from monai_unet.mappings import Json
from monai_unet.networks.shapes import Padded

Base = Json
"""spatial_dims, in_channels, out_channels"""


def attention_unet(base: Base, *, channels: Sequence[int], dropout: float = 0.0) -> nn.Module:
    """Attention U-Net (Oktay et al. 2018, arXiv:1804.03999): gates on the skip connections.

    MONAI's decoder blocks normalise per instance, its other blocks per batch, so statistics see the whole input.
    """
    strides = (2,) * (len(channels) - 1)
    network = AttentionUnet(**base, channels=channels, strides=strides, dropout=dropout)
    return _padded(network, base, 2 ** len(strides))


def unet_plus_plus(
    base: Base, *, features: Sequence[int], deep_supervision: int = 0, norm: str | tuple = "batch", dropout: float = 0.0
) -> nn.Module:
    """U-Net++ (Zhou et al. 2018, arXiv:1807.10165): dense skip connections; three further heads at full resolution.

    Raises:
        InputError: `deep_supervision` is neither 0 nor 3.
    """
    if deep_supervision not in (0, 3):
        raise InputError(
            f"unet_plus_plus has 3 further outputs: deep_supervision must be 0 or 3, got {deep_supervision}"
        )
    network = BasicUNetPlusPlus(
        **base, features=features, deep_supervision=deep_supervision > 0, norm=norm, dropout=dropout
    )
    if not deep_supervision:  # MONAI computes all four heads; distributed training must not wait for their gradients
        for head in (network.final_conv_0_1, network.final_conv_0_2, network.final_conv_0_3):
            head.requires_grad_(False)
    return _padded(network, base, 16, finest_last=True)


def segresnet(
    base: Base,
    *,
    filters: int,
    deep_supervision: int = 0,
    norm: str | tuple = "batch",
    spacing: Sequence[float] | None = None,
) -> nn.Module:
    """SegResNet (Myronenko 2018, arXiv:1810.11654) without its autoencoder branch; MONAI's form with deep supervision.

    Raises:
        InputError: more coarser outputs than levels.
    """
    if not 0 <= deep_supervision <= 2:
        raise InputError(f"segresnet has up to 2 coarser outputs, got deep_supervision={deep_supervision}")
    network = SegResNetDS(
        spatial_dims=base["spatial_dims"],
        in_channels=base["in_channels"],
        out_channels=base["out_channels"],
        init_filters=filters,
        norm=norm,
        dsdepth=1 + deep_supervision,
        resolution=tuple(float(s) for s in spacing) if spacing else None,
    )
    return Padded(
        network,
        spatial_dims=base["spatial_dims"],
        in_channels=base["in_channels"],
        multiples=network.shape_factor(),
    )


def swin_unetr(base: Base, *, features: int, checkpointing: bool = False) -> nn.Module:
    """Swin UNETR (Hatamizadeh et al. 2022, arXiv:2201.01266): windowed attention in the encoder, no pre-training."""
    network = SwinUNETR(**base, feature_size=features, use_checkpoint=checkpointing)
    return _padded(network, base, 32)


def _padded(network: nn.Module, base: Base, multiple: int, *, finest_last: bool = False) -> nn.Module:
    dims = base["spatial_dims"]
    return Padded(
        network,
        spatial_dims=dims,
        in_channels=base["in_channels"],
        multiples=[multiple] * dims,
        finest_last=finest_last,
    )
