"""Whether a first answer can be an object at all: not where it fills a large part of what the image shows.

A click in tissue that is like everything around it lets an answer run through half of a head. Nothing that was outlined
in the validation lists fills more than 23 % of what its image shows (a sarcoma in an image cropped around it).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_unet.transforms import foreground

MOST = 0.3
"""The largest share of what an image shows, its background left out, that a first answer may fill."""

SMALLER = MOST / 2
"""About the share that is left of a piece of the classical answer that would have filled more than `MOST`."""

_UNCOUNTED = 0.03
"""A smaller share of the whole array, air included, is not looked into: a third of a brain in the widest of volumes."""


class ShownVolume:
    """How much of an image is not background, counted when it is first asked for.

    Args:
        image: (S, A, R), any unit.
    """

    def __init__(self, image: NDArray[np.number]) -> None:
        self._image, self._voxels = image, 0

    def share(self, voxels: int) -> float:
        """What part of the image so many voxels are, 0 to 1; 0 where they are next to nothing."""
        if voxels <= _UNCOUNTED * self._image.size:
            return 0.0
        if not self._voxels:
            shown = int(np.count_nonzero(foreground(np.asarray(self._image, dtype=np.float32))))
            self._voxels = shown or self._image.size
        return min(1.0, voxels / self._voxels)


def is_implausible(share: float) -> bool:
    """Whether a first answer that fills such a share of the image is no answer."""
    return share > MOST


def first_answer_doubt(share: float, *, box_key: str = "", line_key: str = "") -> str:
    """The sentence for a user whose click would have outlined such a share of the image (`Answer.bounded`).

    Args:
        share: of what the image shows, 0 to 1.
        box_key, line_key: the keys by which a window takes up a box and a scribble; "" names none.

    >>> first_answer_doubt(0.5, box_key="J", line_key="H")[-74:]
    'draw a box around the object (J) or a line across it (H) to tell its size.'
    """
    whole = ("a third" if share < 0.42 else "half") if share < 0.6 else "most"
    box, line = (f" ({key})" if key else "" for key in (box_key, line_key))
    return (
        f"The tissue under this click is {whole} of the image, so that only a piece around the click was outlined; "
        f"draw a box around the object{box} or a line across it{line} to tell its size."
    )
