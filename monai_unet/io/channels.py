"""Several volumes on one grid as the channels of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.io.volume import grid_of


def stack_channels(volumes: Sequence[MetaTensor]) -> MetaTensor:
    """Join volumes (1, S, A, R) of one grid to (C, S, A, R) with the metadata of the first.

    Raises:
        InputError: two volumes lie on different grids.
    """
    first = volumes[0]
    if len(volumes) == 1:
        return first
    for other in volumes[1:]:
        if not grid_of(first).matches(grid_of(other), tolerance=0.1):
            raise InputError(
                f"{other.meta['filename_or_obj']} lies on another grid than {first.meta['filename_or_obj']}; "
                "resample one onto the other first."
            )
    return MetaTensor(torch.cat([v.as_tensor() for v in volumes]), meta=dict(first.meta))
