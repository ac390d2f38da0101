"""Blur before an image is resampled to a coarser grid, so that noise and fine detail do not alias into it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy.ndimage import gaussian_filter

from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict

_FWHM = math.sqrt(8 * math.log(2))
"""Full width at half maximum of a Gaussian of standard deviation 1."""


class SmoothForSpacingd(MapTransform):
    """Gaussian blur of each image (C, S, A, R) by as much as a coarser spacing asks for; stands before `Spacingd`.

    Along each axis the blurred point spread has the width of the coarser voxel: FWHM² = pixdim² − spacing² (Cardoso et
    al. 2015, "Scale factor point spread function matching"). An axis that is not made coarser stays as it is. MONAI's
    `Spacingd` only interpolates between the nearest voxels.

    Args:
        keys: images with an affine.
        pixdim: spacing (S, A, R) in mm that `Spacingd` is going to resample to.
        min_pixdim: an axis with at least this spacing stays as it is (`min_pixdim` of `Spacingd`).
    """

    def __init__(
        self, keys: KeysCollection, pixdim: Sequence[float], *, min_pixdim: Sequence[float] | None = None
    ) -> None:
        super().__init__(keys)
        self.pixdim = tuple(float(mm) for mm in pixdim)
        self.min_pixdim = self.pixdim if min_pixdim is None else tuple(float(mm) for mm in min_pixdim)

    def __call__(self, data: CaseData) -> CaseDict:
        """Blur one case; the grid and the affine stay."""
        result = dict(data)
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            spacing = grid_of(image).spacing
            wanted = [
                mm if now < kept else now for now, mm, kept in zip(spacing, self.pixdim, self.min_pixdim, strict=True)
            ]
            sigmas = sigmas_in_voxels(spacing, wanted)
            array = np.asarray(image, dtype=np.float32)
            blurred = np.stack([gaussian_filter(channel, sigmas) for channel in array])
            result[key] = MetaTensor(
                torch.from_numpy(blurred), meta=dict(image.meta), applied_operations=list(image.applied_operations)
            )
        return result


def sigmas_in_voxels(spacing: Sequence[float], pixdim: Sequence[float]) -> list[float]:
    """Standard deviation along each axis, in voxels of `spacing`, of the blur that `pixdim` asks for; both in mm."""
    return [
        math.sqrt(max(coarse**2 - fine**2, 0.0)) / _FWHM / fine for fine, coarse in zip(spacing, pixdim, strict=True)
    ]
