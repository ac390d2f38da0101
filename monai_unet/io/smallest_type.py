"""The smallest voxel type that holds a volume's values."""

from __future__ import annotations

import numpy as np
from monai.data import MetaTensor


def in_smallest_type(volume: MetaTensor) -> MetaTensor:
    """The same volume (1, S, A, R); whole numbers as 16-bit integers where they fit: what scanners store, in half the
    space.

    Intensities keep their unit.
    """
    array = volume.numpy()
    limits = np.iinfo(np.int16)
    if array.min() < limits.min or array.max() > limits.max or not np.array_equal(array, np.rint(array)):
        return volume
    return MetaTensor(array.astype(np.int16), meta=dict(volume.meta))
