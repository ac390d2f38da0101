"""The shape that the U-Nets written here share: an encoder, a decoder, and how skip connections join them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal, Protocol

import torch
from monai.networks.layers import Conv
from torch import Tensor, nn

from monai_unet.errors import InputError
from monai_unet.networks.shapes import check_input, crop, crop_coarse, lowest_fit, pad_to_multiple

Skip = Literal["concat", "add", "none"]
SKIPS: tuple[Skip, ...] = ("concat", "add", "none")
Stride = Sequence[int]
Path = list[tuple[tuple[int, ...], tuple[int, ...]]]
"""(kernel, stride) of each convolution on the longest way through a stage."""


class MakeStage(Protocol):
    """Builds the stage of one level; level 0 is full resolution."""

    def __call__(self, level: int, in_channels: int, out_channels: int, stride: tuple[int, ...], /) -> nn.Module:
        """Stage (N, in_channels, *spatial) → (N, out_channels, *spatial / stride) with a method `path() -> Path`."""


class EncoderDecoder(nn.Module):
    """Encoder–decoder with skip connections; strided stages go down, transposed convolutions up (as in nnU-Net).

    Args:
        channels: feature channels of each level, full resolution first.
        strides: stride per axis of each step down, one entry fewer than `channels`.
        skip: how the encoder's features join the decoder's: concatenated, added, or not at all (an ablation).
        deep_supervision: number of coarser outputs in training mode.
        encode, decode: make the stages.
        upsample: "transposed": convolutions that learn it, to the finer level's channels; "linear": interpolation.

    In training mode with `deep_supervision` > 0, `forward` returns a list of logits from full resolution to coarse;
    otherwise, and always in evaluation, logits (N, out_channels, *spatial). An input of any size is padded with zeros
    inside to a multiple of the total stride and cropped again.

    Raises:
        InputError: an argument that no such network has.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int],
        strides: Sequence[Stride | int],
        skip: Skip,
        deep_supervision: int,
        encode: MakeStage,
        decode: MakeStage,
        upsample: Literal["transposed", "linear"] = "transposed",
    ) -> None:
        super().__init__()
        if len(strides) != len(channels) - 1:
            raise InputError(f"strides must have one entry fewer than channels, got {len(strides)} and {len(channels)}")
        if skip not in SKIPS:
            raise InputError(f"skip must be one of {', '.join(SKIPS)}, got {skip!r}")
        if not 0 <= deep_supervision < len(strides):
            raise InputError(f"deep_supervision must be 0 to {len(strides) - 1}, got {deep_supervision}")
        self.in_channels, self.spatial_dims, self.skip = in_channels, spatial_dims, skip
        self.steps = [(s,) * spatial_dims if isinstance(s, int) else tuple(s) for s in strides]
        if any(len(step) != spatial_dims for step in self.steps):
            raise InputError(f"each stride must have {spatial_dims} entries, got {list(strides)}")
        self.total_stride: list[int] = [prod(step[axis] for step in self.steps) for axis in range(spatial_dims)]
        one = (1,) * spatial_dims

        self.encoder = nn.ModuleList([encode(0, in_channels, channels[0], one)])
        levels = list(enumerate(zip(pairwise(channels), self.steps, strict=True)))
        for level, ((fine, coarse), step) in levels:
            self.encoder.append(encode(level + 1, fine, coarse, step))

        self.ups, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, ((fine, coarse), step) in reversed(levels):
            if upsample == "transposed":
                self.ups.append(Conv[Conv.CONVTRANS, spatial_dims](coarse, fine, step, step))
                raised = fine
            else:
                self.ups.append(nn.Upsample(scale_factor=step, mode="bilinear" if spatial_dims == 2 else "trilinear"))
                raised = coarse
            self.decoder.append(decode(level, raised + fine if skip == "concat" else raised, fine, one))

        head = Conv[Conv.CONV, spatial_dims]
        self.head = head(channels[0], out_channels, 1)
        self.deep_heads = nn.ModuleList([head(channels[1 + i], out_channels, 1) for i in range(deep_supervision)])
        self.lowest = lowest_fit(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *spatial) → (N, out_channels, *spatial)."""
        check_input(x, self.spatial_dims, self.in_channels)
        size = list(x.shape[2:])
        x = pad_to_multiple(x, self.total_stride, self.lowest)
        padded = list(x.shape[2:])

        features: list[Tensor] = []
        for stage in self.encoder:
            x = stage(x)
            features.append(x)
        x = features.pop()
        decoded: list[Tensor] = []
        for up, stage in zip(self.ups, self.decoder):  # noqa: B905 (TorchScript has no strict)
            fine = features.pop()
            x = up(x)
            if self.skip == "concat":
                x = torch.cat([x, fine], dim=1)
            elif self.skip == "add":
                x = x + fine
            x = stage(x)
            decoded.append(x)

        logits = crop(self.head(x), size)
        if not torch.jit.is_scripting() and self.training and len(self.deep_heads) > 0:
            heads = zip(self.deep_heads, reversed(decoded[:-1]), strict=False)
            coarse = [crop_coarse(head(f), size, padded) for head, f in heads]
            return [logits, *coarse]  # type: ignore[return-value]
        return logits

    def receptive_field(self) -> tuple[int, ...]:
        """Voxels per axis of the smallest centred box that holds every input voxel which can change an output voxel.

        Holds for layers that act locally: batch normalisation in evaluation, not instance normalisation, whose
        statistics see the whole input. Half of it is the halo that makes tiles equal to one pass.
        """
        return tuple(2 * self._reach(axis) + 1 for axis in range(self.spatial_dims))

    def _reach(self, axis: int) -> int:
        period = self.total_stride[axis]
        reach = 0
        for voxel in range(period):
            low, high = self._decoder_span(0, axis, voxel, voxel)
            reach = max(reach, voxel - low, high - voxel)
        return reach

    def _decoder_span(self, level: int, axis: int, low: int, high: int) -> tuple[int, int]:
        """Input voxels that the decoder's (at the bottom the encoder's) features low…high of a level depend on."""
        bottom = len(self.steps)
        if level == bottom:
            return self._encoder_span(level, axis, low, high)
        low, high = _before(self.decoder[bottom - 1 - level], axis, low, high)
        step = self.steps[level][axis]
        below = self._decoder_span(level + 1, axis, low // step, high // step)
        if self.skip == "none":
            return below
        beside = self._encoder_span(level, axis, low, high)
        return min(below[0], beside[0]), max(below[1], beside[1])

    def _encoder_span(self, level: int, axis: int, low: int, high: int) -> tuple[int, int]:
        for stage in reversed(list(self.encoder)[: level + 1]):
            low, high = _before(stage, axis, low, high)
        return low, high


def _before(stage: nn.Module, axis: int, low: int, high: int) -> tuple[int, int]:
    """Inputs of a stage that its outputs low…high depend on; every convolution is padded by half its kernel."""
    path: Path = stage.path()  # type: ignore[operator]
    for kernel, stride in reversed(path):
        half = kernel[axis] // 2
        low, high = low * stride[axis] - half, high * stride[axis] + half
    return low, high
