"""Mirror a patient left to right without turning right organs into left ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

from monai_unet.mappings import CaseData, CaseDict


class RandMirrorSidesd(RandomizableTransform, MapTransform):
    """Flip image and label along one axis; in the label, the values of paired structures change places.

    Args:
        keys: tensors (C, *spatial), all flipped together.
        label_keys: those of `keys` that hold class indices.
        pairs: values of the structures that exist on either side, for example [[3, 4]] for right and left parotid.
        spatial_axis: the axis from left to right, 2 in the working frame (S, A, R).
        prob: how often.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        label_keys: Sequence[Hashable] = ("label",),
        pairs: Sequence[Sequence[int]] = (),
        spatial_axis: int = 2,
        prob: float = 0.5,
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.label_keys, self.axis = tuple(label_keys), spatial_axis
        self.pairs = [(int(a), int(b)) for a, b in pairs]

    def __call__(self, data: CaseData) -> CaseDict:
        """Mirror one case, or leave it."""
        self.randomize(None)
        out = dict(data)
        if self._do_transform:
            for key in self.key_iterator(out):
                flipped = out[key].flip(self.axis + 1)
                out[key] = self._swapped(flipped) if key in self.label_keys else flipped
        return out

    def _swapped(self, label: torch.Tensor) -> torch.Tensor:
        swapped = label.clone()
        for a, b in self.pairs:
            swapped[label == a], swapped[label == b] = b, a
        return swapped
