"""Of labels taken together, only the largest connected part is kept: nnU-Net's postprocessing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

FULL = np.ones((3, 3, 3), dtype=bool)


class KeepLargestPartsd(MapTransform):
    """Remove from label maps (1, *spatial) all but the largest connected part (26 neighbours), rule by rule.

    MONAI's `KeepLargestConnectedComponentd` knows one rule and keeps one of several parts of the same size; nnU-Net
    keeps them all (`remove_all_but_largest_component_from_segmentation`).

    Args:
        keys: label maps.
        rules: label values that are taken together, one list for each rule, in order.
    """

    def __init__(self, keys: KeysCollection, *, rules: Sequence[Sequence[int]]) -> None:
        super().__init__(keys)
        self.rules = [tuple(rule) for rule in rules]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Clean one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            volume: MetaTensor = result[key]
            labels = np.asarray(volume.as_tensor().cpu())[0].copy()
            for rule in self.rules:
                labels[beside_largest(np.isin(labels, rule))] = 0
            result[key] = MetaTensor(
                torch.from_numpy(labels[None]).to(volume.device),
                meta=dict(volume.meta),
                applied_operations=list(volume.applied_operations),
            )
        return result


def beside_largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of a mask (Z, Y, X) does not belong to its largest part, or to one as large; a mask of the same shape."""
    parts, count = ndimage.label(mask, structure=FULL)
    if count < 2:
        return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = sizes == sizes.max()
    return mask & ~kept[parts]
