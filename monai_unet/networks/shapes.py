"""What every network of the family does around its own layers: check the input, pad it to a legal size, crop again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.errors import InputError


def check_input(x: Tensor, spatial_dims: int, in_channels: int) -> None:
    """Refuse an input that is not (N, in_channels, *spatial).

    Raises:
        InputError: other dimensions or channels (a ValueError inside TorchScript, which knows no other class).
    """
    if x.dim() == spatial_dims + 2 and x.shape[1] == in_channels:
        return
    message = (
        f"the network expects a {spatial_dims}D input with {in_channels} channels, shape "
        f"(N, {in_channels}, {spatial_dims} spatial sizes); got shape {list(x.shape)}."
    )
    if torch.jit.is_scripting():
        raise ValueError(message)
    raise InputError(message)


def pad_to_multiple(x: Tensor, multiples: list[int], lowest: int = 1) -> Tensor:
    """Zeros at the end of each spatial axis until its size is a multiple, and at least `lowest` multiples fit in all.

    `lowest` is 2 for instance normalisation, which has no statistics of a single voxel.

    (N, C, *spatial) → (N, C, *padded), sizes in voxels.
    """
    pad: list[int] = []
    fit = 1
    for axis in range(len(multiples) - 1, -1, -1):
        pad += [0, (-x.shape[axis + 2]) % multiples[axis]]
        fit *= (x.shape[axis + 2] + pad[-1]) // multiples[axis]
    if fit < lowest:
        pad[1] += multiples[-1] * (lowest - fit)
    return F.pad(x, pad)


def lowest_fit(network: nn.Module) -> int:
    """How many voxels the lowest level of a network needs."""
    return 2 if any(isinstance(module, nn.modules.instancenorm._InstanceNorm) for module in network.modules()) else 1


def crop(x: Tensor, size: list[int]) -> Tensor:
    """The first `size` voxels of each spatial axis: undoes `pad_to_multiple`.

    (N, C, *padded) → (N, C, *size).
    """
    for axis in range(len(size)):
        x = x.narrow(axis + 2, 0, size[axis])
    return x


def crop_coarse(x: Tensor, size: list[int], padded: list[int]) -> Tensor:
    """The part of a coarser output, computed from an input padded from `size` to `padded`, that covers the input.

    (N, C, *coarse) → (N, C, *part), sizes in voxels along the spatial axes.
    """
    for axis in range(len(size)):
        x = x.narrow(axis + 2, 0, -(-size[axis] * x.shape[axis + 2] // padded[axis]))
    return x


class Padded(nn.Module):
    """A network of MONAI's behind the family's conventions: any input size, one form of output.

    Args:
        network: takes sizes that are multiples of `multiples`.
        spatial_dims, in_channels: of the input.
        multiples: per axis.
        finest_last: the network lists its outputs from the least to the most refined.

    In training mode a list of outputs stays a list, finest first; in evaluation only the finest is returned, cropped to
    the input's size.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        spatial_dims: int,
        in_channels: int,
        multiples: list[int],
        finest_last: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.spatial_dims, self.in_channels, self.finest_last = spatial_dims, in_channels, finest_last
        self.total_stride: list[int] = [int(m) for m in multiples]
        self.lowest = lowest_fit(network)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, *spatial) → (N, out_channels, *spatial), or a list in training mode.

        Intensities in, logits out.
        """
        check_input(x, self.spatial_dims, self.in_channels)
        size = list(x.shape[2:])
        x = pad_to_multiple(x, self.total_stride, self.lowest)
        outputs = self.network(x)
        if isinstance(outputs, Tensor):
            return crop(outputs, size)
        finest, *others = reversed(outputs) if self.finest_last else outputs
        if not self.training or not others:
            return crop(finest, size)
        return [crop(finest, size), *(crop_coarse(o, size, list(x.shape[2:])) for o in others)]  # type: ignore[return-value]
