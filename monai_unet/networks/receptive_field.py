"""How far a network sees, and whether a tile gives what the whole volume gives."""

from __future__ import annotations

import copy

import torch
from torch import nn

from monai_unet.networks.encoder_decoder import EncoderDecoder

_WHOLE_INPUT = (nn.GroupNorm, nn.LayerNorm, nn.MultiheadAttention, nn.modules.instancenorm._InstanceNorm)


def is_translation_equivariant(network: nn.Module) -> bool:
    """Whether, in evaluation, shifting the input by the total stride shifts the output (away from the border).

    Then one pass over a whole volume and a pass over tiles with a halo of half the receptive field are the same. Not
    so where statistics or attention run over the whole input: instance and group normalisation, transformers.
    """
    return not any(isinstance(module, _WHOLE_INPUT) for module in network.modules())


def receptive_field(network: nn.Module) -> tuple[int, ...] | None:
    """Voxels per axis of the smallest centred box that holds every input voxel which can change an output voxel.

    None where that is the whole input. Networks of MONAI's are measured (see `measured_receptive_field`).

    Args:
        network: from `build_unet`.
    """
    if not is_translation_equivariant(network):
        return None
    if isinstance(network, EncoderDecoder):
        return network.receptive_field()
    return measured_receptive_field(network)


def measured_receptive_field(network: nn.Module) -> tuple[int, ...]:
    """The receptive field seen by changing single voxels.

    A copy of the network gets positive weights, so that a raised voxel raises whatever depends on it and nothing
    cancels out. Float64 on a long, thin input; takes seconds.
    """
    probe = _positive_copy(network)
    strides: list[int] = probe.total_stride  # type: ignore[assignment]
    return tuple(2 * _reach(probe, strides, axis) + 1 for axis in range(len(strides)))


def _positive_copy(network: nn.Module) -> nn.Module:
    probe = copy.deepcopy(network).double().cpu().eval()
    for parameter in probe.parameters():
        positive = 1.0 / max(1, parameter[0].numel()) if parameter.dim() > 1 else 1.0
        parameter.data.fill_(positive)
    for module in probe.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
    return probe


@torch.no_grad()
def _reach(probe: nn.Module, strides: list[int], axis: int) -> int:
    length = 16 * strides[axis]
    while True:
        size = list(strides)
        size[axis] = length
        channels: int = probe.in_channels  # type: ignore[assignment]
        flat = torch.ones([1, channels, *size], dtype=torch.float64)
        before = probe(flat)
        middle, reach = length // 2, 0
        for place in range(middle, middle + strides[axis]):
            raised = flat.clone()
            raised.select(axis + 2, place).add_(1e9)
            other = [dim for dim in range(flat.dim()) if dim != axis + 2]
            changed = (probe(raised) != before).sum(other).nonzero().flatten()
            reach = max(reach, place - int(changed[0]), int(changed[-1]) - place)
        if reach < middle - strides[axis]:
            return reach
        length *= 2
