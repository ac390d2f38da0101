"""Brain tumour labels: the numbering of each BraTS year, and the three overlapping regions that are scored.

Regions, in the order of a network's channels: whole tumour, tumour core, enhancing tumour (Menze et al. 2015,
doi:10.1109/TMI.2014.2377694; Baid et al. 2021, arXiv:2107.02314).
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy.ndimage import label as connected
from torch import Tensor

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict

CORE, OEDEMA, ENHANCING = 1, 2, 3

CONVENTIONS: dict[str, dict[int, int]] = {
    # 1 necrosis, 2 oedema, 3 non-enhancing tumour, 4 enhancing tumour
    "BraTS 2013": {1: CORE, 2: OEDEMA, 3: CORE, 4: ENHANCING},
    # 1 necrosis and non-enhancing tumour, 2 oedema, 4 enhancing tumour
    "BraTS 2017-2021": {1: CORE, 2: OEDEMA, 4: ENHANCING},
    "BraTS 2023": {1: CORE, 2: OEDEMA, 3: ENHANCING},
    # 1 oedema, 2 non-enhancing tumour, 3 enhancing tumour
    "Decathlon": {1: OEDEMA, 2: CORE, 3: ENHANCING},
}
"""Name → value in the file → value here, which is that of BraTS 2023."""

_SAME = {
    **dict.fromkeys(("BraTS 2012", "BraTS 2014", "BraTS 2015"), "BraTS 2013"),
    **{f"BraTS {year}": "BraTS 2017-2021" for year in range(2017, 2023)},
}

REGIONS: dict[str, tuple[int, ...]] = {
    "whole tumour": (CORE, OEDEMA, ENHANCING),
    "tumour core": (CORE, ENHANCING),
    "enhancing tumour": (ENHANCING,),
}


def table_of(convention: str) -> dict[int, int]:
    """Value in a file of that convention → value of BraTS 2023.

    Raises:
        InputError: unknown name.
    """
    name = _SAME.get(convention, convention)
    if name not in CONVENTIONS:
        known = ", ".join([*CONVENTIONS, *_SAME])
        raise InputError(f"there is no label convention '{convention}'; choose one of {known}.")
    return CONVENTIONS[name]


def convert_labels(labels: np.ndarray, convention: str, *, name: str = "the label map") -> np.ndarray:
    """Labels of any year as those of BraTS 2023, uint8.

    Labels (S, A, R), or any other axes.

    Raises:
        InputError: unknown convention, or a value that it does not have.
    """
    table = table_of(convention)
    values = [int(value) for value in np.unique(labels) if value]
    wrong = [value for value in values if value not in table]
    if wrong:
        raise InputError(
            f"{name} holds the value {wrong[0]}, which '{convention}' does not have ({', '.join(map(str, table))}); "
            "state its label_convention."
        )
    result = np.zeros(labels.shape, dtype=np.uint8)
    for value in values:
        result[labels == value] = table[value]
    return result


class ConvertBratsLabelsd(MapTransform):
    """Label maps of any BraTS year, or of the Decathlon, with the values of BraTS 2023.

    Args:
        keys: label maps (1, S, A, R).
        convention_key: names the convention of the case, see `CONVENTIONS`.
    """

    def __init__(self, keys: KeysCollection, *, convention_key: Hashable = "convention") -> None:
        super().__init__(keys)
        self.convention_key = convention_key

    def __call__(self, data: CaseData) -> CaseDict:
        """Convert one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            name = str(getattr(volume, "meta", {}).get("filename_or_obj", key))
            array = convert_labels(
                np.asarray(torch.as_tensor(volume).cpu()), str(result.get(self.convention_key, "BraTS 2023")), name=name
            )
            result[key] = _like(torch.from_numpy(array).float(), volume)
        return result


class RegionsOfLabelsd(MapTransform):
    """Label maps (1, S, A, R) of BraTS 2023 as three overlapping masks (3, S, A, R), see `REGIONS`."""

    def __call__(self, data: CaseData) -> CaseDict:
        """Replace the label maps of one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = _like(regions_of(torch.as_tensor(result[key])), result[key])
        return result


def regions_of(labels: Tensor) -> Tensor:
    """Masks (3, …), float, of a label map (1, …).

    The other axes are (S, A, R).
    """
    values = labels[0].round().long()
    masks = [sum((values == value for value in region), torch.zeros_like(values)) for region in REGIONS.values()]
    return torch.stack(masks).float()


class LabelsOfRegionsd(MapTransform):
    """Masks of the three regions (3, S, A, R) as a label map (1, S, A, R) of BraTS 2023.

    A region inside another belongs to that one too: enhancing tumour counts to the core, the core to the whole tumour.

    Args:
        keys: masks, or probabilities, of which 0.5 and more counts.
        smallest_ml: connected parts of the whole tumour below this volume are removed.
    """

    def __init__(self, keys: KeysCollection, *, smallest_ml: float = 0.0) -> None:
        super().__init__(keys)
        self.smallest_ml = float(smallest_ml)

    def __call__(self, data: CaseData) -> CaseDict:
        """Replace the masks of one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            whole, core, enhancing = (np.asarray(channel) >= 0.5 for channel in torch.as_tensor(volume).cpu())
            labels = np.zeros(whole.shape, dtype=np.uint8)
            labels[whole] = OEDEMA
            labels[core] = CORE
            labels[enhancing] = ENHANCING
            if self.smallest_ml > 0 and isinstance(volume, MetaTensor):
                voxel_ml = float(np.prod(grid_of(volume).spacing)) / 1000
                labels = without_specks(labels, self.smallest_ml / voxel_ml)
            result[key] = _like(torch.from_numpy(labels[None]).float(), volume)
        return result


def without_specks(labels: np.ndarray, smallest: float) -> np.ndarray:
    """A label map (S, A, R) without connected parts (26 neighbours) of fewer than `smallest` voxels."""
    parts, count = connected(labels > 0, structure=np.ones((3, 3, 3)))
    if not count:
        return labels
    kept = np.bincount(parts.ravel()) >= smallest
    return np.where(kept[parts], labels, 0).astype(labels.dtype)


def _like(tensor: Tensor, given: object) -> Tensor:
    if isinstance(given, Tensor):
        tensor = tensor.to(given.device)
    if not isinstance(given, MetaTensor):
        return tensor
    return MetaTensor(tensor, meta=dict(given.meta), applied_operations=list(given.applied_operations))
