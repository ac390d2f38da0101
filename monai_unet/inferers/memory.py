"""How much memory a network takes, and smaller steps when it does not suffice."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_unet.errors import InputError
from monai_unet.inferers.equivariance import tiling_of
from monai_unet.inferers.halo_strips import HaloStripInferer, rounded_up
from monai_unet.inferers.localised import LocalisedInferer
from monai_unet.inferers.sliding_window import StreamingSlidingWindowInferer
from monai_unet.inferers.streaming import StreamingInferer
from monai_unet.inferers.whole_volume import WholeVolumeInferer
from monai_unet.mappings import Json

MARGIN = 1.5
"""For what the modules' outputs do not show: padding, joined features, the library's own buffers."""

STRIPS = (128, 64, 32, 16)


def activation_bytes_per_voxel(module: nn.Module, channels: int, *, size: int = 32) -> float:
    """Peak of the activations alive at once in a forward pass, in bytes per voxel of the input, with a margin."""
    alive, peak = 0, 0

    def freed(count: int) -> None:
        nonlocal alive
        alive -= count

    def watch(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal alive, peak
        if isinstance(output, Tensor) and output.grad_fn is None:
            count = output.numel() * output.element_size()
            alive += count
            peak = max(peak, alive)
            weakref.finalize(output, freed, count)

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(watch) for layer in leaves]
    device = next(module.parameters()).device
    try:
        with torch.no_grad():
            module(torch.zeros(1, channels, *([size] * 3), device=device))
    finally:
        for handle in handles:
            handle.remove()
    return MARGIN * peak / size**3


def fitted(
    inferer: StreamingInferer, module: nn.Module, per_voxel: float, shape: Sequence[int], limit: float
) -> tuple[StreamingInferer, str]:
    """The inferer, or one that takes smaller steps to the same labels, for an image of spatial `shape`.

    Args:
        per_voxel: bytes of activations per voxel.
        limit: bytes that inference may take.

    Returns:
        The inferer, and a sentence about the memory_fallback that was taken; empty when nothing had to change.
    """
    size = list(shape)
    if isinstance(inferer, WholeVolumeInferer):
        inferer = inferer.suited_to(module)
    if isinstance(inferer, LocalisedInferer):
        inside, note = fitted(inferer.inferer, module, per_voxel, shape, limit)
        return (inferer.with_inferer(inside), note) if note else (inferer, "")
    if isinstance(inferer, StreamingSlidingWindowInferer):
        return _smaller_batch(inferer, module, per_voxel, size, limit)
    if isinstance(inferer, WholeVolumeInferer):
        return _strips(inferer, module, per_voxel, size, limit)
    return inferer, ""


def _smaller_batch(
    inferer: StreamingSlidingWindowInferer, module: nn.Module, per_voxel: float, size: list[int], limit: float
) -> tuple[StreamingInferer, str]:
    window = inferer.window_voxels(size) * per_voxel * (1 + len(inferer.flips))
    slab = inferer.open_voxels(size) * 4.0 * (1 + _classes(module))
    batch = inferer.sw_batch_size
    if batch * window + slab <= limit:
        return inferer, ""
    if window + slab > limit and _device(module).type != "cpu" and inferer.accumulate_on is None:
        other = inferer.with_batch(max(1, min(batch, int(limit // max(window, 1.0)))))
        other.accumulate_on = "cpu"
        return other, f"Windows were added up on the CPU to keep within {limit / 2**30:.1f} GiB."
    if window + slab > limit:
        note = (
            f"One window takes about {(window + slab) / 2**30:.1f} GiB, more than the {limit / 2**30:.1f} GiB allowed."
        )
        return inferer.with_batch(1), note
    batch = int((limit - slab) // window)
    return inferer.with_batch(batch), f"Windows were computed {batch} at a time to keep within {limit / 2**30:.1f} GiB."


def _classes(module: nn.Module) -> int:
    """Output channels, where the network or its head says how many; otherwise none: then only activations count."""
    stated = [getattr(part, "out_channels", None) for part in (module, getattr(module, "head", None))]
    return next((count for count in stated if isinstance(count, int)), 0)


def _device(module: nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def _strips(
    inferer: WholeVolumeInferer, module: nn.Module, per_voxel: float, size: list[int], limit: float
) -> tuple[StreamingInferer, str]:
    copies = 1 + len(inferer.flips)
    plane = size[1] * size[2] * per_voxel * copies
    if size[0] * plane <= limit:
        return inferer, ""
    needed = f"The whole volume at once takes about {size[0] * plane / 2**30:.1f} GiB"
    try:
        stride, field = (values[0] for values in tiling_of(module))
    except InputError:
        return inferer, f"{needed}, more than the {limit / 2**30:.1f} GiB allowed, and this network cannot be cut."
    if 0 in inferer.flips:
        return inferer, f"{needed}, more than the {limit / 2**30:.1f} GiB allowed, and is mirrored along S."
    halo = rounded_up(field // 2, stride)
    height = next((h for h in STRIPS if (h + 2 * halo) * plane <= limit), STRIPS[-1])
    mirrors: Json = {"flips": inferer.flips, "mirrored_pairs": inferer.mirrored_pairs}
    strips = HaloStripInferer(height, exact=True, activation=inferer.activation, **mirrors)
    return strips, f"{needed}; it was computed in strips of {strips.height} planes, which gives the same labels."
