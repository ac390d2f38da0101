"""Order and spacing of parallel slices, and the affine they give, from positions alone (DICOM PS3.3 C.7.6.2.1.1).

Instance numbers, slice locations and the order of files are never used: they are wrong in real archives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
QUIET, TOLERATED = 0.01, 0.1
"""Voxels that a slice may lie off its regular place: not worth a word up to the first, refused beyond the second."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices in order.

    Attributes:
        order: index of each slice in the input, in the order of position along the normal.
        places: (n,) millimetres along the normal from the first slice.
        affine: (4, 4) voxel index (column, row, slice) to RAS millimetres, of the regular grid that fits best.
        tilt: degrees between the line of first pixels and the normal; 0 where the grid is orthogonal.
        deviation: largest distance of a slice from its place on that grid, in units of the voxel edge.
        sideways: largest distance of a slice from the straight line through the first and the last, in pixels.
    """

    order: NDArray[np.intp]
    places: NDArray[np.float64]
    affine: NDArray[np.float64]
    tilt: float
    deviation: float
    sideways: float

    @property
    def gaps(self) -> NDArray[np.float64]:
        """(n-1,) distances in mm between neighbours, along the normal."""
        return np.diff(self.places)

    @property
    def regular(self) -> bool:
        """Whether one affine says where every slice is."""
        return self.deviation <= TOLERATED


def axes(orientation: ArrayLike) -> NDArray[np.float64]:
    """(3, 3) unit vectors (LPS), as columns: growing column index, growing row index, and the normal."""
    cosines = np.asarray(orientation, dtype=float).reshape(2, 3)
    along_row = cosines[0] / np.linalg.norm(cosines[0])
    along_column = cosines[1] - along_row * (along_row @ cosines[1])
    along_column /= np.linalg.norm(along_column)
    return np.stack([along_row, along_column, np.cross(along_row, along_column)], axis=1)


def stack(positions: ArrayLike, orientation: ArrayLike, spacing: ArrayLike, thickness: float = 1.0) -> Stack:
    """Order slices along their normal and fit a regular grid to them.

    Args:
        positions: (n, 3) LPS millimetres of each slice's first pixel.
        orientation: (6,) direction cosines of the row, then of the column (LPS).
        spacing: (2,) mm between rows, then between columns.
        thickness: mm between slices, used only where n is 1.
    """
    points, frame = np.asarray(positions, dtype=float), axes(orientation)
    order = np.argsort(points @ frame[:, 2], kind="stable")
    points = points[order]
    places = (points - points[0]) @ frame[:, 2]
    row_spacing, column_spacing = (float(mm) for mm in np.asarray(spacing, dtype=float))
    step = (points[-1] - points[0]) / (len(points) - 1) if len(points) > 1 else frame[:, 2] * thickness
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = frame[:, 0] * column_spacing, frame[:, 1] * row_spacing
    affine[:3, 2], affine[:3, 3] = step, points[0]
    voxel = np.array([column_spacing, row_spacing, max(abs(float(step @ frame[:, 2])), 1e-6)])
    off = np.abs((points - points[0] - np.arange(len(points))[:, None] * step) @ frame) / voxel
    line = np.outer(places / max(places[-1], 1e-6), points[-1] - points[0])
    sideways = np.abs((points - points[0] - line) @ frame)[:, :2] / voxel[:2]
    shear = np.abs(step @ frame)[:2]
    # Scanners round positions: a shear that stays below the tolerance over the whole stack is no tilt.
    tilted = bool((shear * (len(points) - 1) > TOLERATED * voxel[:2]).any())
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(shear), voxel[2]))) if tilted else 0.0
    return Stack(order, places, LPS_TO_RAS @ affine, tilt, float(off.max()), float(sideways.max()))


def usual_gap(gaps: NDArray[np.float64]) -> float:
    """The spacing that a series was meant to have: its lower quartile, as missing slices only widen gaps.

    Gaps (n,) in mm.
    """
    return float(np.quantile(gaps, 0.25, method="lower"))


def describe_gaps(stack: Stack) -> str:
    """What is irregular about the spacing, with the places along the normal where it happens, as one clause."""
    if stack.sideways > TOLERATED:
        return f"slices do not lie on one line, they are shifted sideways by up to {stack.sideways:.1f} pixels"
    gaps = stack.gaps
    smallest = usual_gap(gaps)
    ratio = gaps / smallest
    wide = np.flatnonzero(ratio > 1.5)
    if len(wide) and np.all(np.abs(ratio - np.round(ratio)) < TOLERATED):
        missing = int(np.round(ratio[wide]).sum() - len(wide))
        where = ", ".join(f"{stack.places[i]:.1f} and {stack.places[i + 1]:.1f} mm" for i in wide[:5])
        noun = "slice is" if missing == 1 else "slices are"
        return f"{missing} {noun} missing between {where} from the first slice (spacing {smallest:.2f} mm)"
    worst = int(np.argmax(np.abs(gaps - smallest)))
    return (
        f"slices are unevenly spaced: {gaps.min():.2f} to {gaps.max():.2f} mm, "
        f"worst between {stack.places[worst]:.1f} and {stack.places[worst + 1]:.1f} mm from the first slice"
    )


def plane_of(orientation: ArrayLike) -> str:
    """`axial`, `coronal` or `sagittal`, with `oblique` before it when more than 5 degrees off.

    Orientation (6,): the direction cosines of the axes along a row and along a column, LPS, as DICOM stores them.
    """
    normal = np.abs(axes(orientation)[:, 2])
    name = ("sagittal", "coronal", "axial")[int(np.argmax(normal))]
    return name if normal.max() > np.cos(np.radians(5.0)) else f"oblique {name}"
