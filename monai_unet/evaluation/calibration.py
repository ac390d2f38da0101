"""Do voxels given a probability of 0.8 belong to the foreground eight times in ten?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monai_unet.errors import InputError

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability curve: voxels, summed probability and foreground voxels in equal-width bins of probability.

    Two of them with the same bins add up, so a data set is the sum of its cases.
    """

    voxels: NDArray[np.int64]
    probability: NDArray[np.float64]
    foreground: NDArray[np.int64]

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.voxels + other.voxels, self.probability + other.probability, self.foreground + other.foreground
        )

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Mean probability in each bin, NaN where it is empty."""
        return self._per_voxel(self.probability)

    @property
    def frequency(self) -> NDArray[np.float64]:
        """Share of foreground in each bin, NaN where it is empty."""
        return self._per_voxel(self.foreground)

    @property
    def ece(self) -> float:
        """Expected calibration error (Naeini 2015; Guo et al., arXiv:1706.04599): gap weighted by voxels."""
        return float(np.abs(self.probability - self.foreground).sum() / max(self.voxels.sum(), 1))

    @property
    def ece_above_lowest(self) -> float:
        """The same without the lowest bin, which holds the background of which every model is sure; NaN if empty."""
        rest = int(self.voxels[1:].sum())
        return float(np.abs(self.probability - self.foreground)[1:].sum() / rest) if rest else float("nan")

    def _per_voxel(self, values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(self.voxels > 0, values / np.maximum(self.voxels, 1), np.nan)


def reliability(probabilities: ArrayLike, reference: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Reliability of foreground probabilities against a reference mask of the same shape.

    Both of one shape, (S, A, R) or any other axes.

    Raises:
        InputError: shapes differ, or a probability is NaN or outside 0 to 1.
    """
    given, truth = np.asarray(probabilities, dtype=np.float64).ravel(), np.asarray(reference).ravel() != 0
    if given.shape != truth.shape:
        raise InputError(
            f"the probabilities have {given.size} voxels and the reference {truth.size}; one grid is needed."
        )
    outside = ~((given >= 0) & (given <= 1))
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} of {given.size} probabilities are NaN or outside 0 to 1, "
            f"the first is {given[outside][0]}; give softmax or sigmoid outputs."
        )
    # right-closed bins, 0 in the first, as MONAI's calibration_binning
    index = np.clip(np.ceil(given * bins).astype(int) - 1, 0, bins - 1)
    return Reliability(
        voxels=np.bincount(index, minlength=bins),
        probability=np.bincount(index, weights=given, minlength=bins).astype(np.float64),
        foreground=np.bincount(index, weights=truth, minlength=bins).astype(np.int64),
    )
