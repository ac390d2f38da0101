"""Masks in the working frame as the frames that DICOM stores: (slice k, row j, column i) of a source series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, from_working_frame, place
from monai_unet.io.results import Segment

Scalar = TypeVar("Scalar", bound=np.generic)

Masks = NDArray[np.generic] | torch.Tensor
"""A MetaTensor or array: integers (S, A, R) or (1, S, A, R), or a stack (N, S, A, R) of bool or of fractions 0 to 1."""


def frames_on(
    masks: Masks, grid: Grid, segments: Sequence[Segment], *, fractional: bool
) -> NDArray[np.integer] | NDArray[np.float32]:
    """Masks on `grid` in the order of DICOM's frames: (slice, row, column), or with segments on a fourth axis.

    A label map comes out with the values 1, 2, … in the order of `segments`.

    Raises:
        InputError: see `write_seg`.
    """
    array = np.asarray(masks)
    if array.ndim == 3 or (array.ndim == 4 and len(array) == 1 and array.dtype.kind in "iu" and not fractional):
        labels = _on(array if array.ndim == 3 else array[0], masks, grid)
        return _renumbered(labels.transpose(2, 1, 0), segments)
    if array.ndim != 4 or len(array) != len(segments):
        raise ValueError(f"masks must be (S, A, R) or ({len(segments)}, S, A, R), got {array.shape}")
    dtype = np.float32 if fractional else np.uint8
    stack = np.stack([_on(mask, masks, grid).transpose(2, 1, 0).astype(dtype) for mask in array], axis=-1)
    if stack.min(initial=0) < 0 or stack.max(initial=0) > 1:
        raise InputError(f"Masks must lie between 0 and 1, found {stack.min():.4g} to {stack.max():.4g}.")
    return stack


def _on(array: NDArray[Scalar], masks: Masks, grid: Grid) -> NDArray[Scalar]:
    affine = getattr(masks, "affine", None)
    if affine is None:
        return from_working_frame(array, grid)
    name = str(getattr(masks, "meta", {}).get("filename_or_obj", "The mask"))
    return place(array, Grid(array.shape, np.asarray(affine, dtype=float)), grid, name=name)  # type: ignore[arg-type]


def _renumbered(labels: NDArray[np.integer], segments: Sequence[Segment]) -> NDArray[np.unsignedinteger]:
    table = np.zeros(int(max(labels.max(initial=0), *(s.number for s in segments))) + 1, dtype=np.uint16)
    table[[s.number for s in segments]] = np.arange(1, len(segments) + 1)
    nameless = sorted(set(np.unique(labels).tolist()) - {0} - {s.number for s in segments})
    if nameless:
        raise InputError(
            f"The mask has the value {', '.join(map(str, nameless))}, which no name was given for; "
            f"name it, for example --names {nameless[0]}=tumour."
        )
    return table[labels].astype(np.min_scalar_type(len(segments)))
