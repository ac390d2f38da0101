"""The U-Net (Ronneberger et al. 2015, arXiv:1505.04597; 3D: Çiçek et al. 2016, arXiv:1606.06650), plain or residual.

Written here and not taken from MONAI because the project varies what MONAI's UNet fixes: how skip connections join
(or whether they exist), anisotropic strides, gradient checkpointing, deep supervision by one convention, and any
input size. Strided convolutions go down and transposed ones up, as in nnU-Net (Isensee et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import ADN
from monai.networks.layers import Conv
from torch import Tensor, nn

from monai_unet.mappings import Json
from monai_unet.networks.checkpointing import recomputed
from monai_unet.networks.encoder_decoder import EncoderDecoder, Path, Skip, Stride


class ConvBlock(nn.Module):
    """Two convolutions, each followed by normalisation and activation; the first one carries the stride.

    With `residual`, the input (projected where shape changes) is added before the last activation
    (He et al. 2016; Zhang et al. 2018, arXiv:1711.10684).
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        stride: Stride,
        norm: str | tuple,
        act: str | tuple,
        dropout: float,
        residual: bool,
        checkpointing: bool,
        kernel: Stride | None = None,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        conv = Conv[Conv.CONV, spatial_dims]
        kernel = [3] * spatial_dims if kernel is None else list(kernel)
        pad = [size // 2 for size in kernel]
        adn: Json = {"in_channels": out_channels, "norm": norm, "norm_dim": spatial_dims}
        self.conv1 = conv(in_channels, out_channels, kernel, tuple(stride), pad, bias=False)
        self.adn1 = ADN(ordering="NDA", act=act, dropout=dropout or None, dropout_dim=spatial_dims, **adn)
        self.conv2 = conv(out_channels, out_channels, kernel, 1, pad, bias=False)
        self.norm2 = ADN(ordering="N", **adn)
        self.act2 = ADN(ordering="A", act=act)
        self.shortcut: nn.Module | None = None
        if residual:
            changes = in_channels != out_channels or max(stride) > 1
            self.shortcut = (
                nn.Sequential(
                    conv(in_channels, out_channels, 1, tuple(stride), 0, bias=False), ADN(ordering="N", **adn)
                )
                if changes
                else nn.Identity()
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *spatial) → (N, out_channels, *spatial / stride).

        Features, or intensities in the first level.
        """
        if not torch.jit.is_scripting() and self.checkpointing and self.training:
            return recomputed(self._features, x, self)
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.adn1(self.conv1(x))))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.act2(y)

    def path(self) -> Path:
        """Kernel and stride of the two convolutions."""
        return [(conv.kernel_size, conv.stride) for conv in (self.conv1, self.conv2)]


class UNet(EncoderDecoder):
    """Encoder–decoder with skip connections for label maps in 2D or 3D.

    Args:
        spatial_dims: 2 or 3.
        in_channels: image channels.
        out_channels: classes with the background (softmax), or regions (sigmoid); the output is logits.
        channels, strides, skip, deep_supervision: see `EncoderDecoder`.
        residual: residual blocks instead of plain ones.
        norm: MONAI layer name; "batch" keeps the network translation equivariant in evaluation, "instance" does not.
        act: MONAI layer name.
        dropout: probability inside each block.
        checkpointing: recompute activations in the backward pass: less memory, one more forward pass of time.
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Stride | int] = (2, 2, 2),
        residual: bool = False,
        skip: Skip = "concat",
        norm: str | tuple = "batch",
        act: str | tuple = ("leakyrelu", {"inplace": True}),
        dropout: float = 0.0,
        deep_supervision: int = 0,
        checkpointing: bool = False,
    ) -> None:
        def stage(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> ConvBlock:
            return ConvBlock(
                spatial_dims,
                inputs,
                outputs,
                stride=stride,
                norm=norm,
                act=act,
                dropout=dropout,
                residual=residual,
                checkpointing=checkpointing,
            )

        super().__init__(
            spatial_dims,
            in_channels,
            out_channels,
            channels=channels,
            strides=strides,
            skip=skip,
            deep_supervision=deep_supervision,
            encode=stage,
            decode=stage,
        )
