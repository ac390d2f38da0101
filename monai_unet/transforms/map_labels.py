"""Values of a data set's label maps as the class indices that a network learns, and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_unet.errors import InputError

IGNORED = 255
"""Class index of voxels that nobody annotated: they count neither in the loss nor in the Dice."""


class MapLabelsd(MapTransform):
    """Label maps (1, *spatial) with class indices: 0 the background, `n` the `n`-th of `values`.

    Args:
        keys: label maps.
        values: value in the files of class 1, 2, …; several values of one class as a list, for example [1, [2, 3]].
        ignore: value of voxels that nobody annotated, which become 255; None where there is none.
    """

    def __init__(
        self, keys: KeysCollection, *, values: Sequence[int | Sequence[int]], ignore: int | None = None
    ) -> None:
        super().__init__(keys)
        self.table: dict[int, int] = {0: 0}
        for index, stated in enumerate(values, start=1):
            for value in [stated] if isinstance(stated, int) else stated:
                self.table[int(value)] = index
        if ignore is not None:
            self.table[int(ignore)] = IGNORED

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one case.

        Raises:
            InputError: a value that no class has; the message names the file and all such values.
        """
        result = dict(data)
        for key in self.key_iterator(result):
            label = result[key]
            array = np.asarray(torch.as_tensor(label).cpu())
            found, where = np.unique(array, return_inverse=True)
            wrong = [f"{value:g}" for value in found if value not in self.table]
            if wrong:
                name = getattr(label, "meta", {}).get("filename_or_obj", key)
                known = ", ".join(str(value) for value in sorted(self.table))
                raise InputError(
                    f"label {name} holds the value{'s' if len(wrong) > 1 else ''} {', '.join(wrong)}, which the plan "
                    f"does not know (it knows {known}); correct the label, or plan again."
                )
            indices = np.array([self.table[int(value)] for value in found], dtype=np.uint8)
            result[key] = _like(torch.from_numpy(indices[where].reshape(array.shape)), label)
        return result


class LabelValuesd(MapTransform):
    """Class indices (1, *spatial) with the values that the data set's own label maps have; undoes `MapLabelsd`.

    Args:
        keys: label maps of class indices.
        values: value of class 1, 2, …
    """

    def __init__(self, keys: KeysCollection, *, values: Sequence[int]) -> None:
        super().__init__(keys)
        self.values = [0, *(int(value) for value in values)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            indices = torch.as_tensor(result[key])
            values = torch.tensor(self.values, dtype=torch.float32, device=indices.device)
            result[key] = _like(values[indices.long()], result[key])
        return result


class MasksOfLabelsd(MapTransform):
    """Class indices (1, *spatial) as one mask for each region (regions, *spatial), float; regions may overlap.

    Args:
        keys: label maps of class indices.
        regions: for each region the class indices that it is made of.
    """

    def __init__(self, keys: KeysCollection, *, regions: Sequence[Sequence[int]]) -> None:
        super().__init__(keys)
        self.regions = [[int(index) for index in region] for region in regions]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            label = torch.as_tensor(result[key])
            masks = [torch.isin(label[0], torch.tensor(region, dtype=label.dtype)) for region in self.regions]
            result[key] = _like(torch.stack(masks).float(), result[key])
        return result


class LabelsOfMasksd(MapTransform):
    """Masks of regions (regions, *spatial) as one label map (1, *spatial): each is painted over those before it.

    Args:
        keys: masks, 0 or 1.
        values: what each region is painted with, in the order of the channels (nnU-Net's `regions_class_order`).
    """

    def __init__(self, keys: KeysCollection, *, values: Sequence[int]) -> None:
        super().__init__(keys)
        self.values = [int(value) for value in values]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            masks = torch.as_tensor(result[key])
            label = torch.zeros_like(masks[:1])
            for mask, value in zip(masks, self.values, strict=True):
                label[0][mask > 0] = value
            result[key] = _like(label, result[key])
        return result


def _like(tensor: torch.Tensor, source: Any) -> torch.Tensor:
    """With the metadata of what it was made of."""
    if isinstance(source, MetaTensor):
        return MetaTensor(tensor, meta=dict(source.meta), applied_operations=list(source.applied_operations))
    return tensor
