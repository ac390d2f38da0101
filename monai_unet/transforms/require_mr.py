"""Refuse CT where a model knows MR alone: what it would draw there means nothing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_unet.errors import InputError

_AIR_HU = -500.0


class RequireMRd(MapTransform):
    """Pass on images (C, *spatial) that can be MR: by the modality that DICOM states, else by their lowest value."""

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> Mapping[Hashable, Any]:
        """Check one case.

        Raises:
            InputError: the image is of another modality, or has values of air in CT.
        """
        for key in self.key_iterator(dict(data)):
            image: MetaTensor = data[key]
            stated = str(image.meta.get("modality", ""))
            if stated not in ("", "MR"):
                raise InputError(f"the volume is {stated}, this model is for MR; choose an MR series.")
            lowest = float(image.min())
            if not stated and lowest < _AIR_HU:
                raise InputError(
                    f"the lowest value is {lowest:g}, as in CT; this model is for MR, choose an MR series."
                )
        return data
