"""What can be done to one mask without looking at the image: parts, halves, holes, slices in between, brush shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, box_shape, make_box

_EDGE_MM, _HALF = 1e-6, 0.5
_FACES = ndimage.generate_binary_structure(3, 1)


def beyond_plane(box: Box, grid: Grid, point: ArrayLike, normal: ArrayLike) -> NDArray[np.bool_]:
    """Voxels of a box whose centres lie beyond a plane, on the side to which its normal points.

    The result has the box's axes (S, A, R).

    Args:
        point, normal: (3,) in RAS+ millimetres.

    Raises:
        InputError: the normal has no length.
    """
    toward = np.asarray(normal, dtype=float).ravel()
    if toward.shape != (3,) or not np.isfinite(toward).all() or not toward.any():
        raise InputError(f"A plane needs a direction of three millimetres that are not all 0, got {toward.tolist()}.")
    affine = grid.affine
    slopes = affine[:3, :3].T @ toward
    level = float(toward @ (affine[:3, 3] - np.asarray(point, dtype=float)))
    parts = [slope * np.arange(s.start, s.stop) for slope, s in zip(slopes, box, strict=True)]
    height = parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :] + level
    return np.asarray(height > 0)


def filled_holes(mask: NDArray[np.bool_], axis: int | None = None) -> NDArray[np.bool_]:
    """The mask with its holes: background that touches no edge of the array, in 3D or slice by slice across `axis`."""
    if axis is None:
        return np.asarray(ndimage.binary_fill_holes(np.pad(mask, 1), _FACES))[1:-1, 1:-1, 1:-1]
    filled = [ndimage.binary_fill_holes(np.pad(plane, 1))[1:-1, 1:-1] for plane in np.moveaxis(mask, axis, 0)]
    return np.moveaxis(np.stack(filled), 0, axis)


def grown(mask: NDArray[np.bool_], mm: float, spacing: Sequence[float]) -> NDArray[np.bool_]:
    """The mask (3D) and what lies within so many mm of it; with a negative number what is deeper than that in it.

    Distances run from voxel centre to voxel centre. What lies beyond the array is not known and shrinks nothing.

    Args:
        mask: any axis order.
        mm: how far.
        spacing: mm along each axis of the mask.

    >>> line = np.zeros((1, 1, 9), bool)
    >>> line[0, 0, 3:6] = True
    >>> grown(line, 2, (1, 1, 2)).astype(int).tolist()
    [[[0, 0, 1, 1, 1, 1, 1, 0, 0]]]
    >>> grown(line, -2, (1, 1, 2)).astype(int).tolist()
    [[[0, 0, 0, 0, 1, 0, 0, 0, 0]]]
    """
    if not mask.any() or mask.all():
        return mask.copy()
    if mm < 0:
        return np.asarray(mask & (ndimage.distance_transform_edt(mask, sampling=spacing) > -mm + _EDGE_MM))
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) <= mm + _EDGE_MM)


def smoothed(mask: NDArray[np.bool_], mm: float, spacing: Sequence[float]) -> NDArray[np.bool_]:
    """The mask (3D) blurred by a Gaussian of that standard deviation in mm and cut at half its height.

    Corners, bays and threads thinner than about twice `mm` go; a flat border stays where it is.
    """
    return np.asarray(
        ndimage.gaussian_filter(mask.astype(np.float32), [mm / step for step in spacing], mode="nearest") >= _HALF
    )


def between_slices(mask: NDArray[np.bool_], axis: int, spacing: Sequence[float]) -> NDArray[np.bool_]:
    """The mask with empty slices between drawn ones filled by shape-based interpolation (Raya & Udupa 1990).

    The signed distance (mm, in the plane) of the two drawn slices around a gap is blended; inside is where it is
    below 0. Two shapes that do not overlap are first laid over each other by their centroids (Herman et al. 1992).

    Args:
        mask: 3D; slices with any voxel count as drawn and stay as they are.
        axis: across the slices.
        spacing: mm along each axis of the mask.
    """
    planes = np.moveaxis(mask, axis, 0)
    result = planes.copy()
    in_plane = [s for a, s in enumerate(spacing) if a != axis]
    drawn = np.flatnonzero(planes.any(axis=(1, 2)))
    for low, high in pairwise(drawn):
        if high - low > 1:
            result[low + 1 : high] = _blend(planes[low], planes[high], int(high - low), in_plane)
    return np.moveaxis(result, 0, axis)


def _blend(
    first: NDArray[np.bool_], last: NDArray[np.bool_], steps: int, spacing: Sequence[float]
) -> NDArray[np.bool_]:
    # outside the picture is outside the object, also for what is moved in from there
    first, last = np.pad(first, 2), np.pad(last, 2)
    start, end = (np.array(ndimage.center_of_mass(plane)) for plane in (first, last))
    middle = (start + end) / 2
    distances = [
        ndimage.shift(_signed_distance(plane, spacing), middle - centre, order=1, mode="nearest")
        for plane, centre in ((first, start), (last, end))
    ]
    slices = []
    for step in range(1, steps):
        share = step / steps
        blended = (1 - share) * distances[0] + share * distances[1]
        moved = ndimage.shift(blended, (1 - share) * start + share * end - middle, order=1, mode="nearest")
        slices.append((moved < 0)[2:-2, 2:-2])
    return np.stack(slices)


def _signed_distance(plane: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float64]:
    out = ndimage.distance_transform_edt(~plane, sampling=spacing)
    return np.asarray(out - ndimage.distance_transform_edt(plane, sampling=spacing))


def ball(grid: Grid, centre: ArrayLike, radius_mm: float, axis: int | None = None) -> tuple[Box, NDArray[np.bool_]]:
    """A round brush in millimetres: the voxels of a grid within a radius of a place, at least the one it is in.

    Args:
        centre: (3,) RAS+ mm, inside the image.
        radius_mm: of the ball, or of the disc.
        axis: across the one slice that is painted; None for a ball.

    Raises:
        InputError: the place is outside the image.
    """
    index = grid.to_index(centre)
    nearest = np.floor(index + 0.5).astype(int)
    if (nearest < 0).any() or (nearest >= grid.shape).any():
        raise InputError("The brush is outside the image; paint inside it.")
    reach = np.floor(radius_mm / np.asarray(grid.spacing)).astype(int) + 1
    if axis is not None:
        reach[axis] = 0
    box = make_box(np.maximum(nearest - reach, 0), np.minimum(nearest + reach + 1, grid.shape))
    squares = [
        ((np.arange(s.start, s.stop) - (n if a == axis else i)) * g) ** 2
        for a, (s, n, i, g) in enumerate(zip(box, nearest, index, grid.spacing, strict=True))
    ]
    mask = squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :] <= radius_mm**2
    mask[tuple(int(n) - s.start for n, s in zip(nearest, box, strict=True))] = True
    return box, np.broadcast_to(mask, box_shape(box)).copy()
