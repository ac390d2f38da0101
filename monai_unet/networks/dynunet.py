"""nnU-Net's two topologies (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; 2024, arXiv:2404.09556).

MONAI's DynUNet has the plain one; written here because it offers no other skip connections, no checkpointing and no
deep supervision as a list, and because nnU-Net's residual encoder is another network than its `res_block`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers import Conv, Pool
from monai.networks.layers.utils import get_norm_layer
from torch import Tensor, nn

from monai_unet.errors import InputError
from monai_unet.networks.checkpointing import recomputed
from monai_unet.networks.encoder_decoder import EncoderDecoder, Path, Skip, Stride
from monai_unet.networks.unet import ConvBlock

RESIDUAL_BLOCKS = (1, 3, 4, 6, 6, 6, 6)
"""Residual blocks per encoder level, full resolution first (nnU-Net's ResEnc presets)."""


class _ConvNormAct(nn.Module):
    def __init__(
        self,
        spatial_dims: int,
        inputs: int,
        outputs: int,
        *,
        kernel: Stride,
        stride: Stride,
        norm: str | tuple,
        act: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        pad = [size // 2 for size in kernel]
        self.conv = Conv[Conv.CONV, spatial_dims](inputs, outputs, list(kernel), tuple(stride), pad, bias=False)
        self.norm = get_norm_layer(norm, spatial_dims, outputs)
        self.act = nn.LeakyReLU(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if not torch.jit.is_scripting() and self.checkpointing and self.training:
            return recomputed(self._features, x, self)
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))

    def path(self) -> Path:
        return [(self.conv.kernel_size, self.conv.stride)]


class _ResidualBlock(nn.Module):
    """Block D of He et al. 2019 (arXiv:1812.01187): the shortcut is average-pooled before its projection."""

    def __init__(
        self, spatial_dims: int, inputs: int, outputs: int, *, kernel: Stride, stride: Stride, norm: str | tuple
    ) -> None:
        super().__init__()
        one = (1,) * spatial_dims
        self.conv1 = _ConvNormAct(spatial_dims, inputs, outputs, kernel=kernel, stride=stride, norm=norm)
        self.conv2 = _ConvNormAct(spatial_dims, outputs, outputs, kernel=kernel, stride=one, norm=norm, act=False)
        shortcut: list[nn.Module] = []
        if max(stride) > 1:
            shortcut.append(Pool[Pool.AVG, spatial_dims](tuple(stride), tuple(stride)))
        if inputs != outputs:
            shortcut.append(_ConvNormAct(spatial_dims, inputs, outputs, kernel=one, stride=one, norm=norm, act=False))
        self.shortcut = nn.Sequential(*shortcut)
        self.act = nn.LeakyReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv2(self.conv1(x)) + self.shortcut(x))

    def path(self) -> Path:
        return self.conv1.path() + self.conv2.path()


class _ResidualStage(nn.Module):
    def __init__(self, blocks: Sequence[nn.Module], *, checkpointing: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.checkpointing = checkpointing

    def forward(self, x: Tensor) -> Tensor:
        if not torch.jit.is_scripting() and self.checkpointing and self.training:
            for block in self.blocks:
                x = recomputed(block, x, block)
            return x
        return self.blocks(x)

    def path(self) -> Path:
        return [step for block in self.blocks for step in block.path()]  # type: ignore[operator]


class DynUNet(EncoderDecoder):
    """nnU-Net's plain U-Net, or its residual-encoder U-Net, with kernels and strides chosen per level.

    Args:
        spatial_dims, in_channels, out_channels, channels, strides, skip, deep_supervision: see `EncoderDecoder`.
        kernels: kernel per level, by default 3 everywhere (see `strides_and_kernels`).
        encoder: "plain": two convolutions per level on both sides; "residual": `RESIDUAL_BLOCKS` per level of the
            encoder behind a stem of one convolution, and one convolution per level of the decoder.
        norm: nnU-Net's instance normalisation; "batch" makes the network translation equivariant in evaluation.
        checkpointing: recompute activations in the backward pass.

    Raises:
        InputError: an argument that no such network has.
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 320, 320),
        strides: Sequence[Stride | int] = (2, 2, 2, 2, 2),
        kernels: Sequence[Stride] | None = None,
        encoder: str = "plain",
        skip: Skip = "concat",
        norm: str | tuple = ("instance", {"affine": True}),
        deep_supervision: int = 0,
        checkpointing: bool = False,
    ) -> None:
        if encoder not in ("plain", "residual"):
            raise InputError(f"encoder must be plain or residual, got {encoder!r}")
        if encoder == "residual" and len(channels) > len(RESIDUAL_BLOCKS):
            raise InputError(f"the residual encoder has at most {len(RESIDUAL_BLOCKS)} levels, got {len(channels)}")
        sizes = [(3,) * spatial_dims] * len(channels) if kernels is None else [tuple(kernel) for kernel in kernels]
        if len(sizes) != len(channels):
            raise InputError(f"kernels must have one entry per level, got {len(sizes)} for {len(channels)} levels")
        act = ("leakyrelu", {"inplace": True})

        def plain(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
            return ConvBlock(
                spatial_dims,
                inputs,
                outputs,
                stride=stride,
                kernel=sizes[level],
                norm=norm,
                act=act,
                dropout=0.0,
                residual=False,
                checkpointing=checkpointing,
            )

        def one(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
            return _ConvNormAct(
                spatial_dims,
                inputs,
                outputs,
                kernel=sizes[level],
                stride=stride,
                norm=norm,
                checkpointing=checkpointing,
            )

        def residual(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
            blocks: list[nn.Module] = []
            if level == 0:
                blocks.append(_ConvNormAct(spatial_dims, inputs, outputs, kernel=sizes[0], stride=stride, norm=norm))
                inputs = outputs
            for index in range(RESIDUAL_BLOCKS[level]):
                first = index == 0
                blocks.append(
                    _ResidualBlock(
                        spatial_dims,
                        inputs if first else outputs,
                        outputs,
                        kernel=sizes[level],
                        stride=stride if first else (1,) * spatial_dims,
                        norm=norm,
                    )
                )
            return _ResidualStage(blocks, checkpointing=checkpointing)

        super().__init__(
            spatial_dims,
            in_channels,
            out_channels,
            channels=channels,
            strides=strides,
            skip=skip,
            deep_supervision=deep_supervision,
            encode=plain if encoder == "plain" else residual,
            decode=plain if encoder == "plain" else one,
        )
        self.apply(_initialise)


def _initialise(module: nn.Module) -> None:
    """As nnU-Net: He initialisation for a leaky ReLU of 0.01, biases 0, and each residual branch begins as nothing."""
    if isinstance(module, nn.modules.conv._ConvNd):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, _ResidualBlock) and module.conv2.norm.weight is not None:
        nn.init.zeros_(module.conv2.norm.weight)
