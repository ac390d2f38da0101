"""A channel that says how near each voxel is to the centre of the volume: for boxes drawn around what is looked for."""

from __future__ import annotations

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict


class AddCentreNearnessd(MapTransform):
    """Append a channel to each image (C, S, A, R): exp(-d² / 2σ²), d being the distance to the volume's centre in mm.

    It is 1 in the centre and falls to 0, so that zeros around the image mean "far away". In millimetres, and not in
    shares of the box as MONAI's `AddCoordinateChannelsd`, so that boxes of any size and patches of them agree.

    Args:
        keys: images with an affine.
        sigma_mm: σ.
    """

    def __init__(self, keys: KeysCollection, *, sigma_mm: float = 40.0) -> None:
        super().__init__(keys)
        if sigma_mm <= 0:
            raise ValueError(f"sigma_mm must be positive, got {sigma_mm}")
        self.sigma_mm = sigma_mm

    def __call__(self, data: CaseData) -> CaseDict:
        """Append it to one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            spacing = grid_of(image).spacing
            axes = [
                np.square((np.arange(n) - (n - 1) / 2) * mm) for n, mm in zip(image.shape[1:], spacing, strict=True)
            ]
            nearness = np.exp(-sum(np.ix_(*axes)) / (2 * self.sigma_mm**2)).astype(np.float32)
            result[key] = MetaTensor(
                torch.cat([image.as_tensor().float(), torch.from_numpy(nearness)[None]]),
                meta=dict(image.meta),
                applied_operations=list(image.applied_operations),
            )
        return result
