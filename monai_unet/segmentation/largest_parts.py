"""MONAI's `KeepLargestConnectedComponentd` for label maps, each label inside its own bounding box: the same voxels."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import KeepLargestConnectedComponentd, Transform
from monai.transforms.utils import get_largest_connected_component_mask
from numpy.typing import NDArray

from monai_unet.geometry import bounding_box


def is_keep_largest(transform: Transform) -> bool:
    """Whether a transform keeps the largest parts of stated labels, each by itself, in a label map."""
    if type(transform) is not KeepLargestConnectedComponentd or tuple(transform.keys) != ("pred",):
        return False
    converter = transform.converter
    return bool(converter.independent and converter.is_onehot is False and converter.applied_labels is not None)


def keep_largest(labels: NDArray[np.unsignedinteger], transform: KeepLargestConnectedComponentd) -> None:
    """Apply the transform to a label map (three axes, any order), in place.

    Args:
        labels: of integers; voxels of smaller parts become 0.
        transform: one that `is_keep_largest` accepts.
    """
    converter = transform.converter
    for value in converter.applied_labels or ():
        box = bounding_box(labels == value)
        if box is None:
            continue
        inside = labels[box]
        mine = torch.from_numpy(inside == value)
        kept = get_largest_connected_component_mask(mine, converter.connectivity, converter.num_components)
        inside[(mine != kept).numpy()] = 0
