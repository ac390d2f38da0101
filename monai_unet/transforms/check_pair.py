"""Refuse an image and a label that do not belong together."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from monai.transforms import Transform

from monai_unet.errors import InputError
from monai_unet.geometry import source_grid
from monai_unet.mappings import CaseData
from monai_unet.transforms.map_labels import IGNORED


class CheckPaird(Transform):
    """Pass on a dictionary whose label lies on the image's grid and holds class indices only.

    Grids are compared as the files had them (`meta` of `LoadVolumed`), whatever was done to image or label since.

    Args:
        image_key, label_key: MetaTensors (C, S, A, R).
        classes: number of classes with the background; label values are 0 to `classes` - 1.
        ignored: whether 255 may occur, voxels that nobody annotated (`MapLabelsd`).
        tolerance: largest distance between corresponding voxels, as a fraction of the smallest voxel edge.
    """

    def __init__(
        self,
        *,
        image_key: Hashable = "image",
        label_key: Hashable = "label",
        classes: int,
        ignored: bool = False,
        tolerance: float = 0.05,
    ) -> None:
        self.image_key, self.label_key, self.classes, self.tolerance = image_key, label_key, classes, tolerance
        self.allowed = {*range(classes), *([IGNORED] if ignored else [])}

    def __call__(self, data: CaseData) -> CaseData:
        """Check one case.

        Raises:
            InputError: shapes or positions differ, or the label holds a value that is no class.
        """
        image, label = data[self.image_key], data[self.label_key]
        name, image_name = label.meta["filename_or_obj"], image.meta["filename_or_obj"]
        grid, image_grid = source_grid(label.meta), source_grid(image.meta)
        if grid.shape != image_grid.shape:
            raise InputError(
                f"label {name} has shape {grid.shape}, its image {image_name} {image_grid.shape}; "
                "resample the label onto the image's grid."
            )
        if not grid.matches(image_grid, tolerance=self.tolerance):
            raise InputError(
                f"label {name} lies up to {grid.distance(image_grid):.1f} mm away from its image {image_name}; "
                "their headers disagree, correct the affine."
            )
        found = torch.unique(label.as_tensor())
        wrong = [v for v in found.tolist() if v not in self.allowed]
        if wrong:
            raise InputError(
                f"label {name} holds the value {wrong[0]:g}, which is no class; "
                f"classes are the integers 0 to {self.classes - 1}."
            )
        return data
