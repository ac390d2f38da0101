"""TransUNet in 2D and 3D (Chen et al. 2021, arXiv:2102.04306; 2024, doi:10.1016/j.media.2024.103280).

A convolutional encoder halves the image until its feature map is small; a Vision Transformer (Dosovitskiy et al. 2021)
takes each voxel of that map as a token and lets all of them see each other; a cascaded upsampler brings the result
back, at each step doubling by interpolation, joining the encoder's features and convolving twice. In 3D the encoder is
nnU-Net's and skips reach full resolution (2024, the "encoder-only" form). The 2024 paper's second idea, a transformer
decoder with one query per organ, is not here. No pre-trained weights: size "l" has ViT-Base's shape, not its weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers import Conv
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.errors import InputError
from monai_unet.networks.checkpointing import recomputed
from monai_unet.networks.encoder_decoder import EncoderDecoder, Skip, Stride
from monai_unet.networks.unet import ConvBlock


class TransformerLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each behind layer normalisation and with a shortcut (ViT's layer)."""

    def __init__(self, hidden: int, heads: int, mlp: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.project = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, mlp), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp, hidden))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, hidden) → (N, tokens, hidden).

        Tokens are features without unit, one for each patch of voxels.
        """
        x = x + self.dropout(self._attend(self.norm1(x)))
        return x + self.dropout(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        split = self.qkv(x).unflatten(2, [3, self.heads, x.shape[2] // self.heads]).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.project(attended.transpose(1, 2).flatten(2))


class VisionTransformer(nn.Module):
    """Transformer over the voxels of a feature map (N, C, *spatial) → (N, C, *spatial), any size.

    Args:
        hidden, layers, heads, mlp: width, depth, attention heads and inner width of the layers (ViT-Base: 768, 12,
            12, 3072).
        grid: size per axis at which position embeddings are learned; for another size they are interpolated.
    """

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        *,
        hidden: int,
        layers: int,
        heads: int,
        mlp: int,
        grid: int = 8,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        conv = Conv[Conv.CONV, spatial_dims]
        self.checkpointing, self.mode = checkpointing, "bilinear" if spatial_dims == 2 else "trilinear"
        self.embed = conv(channels, hidden, 1)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, hidden, *[grid] * spatial_dims), std=0.02))
        self.layers = nn.ModuleList([TransformerLayer(hidden, heads, mlp, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(hidden)
        self.project = conv(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        x = self.embed(x)
        size = x.shape[2:]
        x = x + F.interpolate(self.position, size=size, mode=self.mode, align_corners=False)
        tokens = x.flatten(2).transpose(1, 2)
        for layer in self.layers:
            if not torch.jit.is_scripting() and self.checkpointing and self.training:
                tokens = recomputed(layer, tokens, layer)
            else:
                tokens = layer(tokens)
        return self.project(self.norm(tokens).transpose(1, 2).reshape(x.shape))


class TransUNet(EncoderDecoder):
    """Convolutional encoder, transformer at its lowest level, cascaded upsampler.

    Args:
        spatial_dims, in_channels, out_channels, channels, strides, deep_supervision: see `EncoderDecoder`.
        hidden, layers, heads, mlp: see `VisionTransformer`.
        skip: "concat" or "none"; interpolated features have the coarse level's channels and cannot be added.
        checkpointing: recompute activations, of convolutions and of transformer layers, in the backward pass.

    Every voxel of the result depends on every voxel of the input, so tiles never equal one pass.

    Raises:
        InputError: an argument that no such network has.
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 320),
        strides: Sequence[Stride | int] = (2, 2, 2, 2),
        hidden: int = 768,
        layers: int = 12,
        heads: int = 12,
        mlp: int = 3072,
        skip: Skip = "concat",
        norm: str | tuple = ("instance", {"affine": True}),
        dropout: float = 0.0,
        deep_supervision: int = 0,
        checkpointing: bool = False,
    ) -> None:
        if skip == "add":
            raise InputError("skip must be concat or none for transunet, got 'add'")
        if hidden % heads:
            raise InputError(f"hidden must be a multiple of heads, got {hidden} and {heads}")

        def convolutions(inputs: int, outputs: int, stride: tuple[int, ...], residual: bool) -> ConvBlock:
            return ConvBlock(
                spatial_dims,
                inputs,
                outputs,
                stride=stride,
                norm=norm,
                act=("leakyrelu", {"inplace": True}),
                dropout=0.0,
                residual=residual,
                checkpointing=checkpointing,
            )

        def encode(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
            block = convolutions(inputs, outputs, stride, residual=True)
            if level < len(channels) - 1:
                return block
            return nn.Sequential(
                block,
                VisionTransformer(
                    spatial_dims,
                    outputs,
                    hidden=hidden,
                    layers=layers,
                    heads=heads,
                    mlp=mlp,
                    dropout=dropout,
                    checkpointing=checkpointing,
                ),
            )

        def decode(level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
            return convolutions(inputs, outputs, stride, residual=False)

        super().__init__(
            spatial_dims,
            in_channels,
            out_channels,
            channels=channels,
            strides=strides,
            skip=skip,
            deep_supervision=deep_supervision,
            encode=encode,
            decode=decode,
            upsample="linear",
        )
