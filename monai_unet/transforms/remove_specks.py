"""Connected parts of a mask that are too small to be what was looked for are removed, by their volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_unet.geometry import grid_of
from monai_unet.transforms.brats import without_specks


class RemoveSpecksd(MapTransform):
    """Remove connected parts (26 neighbours) below a volume from label maps (1, *spatial) with an affine.

    Of labels that touch, the parts are those of all together. MONAI's `RemoveSmallObjectsd` takes each label by itself
    and 6 neighbours.

    Args:
        keys: label maps.
        smallest_ml: the smallest volume that is kept.
    """

    def __init__(self, keys: KeysCollection, *, smallest_ml: float) -> None:
        super().__init__(keys)
        if smallest_ml < 0:
            raise ValueError(f"smallest_ml must be 0 or more, got {smallest_ml}")
        self.smallest_ml = float(smallest_ml)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Clean one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            volume: MetaTensor = result[key]
            voxel_ml = float(np.prod(grid_of(volume).spacing)) / 1000
            kept = without_specks(np.asarray(volume.as_tensor().cpu())[0], self.smallest_ml / voxel_ml)
            result[key] = MetaTensor(
                torch.from_numpy(kept[None]).to(volume.device),
                meta=dict(volume.meta),
                applied_operations=list(volume.applied_operations),
            )
        return result
