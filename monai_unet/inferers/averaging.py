"""Mirrored copies and several networks as one network, averaged tile by tile so that nothing is held twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from typing import Any, Literal

import torch
from torch import Tensor

from monai_unet.inferers.streaming import Network, borrowing, single_output

Activation = Literal["softmax", "sigmoid"]
SMALLEST = torch.finfo(torch.float32).tiny
"""Probabilities are kept from 0, whose logarithm no interpolation survives."""


RIGHT_TO_LEFT = 4
"""Axis of a tensor (N, channels, S, A, R)."""


class Averaged:
    """Mean of probabilities over networks and mirrored copies, given back as logits.

    Args:
        networks: called one after the other on each tile.
        flips: spatial axes (0, 1, 2); for each one mirrored copy is added.
        combined: use every combination of the axes, as nnU-Net does, instead of one axis at a time.
        activation: "softmax" for classes that exclude each other (the result is log probabilities), "sigmoid" for
            regions that may overlap (the result is the logit of the mean probability).
        mirrored_pairs: output channels of structures with a right and a left one, which change places in a copy that
            is mirrored along the last axis.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        flips: Sequence[int] = (),
        combined: bool = False,
        activation: Activation = "softmax",
        mirrored_pairs: Sequence[Sequence[int]] = (),
    ) -> None:
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(f"activation must be softmax or sigmoid, got {activation!r}")
        axes = [axis + 2 for axis in flips]
        subsets = chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1))
        self.networks, self.activation = tuple(networks), activation
        self.partner = {a: b for pair in mirrored_pairs for a, b in (tuple(pair), tuple(pair)[::-1])}
        self.mirrors: list[tuple[int, ...]] = [(), *(subsets if combined else [(axis,) for axis in axes])]

    @property
    def module(self) -> Any:
        """The first network's module, whose kind is that of all."""
        return getattr(self.networks[0], "module", self.networks[0])

    @property
    def borrows(self) -> bool:
        """Whether the next call overwrites the result."""
        return len(self.networks) * len(self.mirrors) == 1 and borrowing(self.networks[0]) is not self.networks[0]

    def __call__(self, tile: Tensor, *args: object, **kwargs: object) -> Tensor:
        """(N, channels, *spatial) → (N, C, *spatial)."""
        count = len(self.networks) * len(self.mirrors)
        if count == 1:
            return single_output(borrowing(self.networks[0])(tile, *args, **kwargs))
        total: Tensor | None = None
        for network in self.networks:
            # one batch of all copies: PyTorch computes small networks twice as fast from two images on
            output = single_output(borrowing(network)(torch.cat([tile.flip(m) for m in self.mirrors]), *args, **kwargs))
            for part, mirror in zip(output.split(tile.shape[0]), self.mirrors, strict=True):
                part = part.float().softmax(1) if self.activation == "softmax" else part.float().sigmoid()
                part = self._mirrored_back(part, mirror)
                total = part if total is None else total.add_(part)
        assert total is not None
        mean = total.div_(count).clamp_min_(SMALLEST)
        if self.activation == "softmax":
            return mean.log_()
        return mean.log() - (1 - mean).clamp_min_(SMALLEST).log_()

    def _mirrored_back(self, output: Tensor, mirror: tuple[int, ...]) -> Tensor:
        if self.partner and RIGHT_TO_LEFT in mirror:
            output = output[:, [self.partner.get(channel, channel) for channel in range(output.shape[1])]]
        return output.flip(mirror)
