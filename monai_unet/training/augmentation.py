"""The augmentation that the bundles share: MONAI's random transforms with the strengths of nnU-Net as a start."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monai.transforms import (
    BorderPadd,
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandCropByLabelClassesd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandHistogramShiftd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSimulateLowResolutiond,
    ResizeWithPadOrCropd,
    SpatialPadd,
)

MARGIN = 1.3
"""A box is cut this much larger than the patch, so that a turned patch still finds image in its corners."""


def patch_of_a_class(
    patch_size: Sequence[int],
    classes: int,
    *,
    background: float = 0.5,
    rotate: float = 0.25,
    scale: float = 0.15,
    shear: float = 0.05,
    translate: float = 4.0,
    prob: float = 0.8,
    image_key: str = "image",
    label_key: str = "label",
) -> Compose:
    """A patch around a voxel of a class drawn at random, turned, scaled and sheared.

    Args:
        patch_size: voxels (S, A, R).
        classes: number of classes with the background; foreground classes are drawn equally often.
        background: how often the background is drawn, relative to one foreground class.
        rotate: largest angle in radians about each axis.
        scale: largest relative change of size.
        shear: largest shear factor.
        translate: largest shift in voxels.
        prob: how often a patch is deformed at all.
    """
    keys = [image_key, label_key]
    box = [math.ceil(MARGIN * n) for n in patch_size]
    return Compose(
        [
            SpatialPadd(keys, spatial_size=list(patch_size), mode=["edge", "constant"]),
            # a box then holds a patch that lies inside the volume, at its very border too
            BorderPadd(
                keys, spatial_border=[math.ceil((b - n) / 2) for b, n in zip(box, patch_size, strict=True)], mode="edge"
            ),
            RandCropByLabelClassesd(
                keys,
                label_key=label_key,
                spatial_size=box,
                ratios=[background] + [1.0] * (classes - 1),
                num_classes=classes,
                num_samples=1,
                warn=False,
            ),
            RandAffined(
                keys,
                prob=prob,
                spatial_size=list(patch_size),
                rotate_range=[rotate] * 3,
                scale_range=[scale] * 3,
                shear_range=[shear] * 6,
                translate_range=[translate] * 3,
                mode=["bilinear", "nearest"],
                padding_mode="border",
                cache_grid=True,
            ),
            # RandAffined leaves the size alone where it does nothing
            ResizeWithPadOrCropd(keys, spatial_size=list(patch_size)),
        ]
    )


def mr_intensities(key: str = "image") -> Compose:
    """Intensities of normalised MRI: resolution, blur, coil shading, contrast, other fields of view, noise."""
    return Compose(
        [
            RandSimulateLowResolutiond(key, prob=0.15, zoom_range=(0.5, 1.0)),
            RandGaussianSmoothd(key, prob=0.15, sigma_x=(0.3, 0.8), sigma_y=(0.3, 0.8), sigma_z=(0.3, 0.8)),
            RandBiasFieldd(key, prob=0.3, coeff_range=(0.0, 0.15)),
            RandHistogramShiftd(key, prob=0.3, num_control_points=(4, 8)),
            RandAdjustContrastd(key, prob=0.4, gamma=(0.6, 1.7), retain_stats=True),
            RandScaleIntensityd(key, prob=0.7, factors=0.4),
            RandShiftIntensityd(key, prob=0.7, offsets=0.7),
            RandGaussianNoised(key, prob=0.2, std=0.15),
        ]
    )


def ct_intensities(key: str = "image") -> Compose:
    """Intensities of normalised CT: Hounsfield units mean something, so scale and offset change little."""
    return Compose(
        [
            RandSimulateLowResolutiond(key, prob=0.15, zoom_range=(0.5, 1.0)),
            RandGaussianSmoothd(key, prob=0.2, sigma_x=(0.3, 0.9), sigma_y=(0.3, 0.9), sigma_z=(0.3, 0.9)),
            RandAdjustContrastd(key, prob=0.2, gamma=(0.8, 1.25), retain_stats=True),
            RandScaleIntensityd(key, prob=0.4, factors=0.15),
            RandShiftIntensityd(key, prob=0.4, offsets=0.2),
            RandGaussianNoised(key, prob=0.4, std=0.3),
        ]
    )
