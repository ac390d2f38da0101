"""Strides and kernels that follow the voxel spacing, by nnU-Net's rule (Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unet.errors import InputError


def strides_and_kernels(spacing: Sequence[float], steps: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Strides of each step down, and kernels of each level, for a voxel spacing in mm (axis order of the network).

    An axis is halved only where its spacing is less than twice that of the finest axis; until then its kernel is 1. So
    a volume with 5 mm slices and 1 mm pixels is first pooled inside the slices alone.

    Args:
        spacing: per axis, for example (S, A, R).
        steps: number of steps down; kernels are given for `steps + 1` levels.

    Raises:
        InputError: a spacing that is no positive length.
    """
    if not spacing or not all(0 < s < float("inf") for s in spacing):
        raise InputError(f"spacing must be a positive length in mm for each axis, got {list(spacing)}")
    current = [float(s) for s in spacing]
    wide = [False] * len(current)
    strides, kernels = [], []
    for _ in range(steps + 1):
        near = [s < 2 * min(current) for s in current]
        wide = [was or is_near for was, is_near in zip(wide, near, strict=True)]
        kernels.append(tuple(3 if w else 1 for w in wide))
        strides.append(tuple(2 if is_near else 1 for is_near in near))
        current = [s * 2 if is_near else s for s, is_near in zip(current, near, strict=True)]
    return strides[:-1], kernels
