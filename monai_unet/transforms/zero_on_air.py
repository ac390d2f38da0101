"""Nothing is drawn on air: what a network finds outside of the head is taken away before it becomes a mask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, label

from monai_unet.transforms.sequences import foreground


class ZeroOnAird(MapTransform):
    """Probabilities (C, S, *plane) become 0 where the image (channels, S, *plane) of the same grid shows air.

    The head is what is brighter than air (`foreground`), its largest connected part, closed and filled slice by slice,
    so that a dark cavity in it stays. An image without any contrast is left alone.

    Args:
        keys: probabilities on the image's grid, before `Invertd`.
        image_key: the preprocessed image.
        channel: of the image, the one that the result is of.
        closing: pixels over which gaps in the head's outline are closed.
    """

    def __init__(
        self, keys: KeysCollection, *, image_key: Hashable = "image", channel: int = 0, closing: int = 5
    ) -> None:
        super().__init__(keys)
        self.image_key, self.channel, self.closing = image_key, int(channel), int(closing)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Clear the air of one case."""
        result = dict(data)
        inside = head(np.asarray(result[self.image_key], dtype=np.float32)[self.channel], closing=self.closing)
        for key in self.key_iterator(result):
            found = result[key]
            cleared = torch.as_tensor(found) * torch.as_tensor(inside, device=found.device)
            if isinstance(found, MetaTensor):
                operations = list(found.applied_operations)
                cleared = MetaTensor(
                    cleared.as_subclass(torch.Tensor), meta=dict(found.meta), applied_operations=operations
                )
            result[key] = cleared
        return result


def head(image: NDArray[np.float32], *, closing: int = 5) -> NDArray[np.bool_]:
    """Mask (S, *plane) of the head in an image of any unit, with what its slices enclose; all without contrast."""
    bright = foreground(image)
    if not bright.any():
        return np.ones(image.shape, dtype=bool)
    parts, count = label(bright)
    if count > 1:
        bright = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    disc = np.hypot(*np.mgrid[-closing : closing + 1, -closing : closing + 1]) <= closing
    # a margin, so that closing does not end at the border of the image
    padded = np.pad(bright, [(0, 0), (closing, closing), (closing, closing)])
    filled = [binary_fill_holes(binary_closing(plane, disc)) for plane in padded]
    return np.stack(filled)[:, closing : closing + image.shape[1], closing : closing + image.shape[2]]
