"""Thick slices first: a scan is turned so that its first axis runs across its slices, whatever plane they lie in."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import nibabel as nib
import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, Orientation
from monai.utils import TraceKeys
from numpy.typing import NDArray

AXCODES = {"S": "SAR", "A": "ASR", "R": "RSA"}
"""Axis across the slices → axes of the turned image: axial, coronal and sagittal slices, upright or nose upward."""

_ALONG = ("R", "A", "S")


def slice_axis(affine: NDArray[np.float64], *, ratio: float = 1.5) -> str:
    """ "S", "A" or "R": the direction across the slices of an image with this affine (4, 4), RAS mm.

    It is the axis with the largest spacing where that is at least `ratio` times the next; an image without thick slices
    is read in axial ones ("S"). Of an oblique scan it is the nearest of the three.
    """
    spacing = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    thickest, second = np.argsort(spacing)[[-1, -2]]
    if spacing[thickest] < ratio * spacing[second]:
        return "S"
    return _ALONG[int(nib.orientations.io_orientation(affine)[thickest, 0])]


class SlicesFirstd(MapTransform, InvertibleTransform):
    """Turn each image (C, *spatial) so that its first spatial axis runs across its thick slices, see `AXCODES`.

    A turn by MONAI's `Orientation`: nothing is resampled, and `Invertd` leads back to exactly the image's own grid.

    Args:
        keys: images with an affine.
        ratio: see `slice_axis`.
    """

    def __init__(self, keys: KeysCollection, *, ratio: float = 1.5) -> None:
        super().__init__(keys)
        if ratio < 1:
            raise ValueError(f"ratio must be at least 1, got {ratio}")
        self.ratio = ratio
        self._turns = {axis: Orientation(axcodes=codes, labels=None) for axis, codes in AXCODES.items()}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            result[key] = self._turns[slice_axis(np.asarray(image.affine, dtype=float), ratio=self.ratio)](image)
        return result

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Turn one case back."""
        result = dict(data)
        for key in self.key_iterator(result):
            done = [operation[TraceKeys.ID] for operation in result[key].applied_operations]
            turns = [turn for turn in self._turns.values() if id(turn) in done]
            # in another process the objects are others; any of the three turns back by the affine that was recorded
            result[key] = (turns or list(self._turns.values()))[0].inverse(result[key])
        return result
