"""How many voxels of each class two label maps hold and share, and where, in one pass over both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, make_box
from monai_unet.io import njit

HIGHEST_LABEL = 65535
_NAMED_AT_MOST = 8


@dataclass(frozen=True)
class Overlap:
    """Voxels of one class in two label maps.

    Attributes:
        prediction, reference, shared: numbers of voxels.
        box: bounding box of the class in both maps together; None where both are empty.
    """

    prediction: int
    reference: int
    shared: int
    box: Box | None


def overlaps(
    prediction: NDArray[np.integer], reference: NDArray[np.integer], labels: Mapping[int, str]
) -> dict[int, Overlap]:
    """Overlap of each label value other than 0 (background) of two integer label maps of one shape.

    Label maps (S, A, R).

    Raises:
        InputError: different shapes, not integers, negative values, or values that `labels` does not name.
    """
    _check(prediction, reference)
    values = sorted(value for value in labels if value != 0)
    table = np.full(max(values, default=0) + 1, -1, np.int64)
    table[0] = 0
    table[values] = np.arange(1, len(values) + 1)
    counts, low, high, unknown = _tally(prediction, reference, table, len(values) + 1)
    for where, found in zip(("prediction", "reference"), unknown, strict=True):
        _refuse_unknown(
            where, [int(value) for value in found if value >= 0], {value: labels[value] for value in values}
        )
    return {
        value: Overlap(
            prediction=int(counts[index, 0]),
            reference=int(counts[index, 1]),
            shared=int(counts[index, 2]),
            box=make_box(low[index], high[index]) if counts[index].any() else None,
        )
        for index, value in enumerate(values, start=1)
    }


def _refuse_unknown(where: str, found: list[int], labels: Mapping[int, str]) -> None:
    if found:
        raise InputError(
            f"The {where} holds label value{'s' * (len(found) > 1)} {', '.join(map(str, found))}, and the labels are "
            f"{', '.join(f'{value} {name}' for value, name in labels.items()) or 'none'}; name every value that occurs."
        )


def _check(prediction: NDArray[np.integer], reference: NDArray[np.integer]) -> None:
    if prediction.shape != reference.shape or prediction.ndim != 3:
        raise InputError(
            f"The prediction has shape {prediction.shape} and the reference {reference.shape}; "
            "two 3D label maps on one grid are needed."
        )
    for where, array in (("prediction", prediction), ("reference", reference)):
        if array.dtype.kind not in "bui":
            raise InputError(f"The {where} holds {array.dtype} values; a label map of whole numbers is needed.")
        if array.dtype.kind == "i" and array.size and array.min() < 0:
            raise InputError(f"The {where} holds the negative label {array.min()}; labels are 0 or higher.")


@njit(cache=True, nogil=True)
def _remember(unknown, value):  # type: ignore[no-untyped-def]
    for n in range(unknown.size):
        if unknown[n] == value:
            return
        if unknown[n] < 0:
            unknown[n] = value
            return


@njit(cache=True, nogil=True)
def _tally(prediction, reference, table, classes):  # type: ignore[no-untyped-def]
    """Per class (prediction, reference, shared) voxels, bounding box of the union, and the first unknown values."""
    counts = np.zeros((classes, 3), np.int64)
    low = np.full((classes, 3), np.iinfo(np.int64).max)
    high = np.zeros((classes, 3), np.int64)
    unknown = np.full((2, _NAMED_AT_MOST), -1, np.int64)
    ni, nj, nk = prediction.shape
    for i in range(ni):
        for j in range(nj):
            for k in range(nk):
                p = np.int64(prediction[i, j, k])
                r = np.int64(reference[i, j, k])
                if p == 0 and r == 0:
                    continue
                for side in range(2):
                    value = p if side == 0 else r
                    index = table[value] if value < table.size else -1
                    if index < 0:
                        _remember(unknown[side], value)
                    elif index > 0:
                        counts[index, side] += 1
                        low[index, 0] = min(low[index, 0], i)
                        low[index, 1] = min(low[index, 1], j)
                        low[index, 2] = min(low[index, 2], k)
                        high[index, 0] = max(high[index, 0], i + 1)
                        high[index, 1] = max(high[index, 1], j + 1)
                        high[index, 2] = max(high[index, 2], k + 1)
                if p == r and p < table.size and table[p] > 0:
                    counts[table[p], 2] += 1
    return counts, low, high, unknown
