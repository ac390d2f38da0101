"""The U-Nets of nnU-Net's plans, layer for layer, so that weights trained by nnU-Net v2 load strictly.

Modules are called as in `dynamic-network-architectures` (Apache-2.0), whose classes `PlainConvUNet` and
`ResidualEncoderUNet` plans name; what that package keeps under a second name is left out. Two-dimensional networks are
built of three-dimensional layers of depth 1, so that a tile is (N, C, 1, H, W) for every runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from monai_unet.errors import InputError
from monai_unet.networks.shapes import check_input, crop, lowest_fit, pad_to_multiple

Triple = Sequence[int]
Activations = Literal["leaky_relu", "relu", "elu", "gelu", "silu"]
Norms = Literal["instance", "batch", "none"]


class _Layer(nn.Module):
    """Convolution, normalisation, activation."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple, stride: Triple, made: _Made, *, act: bool = True,
                 bias: bool | None = None) -> None:  # fmt: skip
        super().__init__()
        padding = [(size - 1) // 2 for size in kernel]
        with_bias = made.bias if bias is None else bias
        self.conv = nn.Conv3d(inputs, outputs, _three(kernel), _three(stride), _three(padding), bias=with_bias)
        self.norm = made.norm(outputs)
        self.act = made.act() if act else nn.Identity()
        self.act_first = made.act_first and act

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.norm(self.act(x)) if self.act_first else self.act(self.norm(x))


class _Layers(nn.Module):
    def __init__(self, count: int, inputs: int, outputs: int, kernel: Triple, stride: Triple, made: _Made) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(_Layer(outputs if n else inputs, outputs, kernel, (1, 1, 1) if n else stride, made) for n in range(count))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class _Block(nn.Module):
    """Block D of He et al. 2019 (arXiv:1812.01187), as in nnU-Net's residual encoder (arXiv:2404.09556)."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple, stride: Triple, made: _Made) -> None:
        super().__init__()
        one = (1, 1, 1)
        self.conv1 = _Layer(inputs, outputs, kernel, stride, made)
        self.conv2 = _Layer(outputs, outputs, kernel, one, made, act=False)
        skip: list[nn.Module] = []
        if max(stride) > 1:
            skip.append(nn.AvgPool3d(_three(stride), _three(stride)))
        if inputs != outputs:
            skip.append(_Layer(inputs, outputs, one, one, made, act=False, bias=False))
        self.skip = nn.Sequential(*skip)
        self.nonlin2 = made.act()

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))


class _Blocks(nn.Module):
    def __init__(self, count: int, inputs: int, outputs: int, kernel: Triple, stride: Triple, made: _Made) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(_Block(outputs if n else inputs, outputs, kernel, (1, 1, 1) if n else stride, made) for n in range(count))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class _Made:
    """What all layers of a network share."""

    def __init__(self, norm: Norms, eps: float, affine: bool, act: Activations, slope: float, bias: bool,
                 act_first: bool) -> None:  # fmt: skip
        self.kind, self.eps, self.affine, self.bias, self.act_first = norm, eps, affine, bias, act_first
        self.activation, self.slope = act, slope

    def norm(self, channels: int) -> nn.Module:
        if self.kind == "none":
            return nn.Identity()
        made = nn.InstanceNorm3d if self.kind == "instance" else nn.BatchNorm3d
        return made(channels, eps=self.eps, affine=self.affine)

    def act(self) -> nn.Module:
        if self.activation == "leaky_relu":
            return nn.LeakyReLU(self.slope, inplace=True)
        if self.activation == "gelu":
            return nn.GELU()
        simple = {"relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU}
        if self.activation not in simple:
            raise InputError(f"there is no activation '{self.activation}' in these networks; use leaky_relu.")
        return simple[self.activation](inplace=True)


class _Encoder(nn.Module):
    def __init__(self, inputs: int, channels: Sequence[int], kernels: Sequence[Triple], strides: Sequence[Triple],
                 counts: Sequence[int], made: _Made, *, residual: bool) -> None:  # fmt: skip
        super().__init__()
        self.stem = _Layers(1, inputs, channels[0], kernels[0], (1, 1, 1), made) if residual else nn.Identity()
        before = [channels[0] if residual else inputs, *channels[:-1]]
        stages: list[nn.Module] = []
        for have, width, kernel, stride, count in zip(before, channels, kernels, strides, counts, strict=True):
            stage = (_Blocks if residual else _Layers)(count, have, width, kernel, stride, made)
            stages.append(stage if residual else nn.Sequential(stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        skips: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        return skips


class _Decoder(nn.Module):
    def __init__(self, channels: Sequence[int], kernels: Sequence[Triple], strides: Sequence[Triple],
                 counts: Sequence[int], classes: int, made: _Made) -> None:  # fmt: skip
        super().__init__()
        levels = range(len(channels) - 2, -1, -1)
        self.transpconvs = nn.ModuleList(
            nn.ConvTranspose3d(
                channels[n + 1], channels[n], _three(strides[n + 1]), _three(strides[n + 1]), bias=made.bias
            )
            for n in levels
        )
        self.stages = nn.ModuleList(
            _Layers(count, 2 * channels[n], channels[n], kernels[n], (1, 1, 1), made)
            for n, count in zip(levels, counts, strict=True)
        )
        self.seg_layers = nn.ModuleList(nn.Conv3d(channels[n], classes, 1) for n in levels)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        """Logits, finest first."""
        x, outputs = skips[-1], []
        for n, (up, stage, head) in enumerate(zip(self.transpconvs, self.stages, self.seg_layers, strict=True)):
            x = stage(torch.cat((up(x), skips[-(n + 2)]), 1))
            if self.training or n == len(self.stages) - 1:
                outputs.append(head(x))
        return outputs[::-1]


class PlansUNet(nn.Module):
    """A U-Net as nnU-Net v2 plans it (Isensee et al. 2021; residual encoder: Isensee et al. 2024).

    Args:
        in_channels, out_channels: of the input, and of the logits.
        channels: features of each stage, full resolution first.
        kernels, strides: per stage, three numbers each; for slices the first is 1.
        encoder_counts: convolutions, or residual blocks, of each stage of the encoder.
        decoder_counts: convolutions of each stage of the decoder, the coarsest first.
        residual: residual blocks behind a stem instead of plain convolutions in the encoder.
        norm, eps, affine, act, slope, bias, act_first: of all layers; `slope` is that of the leaky ReLU, `act_first`
            puts the normalisation behind the activation.

    In evaluation logits (N, out_channels, *spatial) of any input size; in training mode the list of all resolutions,
    finest first.

    Raises:
        InputError: lists of different lengths.

    >>> net = PlansUNet(1, 2, channels=[4, 8], kernels=[[3, 3, 3]] * 2, strides=[[1, 1, 1], [2, 2, 2]],
    ...                 encoder_counts=[1, 1], decoder_counts=[1]).eval()
    >>> net(torch.zeros(1, 1, 8, 9, 8)).shape
    torch.Size([1, 2, 8, 9, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int],
        kernels: Sequence[Triple],
        strides: Sequence[Triple],
        encoder_counts: Sequence[int],
        decoder_counts: Sequence[int],
        residual: bool = False,
        norm: Norms = "instance",
        eps: float = 1e-5,
        affine: bool = True,
        act: Activations = "leaky_relu",
        slope: float = 0.01,
        bias: bool = True,
        act_first: bool = False,
    ) -> None:
        super().__init__()
        if not len(channels) == len(kernels) == len(strides) == len(encoder_counts) == len(decoder_counts) + 1 > 1:
            raise InputError(
                "channels, kernels, strides and encoder_counts need an entry per stage, decoder_counts one fewer."
            )
        self.in_channels, self.out_channels, self.spatial_dims = in_channels, out_channels, 3
        self.total_stride: list[int] = [prod(stride[axis] for stride in strides) for axis in range(3)]
        made = _Made(norm, eps, affine, act, slope, bias, act_first)
        self.encoder = _Encoder(in_channels, channels, kernels, strides, encoder_counts, made, residual=residual)
        self.decoder = _Decoder(channels, kernels, strides, decoder_counts, out_channels, made)
        self.lowest = lowest_fit(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *spatial) → logits (N, out_channels, *spatial), or a list in training mode."""
        check_input(x, self.spatial_dims, self.in_channels)
        size = list(x.shape[2:])
        outputs = self.decoder(self.encoder(pad_to_multiple(x, self.total_stride, self.lowest)))
        return [crop(outputs[0], size), *outputs[1:]] if self.training else crop(outputs[0], size)  # type: ignore[return-value]


class FoldEnsemble(nn.Module):
    """Networks of one kind, as of several folds, whose logits are averaged (as nnU-Net does, before any softmax).

    Args:
        folds: how many.
        network: arguments of `PlansUNet`.
    """

    def __init__(self, folds: int, **network: object) -> None:
        super().__init__()
        self.folds = nn.ModuleList(PlansUNet(**network) for _ in range(folds))  # type: ignore[arg-type]
        first: PlansUNet = self.folds[0]  # type: ignore[assignment]
        self.in_channels, self.out_channels, self.spatial_dims = first.in_channels, first.out_channels, 3
        self.total_stride = first.total_stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *spatial) → mean logits (N, out_channels, *spatial)."""
        total = self.folds[0](x)
        for network in self.folds[1:]:
            total = total + network(x)
        return total / len(self.folds)


def _three(sizes: Triple) -> tuple[int, int, int]:
    first, second, third = sizes
    return first, second, third
