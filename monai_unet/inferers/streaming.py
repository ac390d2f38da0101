"""Inference as a stream of finished slabs: nothing of the size of all classes × the volume needs to exist."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor

Network = Callable[..., object]


@dataclass(frozen=True, eq=False)
class Slab:
    """Finished logits of some planes along the first spatial axis.

    Attributes:
        start: index of the first plane.
        scores: (C, planes, A, R).
        shared: the scores lie in memory that the next step overwrites; who keeps them takes `owned`.
    """

    start: int
    scores: Tensor
    shared: bool = False

    @property
    def owned(self) -> Tensor:
        """The scores, to keep: a copy where the next step would overwrite them."""
        return self.scores.clone() if self.shared else self.scores


@dataclass(frozen=True)
class InferenceStep:
    """One tile further: `done` of `total` tiles (0: not known), and the slab that became final with it, if any."""

    done: int
    total: int
    slab: Slab | None = None

    @classmethod
    def last(cls, done: int, scores: Tensor) -> InferenceStep:
        """The end of a computation that gives everything at once."""
        return cls(done, done, Slab(0, scores))


class UnsuitableOutputError(ValueError):
    """The network returns something that cannot be handed out in slabs; MONAI's inferers may know better."""


class StreamingInferer(Inferer):
    """A MONAI inferer that can also hand out its result slab by slab, in order, each plane once."""

    @abstractmethod
    def stream(self, image: Tensor, network: Network, *args: object, **kwargs: object) -> Iterator[InferenceStep]:
        """Infer one image (channels, S, A, R)."""

    def __call__(self, inputs: Tensor, network: Network, *args: object, **kwargs: object) -> Tensor:
        """(N, channels, S, A, R) → logits (N, C, S, A, R) with the metadata of the input."""
        images = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        found = [collect(self.stream(image, network, *args, **kwargs)) for image in images]
        logits = found[0][None] if len(found) == 1 else torch.stack(found)
        if isinstance(inputs, MetaTensor):
            return MetaTensor(logits, meta=inputs.meta, applied_operations=inputs.applied_operations)
        return logits


def collect(steps: Iterator[InferenceStep]) -> Tensor:
    """All slabs of a stream joined, (C, S, A, R)."""
    slabs = [step.slab.owned for step in steps if step.slab is not None]
    return slabs[0] if len(slabs) == 1 else torch.cat(slabs, dim=1)


def single_output(output: object) -> Tensor:
    """The full-resolution logits (N, C, *spatial) of what a network returns.

    Raises:
        UnsuitableOutputError: something else than a tensor, or than a sequence that begins with one.
    """
    if isinstance(output, (list, tuple)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise UnsuitableOutputError(f"the network must return a tensor of logits, got {type(output).__name__}")
    return output.as_tensor() if isinstance(output, MetaTensor) else output


def borrowing(network: Network) -> Network:
    """The network, or its `borrow`, whose result lies in memory that the next call overwrites and costs no copy."""
    return getattr(network, "borrow", network)
