"""The U-Net (Ronneberger et al. 2015, arXiv:1505.04597; 3D: Çiçek et al. 2016, arXiv:1606.06650), plain or residual.

Written here and not taken from MONAI because the project varies what MONAI's UNet fixes: how skip connections join
(or whether they exist), anisotropic strides, gradient checkpointing, deep supervision by one convention, and any
input size. Strided convolutions go down and transposed ones up, as in nnU-Net (Isensee et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from monai.networks.blocks import ADN
from monai.networks.layers import Conv
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Skip = Literal["concat", "add", "none"]
Stride = Sequence[int]


class ConvBlock(nn.Module):
    """Two 3×3×3 convolutions, each followed by normalisation and activation; the first one carries the stride.

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
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        conv = Conv[Conv.CONV, spatial_dims]
        kernel, pad = [3] * spatial_dims, [1] * spatial_dims
        adn = {"in_channels": out_channels, "norm": norm, "norm_dim": spatial_dims}
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
        """(N, C, *spatial) → (N, out_channels, *spatial / stride)."""
        if not torch.jit.is_scripting() and self.checkpointing and self.training:
            return checkpoint(self._features, x, use_reentrant=False)
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.adn1(self.conv1(x))))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.act2(y)


class UNet(nn.Module):
    """Encoder–decoder with skip connections for label maps in 2D or 3D.

    Args:
        spatial_dims: 2 or 3.
        in_channels: image channels.
        out_channels: classes with the background (softmax), or regions (sigmoid); the output is logits.
        channels: feature channels of each level, full resolution first.
        strides: stride per axis of each step down, one entry fewer than `channels`.
        residual: residual blocks instead of plain ones.
        skip: how the encoder's features join the decoder's: concatenated, added, or not at all (an ablation).
        norm: MONAI layer name; "batch" keeps the network translation equivariant in evaluation, "instance" does not.
        act: MONAI layer name.
        dropout: probability inside each block.
        deep_supervision: number of coarser outputs in training mode.
        checkpointing: recompute activations in the backward pass (about half the memory for a third more time).

    In training mode with `deep_supervision` > 0, `forward` returns a list of logits from full resolution to coarse;
    otherwise, and always in evaluation, logits (N, out_channels, *spatial). An input of any size is padded with zeros
    inside to a multiple of the total stride and cropped again.
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
        super().__init__()
        if len(strides) != len(channels) - 1:
            raise ValueError(f"strides must have one entry fewer than channels, got {len(strides)} and {len(channels)}")
        if skip not in ("concat", "add", "none"):
            raise ValueError(f"skip must be concat, add or none, got {skip!r}")
        if not 0 <= deep_supervision < len(strides):
            raise ValueError(f"deep_supervision must be 0 to {len(strides) - 1}, got {deep_supervision}")
        self.in_channels, self.spatial_dims, self.skip = in_channels, spatial_dims, skip
        steps = [tuple([s] * spatial_dims) if isinstance(s, int) else tuple(s) for s in strides]
        self.total_stride: list[int] = [int(torch.tensor([s[a] for s in steps]).prod()) for a in range(spatial_dims)]
        options = {"norm": norm, "act": act, "dropout": dropout, "residual": residual, "checkpointing": checkpointing}
        one = (1,) * spatial_dims

        self.encoder = nn.ModuleList([ConvBlock(spatial_dims, in_channels, channels[0], stride=one, **options)])
        for (fine, coarse), step in zip(pairwise(channels), steps, strict=True):
            self.encoder.append(ConvBlock(spatial_dims, fine, coarse, stride=step, **options))

        up = Conv[Conv.CONVTRANS, spatial_dims]
        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for (fine, coarse), step in reversed(list(zip(pairwise(channels), steps, strict=True))):
            self.ups.append(up(coarse, fine, step, step))
            joined = 2 * fine if skip == "concat" else fine
            self.decoder.append(ConvBlock(spatial_dims, joined, fine, stride=one, **options))

        head = Conv[Conv.CONV, spatial_dims]
        self.head = head(channels[0], out_channels, 1)
        self.deep_heads = nn.ModuleList([head(channels[1 + i], out_channels, 1) for i in range(deep_supervision)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *spatial) → (N, out_channels, *spatial)."""
        if x.shape[1] != self.in_channels or x.dim() != self.spatial_dims + 2:
            raise ValueError(
                f"expected a {self.spatial_dims}D input with {self.in_channels} channels, got shape {list(x.shape)}"
            )
        size = x.shape[2:]
        pad: list[int] = []
        for axis in range(self.spatial_dims - 1, -1, -1):
            pad += [0, (-size[axis]) % self.total_stride[axis]]
        x = F.pad(x, pad)

        features: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            features.append(x)
        x = features.pop()
        decoded: list[Tensor] = []
        for up, block in zip(self.ups, self.decoder):  # noqa: B905 (TorchScript has no strict)
            fine = features.pop()
            x = up(x)
            if self.skip == "concat":
                x = torch.cat([x, fine], dim=1)
            elif self.skip == "add":
                x = x + fine
            x = block(x)
            decoded.append(x)

        logits = _crop(self.head(x), size)
        if not torch.jit.is_scripting() and self.training and len(self.deep_heads) > 0:
            coarse = [head(f) for head, f in zip(self.deep_heads, reversed(decoded[:-1]), strict=False)]
            return [logits, *coarse]  # type: ignore[return-value]
        return logits

    def receptive_field(self) -> tuple[int, ...]:
        """Voxels per axis of the input that can change one output voxel (exact for whole blocks, both branches)."""
        field = [1] * self.spatial_dims
        steps = [block.conv1.stride for block in self.encoder]
        for axis in range(self.spatial_dims):
            jump, radius = 1, 0
            for step in steps:
                radius += jump  # the strided (or first) convolution
                jump *= step[axis]
                radius += jump  # the second convolution
            for step in reversed(steps[1:]):
                radius += jump  # a transposed convolution reads one coarse voxel, up to jump - 1 away
                jump //= step[axis]
                radius += 2 * jump
            field[axis] = 2 * radius + 1
        return tuple(field)


def _crop(x: Tensor, size: list[int]) -> Tensor:
    for axis in range(len(size)):
        x = x.narrow(axis + 2, 0, size[axis])
    return x
