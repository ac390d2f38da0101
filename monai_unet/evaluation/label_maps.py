"""Label maps from files: whole numbers, 0 or higher, on a grid that is the other's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numba import njit
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation.overlap import HIGHEST_LABEL
from monai_unet.io import Grid, grid_of, read_volume

_SAME_VOXEL = 0.01
"""Largest distance between partner voxels, as a share of the voxel edge, of what counts as one grid."""


def read_label_map(path: str | Path, *, like: Grid | None = None) -> tuple[NDArray[Any], Grid]:
    """Labels (S, A, R) of a file as unsigned integers, and their grid; nothing is resampled.

    `like` is the grid (S, A, R) that a DICOM object without the empty slices around its masks is put on.

    Raises:
        InputError: the file cannot be read, or holds values that are not labels.
    """
    volume = read_volume(path, dtype=None)
    return as_labels(volume[0].numpy(), where=str(path)), grid_of(volume)


def label_values(path: str | Path) -> list[int]:
    """Label values other than 0 that a file holds, sorted; empty where it cannot be read (scoring will say why)."""
    try:
        labels, _ = read_label_map(path)
    except InputError:
        return []
    return [int(value) for value in np.flatnonzero(np.bincount(labels.ravel())) if value]


def labels_of(volume: MetaTensor, *, where: str) -> NDArray[Any]:
    """Labels (S, A, R) of a MetaTensor (1, S, A, R) as unsigned integers.

    Raises:
        InputError: more than one channel, or values that are not labels.
    """
    if volume.ndim != 4 or volume.shape[0] != 1:
        raise InputError(
            f"{where} has shape {tuple(volume.shape)}, not (1, S, A, R); turn probabilities into labels first (argmax)."
        )
    return as_labels(volume.as_tensor()[0].detach().cpu().numpy(), where=where)


def as_labels(array: NDArray[Any], *, where: str) -> NDArray[Any]:
    """The same values as uint8 or uint16.

    Raises:
        InputError: NaN, fractions, negative values, or labels above 65535.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.view(np.uint8)
    lowest, highest, finite, whole = _range(np.ascontiguousarray(array).ravel())
    if not finite:
        raise InputError(f"{where} holds NaN or infinite values; a label map of whole numbers is needed.")
    if not whole:
        raise InputError(f"{where} holds fractions (up to {highest:g}), not labels; give a label map of whole numbers.")
    if lowest < 0:
        raise InputError(f"{where} holds the negative label {lowest:g}; labels are 0 or higher.")
    if highest > HIGHEST_LABEL:
        raise InputError(f"{where} holds the label {highest:g}; labels up to {HIGHEST_LABEL} can be scored.")
    return array.astype(np.uint8 if highest <= 255 else np.uint16)


def require_same_grid(prediction: Grid, reference: Grid) -> None:
    """Refuse two label maps that do not lie voxel on voxel.

    Raises:
        InputError: another shape, or partner voxels further apart than a hundredth of a voxel.
    """
    if prediction.shape != reference.shape:
        sizes = ["×".join(map(str, grid.shape)) for grid in (prediction, reference)]
        raise InputError(
            f"the prediction has {sizes[0]} voxels (S, A, R) and the reference {sizes[1]}; "
            "resample the prediction onto the reference's grid."
        )
    if not prediction.matches(reference, tolerance=_SAME_VOXEL):
        raise InputError(
            f"prediction and reference lie up to {prediction.distance(reference):.3g} mm apart in the patient; "
            "resample the prediction onto the reference's grid, or correct the header that is wrong."
        )


@njit(cache=True, nogil=True)
def _range(values):  # type: ignore[no-untyped-def]
    lowest, highest, finite, whole = 0.0, 0.0, True, True
    for value in values:
        number = float(value)
        if not np.isfinite(number):
            finite = False
        elif number != np.floor(number):
            whole = False
        lowest = min(lowest, number)
        highest = max(highest, number)
    return lowest, highest, finite, whole
