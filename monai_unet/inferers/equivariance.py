"""Whether a network gives the same answer for a part of a volume as for the whole, away from the cut."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import nn

from monai_unet.errors import InputError
from monai_unet.networks import receptive_field

INSTANCE_STATISTICS: tuple[type[nn.Module], ...] = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool3d,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
)
"""Layers whose output at a voxel depends on all voxels they are given."""


def is_known(network: object) -> bool:
    """Whether its layers can be looked at, which those of a function or of another program's session cannot."""
    return isinstance(getattr(network, "module", network), nn.Module)


def instance_statistics(network: object) -> list[str]:
    """Names of the layers that look at all of their input at once (`InstanceNorm3d`, …), each kind once."""
    network = getattr(network, "module", network)
    if not isinstance(network, nn.Module):
        return []
    kinds = {
        type(layer).__name__
        for layer in network.modules()
        if isinstance(layer, INSTANCE_STATISTICS) and not getattr(layer, "track_running_stats", False)
    }
    return sorted(kinds)


def require_equivariance(network: object, *, what: str) -> None:
    """Let only networks pass that give each part the result of the whole.

    Raises:
        InputError: the network has layers that depend on all voxels of what they are given; they are named.
    """
    kinds = instance_statistics(network)
    if kinds:
        raise InputError(
            f"{what} needs a network whose result does not depend on how the volume is cut; this one has "
            f"{', '.join(kinds)}, which use statistics of all they are given; use a sliding window of the size it was "
            "trained with."
        )


def tiling_of(network: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Total stride, which the network must declare, and receptive field per axis, declared or else measured once.

    Raises:
        InputError: it declares no stride, or sees the whole input.
    """
    network = getattr(network, "module", network)
    stride = getattr(network, "total_stride", None)
    if stride is None or not isinstance(network, nn.Module):
        raise InputError(
            f"strips need a network that declares its `total_stride`, as those of monai_unet.networks do; "
            f"{type(network).__name__} does not; use a sliding window."
        )
    if network not in _FIELDS:
        field = receptive_field(network)
        if field is None:
            require_equivariance(network, what="inference in strips")
            raise InputError(f"{type(network).__name__} sees the whole volume at once; use a sliding window.")
        _FIELDS[network] = field
    return tuple(stride), _FIELDS[network]


_FIELDS: WeakKeyDictionary[nn.Module, tuple[int, ...]] = WeakKeyDictionary()
