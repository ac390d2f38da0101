"""Changes that a viewer has already made in the shared label map: what the voxels held before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, box_shape, make_box, union

Atom = Sequence[Any]
"""One change as napari's `Labels.events.paint` gives it: `(slices, mask or None, old values, new value)` of a brush or
fill, or `(index arrays, old values, new values)` of `data_setitem`."""


def labels_before(labels: NDArray[np.uint16], atoms: Sequence[Atom]) -> tuple[Box, NDArray[np.uint16]] | None:
    """The box that changes of a label map touched and what it held before the first of them; None without changes.

    Args:
        labels: (S, A, R) as it is now, after all of them.
        atoms: in the order in which they were made.

    Raises:
        InputError: an atom of another form, or outside the labels.
    """
    try:
        box = union(*(_box_of(atom, labels.shape) for atom in atoms))
        if box is None:
            return None
        before = labels[box].copy()
        for atom in reversed(atoms):
            _put_back(before, box, atom, labels.shape)
        return box, before
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"The viewer's change cannot be read ({error}); undo it there.") from error


def _box_of(atom: Atom, shape: Sequence[int]) -> Box | None:
    if len(atom) == 4:
        spans = [
            slice(s, s + 1) if isinstance(s, int | np.integer) else slice(*s.indices(n)[:2])
            for s, n in zip(atom[0], shape, strict=True)
        ]
        return spans[0], spans[1], spans[2]
    index = [np.atleast_1d(np.asarray(axis)) for axis in atom[0]]
    if len(index) != 3:
        raise ValueError(f"{len(index)} axes instead of 3")
    if not all(axis.size for axis in index):
        return None
    low, high = [int(axis.min()) for axis in index], [int(axis.max()) + 1 for axis in index]
    if min(low) < 0 or any(h > n for h, n in zip(high, shape, strict=True)):
        raise IndexError("voxels outside the labels")
    return make_box(low, high)


def _put_back(before: NDArray[np.uint16], box: Box, atom: Atom, shape: Sequence[int]) -> None:
    if len(atom) == 4:
        own = _box_of(atom, shape)
        assert own is not None
        part = before[tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(own, box, strict=True))]
        mask, old = atom[1], np.asarray(atom[2])
        if mask is None:
            part[...] = old.reshape(box_shape(own)) if old.ndim else old
        else:
            part[np.asarray(mask).reshape(part.shape)] = old
        return
    index = tuple(np.atleast_1d(np.asarray(axis)) - b.start for axis, b in zip(atom[0], box, strict=True))
    before[index] = atom[1]
