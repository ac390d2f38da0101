"""Which of a NIfTI header's statements about geometry is believed, or why none is.

Readers differ: nibabel prefers the sform, ITK the qform, MONAI overwrites the affine by pixdim. Where the statements
agree nothing is said; where they differ without danger one is taken and the fact noted; where left and right or sizes
would depend on the reader the file is refused.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, spacing_of

AGREEMENT = 0.1
"""Largest distance between two statements that counts as rounding, in smallest voxel edges."""
SIZE_AGREEMENT = 0.01
"""Largest relative difference between pixdim and the affine's spacing."""
_CODES = range(6)
"""Of a coordinate system: none, scanner, another image, Talairach, MNI, another template."""
_UNITS = {0: ("mm", 1.0), 1: ("meter", 1000.0), 2: ("mm", 1.0), 3: ("micron", 0.001)}
"""Code of the unit of space → its name and mm; 0 means that none is stated."""


def trusted_grid(header: nib.Nifti1Header, shape: tuple[int, int, int], path: object) -> tuple[Grid, tuple[str, ...]]:
    """Grid in RAS mm and notes.

    Raises:
        InputError: no valid orientation, contradictory left and right, or contradictory voxel sizes.
    """
    notes = []
    name, unit = _unit(header, path)
    for form in ("sform", "qform"):
        if int(header[f"{form}_code"]) not in _CODES:
            raise InputError(
                f"{path} has a {form}_code of {int(header[f'{form}_code'])}, which is no code of the standard, so that "
                "programs place its voxels differently; correct the header."
            )
    sform, qform = _valid(header, "sform"), _valid(header, "qform")
    affine = sform if sform is not None else qform
    if affine is None:
        if int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0:
            raise InputError(f"{path} has a singular or non-finite affine, its voxels have no place; mend the header.")
        raise InputError(
            f"{path} states no orientation (sform and qform code are 0), left and right cannot be told; "
            "convert it again from DICOM, or set the codes if you know that the affine is right."
        )
    if sform is None and int(header["sform_code"]) > 0:
        notes.append("the sform is singular, the qform is used")
    if sform is not None and qform is None and int(header["qform_code"]) > 0:
        notes.append("the qform cannot be understood, the sform is used")
    if sform is not None and qform is not None:
        notes += _compared(Grid(shape, sform), Grid(shape, qform), path)
    _check_sizes(header, affine, path)
    if unit != 1.0:
        affine = np.diag([unit, unit, unit, 1.0]) @ affine
        notes.append(f"coordinates given in {name} were converted to mm")
    grid = Grid(shape, affine)
    if reason := grid.no_patient():
        raise InputError(f"{path} {reason}")
    angle = shear_degrees(affine)
    if angle > 0.1:
        notes.append(f"axes are {angle:.1f} degrees off perpendicular, the sheared affine is kept")
    return grid, tuple(notes)


def _unit(header: nib.Nifti1Header, path: object) -> tuple[str, float]:
    # the other bits are the unit of time
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        raise InputError(
            f"{path} states its voxel size in an unknown unit (xyzt_units {int(header['xyzt_units'])}); export it "
            "again, or correct the header if you know the unit."
        )
    return _UNITS[code]


def shear_degrees(affine: NDArray[np.float64]) -> float:
    """Largest deviation from a right angle between two axes.

    Affine (4, 4), voxel indices to mm; the result is in degrees.
    """
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(unit.T @ unit - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(1.0, cosines))))


def _valid(header: nib.Nifti1Header, name: str) -> NDArray[np.float64] | None:
    if int(header[f"{name}_code"]) <= 0:
        return None
    try:
        affine = np.asarray(header.get_sform() if name == "sform" else _qform(header), dtype=np.float64)
    except (ValueError, nib.spatialimages.HeaderDataError):
        return None
    if not np.isfinite(affine).all():
        return None
    spacing = spacing_of(affine)
    if min(spacing) <= 0 or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        return None
    return affine


def _qform(header: nib.Nifti1Header) -> NDArray[np.float64]:
    if header["pixdim"][0] == 0:
        # NIfTI-1: a qfac of 0 counts as 1
        header = header.copy()
        header["pixdim"][0] = 1
    return np.asarray(header.get_qform())


def _compared(sform: Grid, qform: Grid, path: object) -> list[str]:
    distance = sform.distance(qform)
    if distance <= AGREEMENT * min(sform.spacing):
        return []
    if sform.orientation != qform.orientation:
        raise InputError(
            f"{path} contradicts itself: by its sform its axes run {sform.orientation}, by its qform "
            f"{qform.orientation}; convert it again from DICOM, or delete the wrong one."
        )
    return [f"sform and qform lie up to {distance:.1f} mm apart, the sform is used (ITK-based programs use the qform)"]


def _check_sizes(header: nib.Nifti1Header, affine: NDArray[np.float64], path: object) -> None:
    stated = np.abs(np.asarray(header["pixdim"][1:4], dtype=float))
    actual = np.array(spacing_of(affine))
    if not np.isfinite(stated).all():
        raise InputError(f"{path} has a voxel size that is not a number (pixdim); correct the header.")
    # pixdim of 0 means "not stated"
    wrong = (stated > 0) & (np.abs(stated / actual - 1.0) > SIZE_AGREEMENT)
    if wrong.any():
        raise InputError(
            f"{path} contradicts itself: voxels of {_size(stated)} mm by its pixdim, {_size(actual)} mm by its affine; "
            "volumes would be wrong with one of them, convert it again from DICOM or correct the header."
        )


def _size(spacing: NDArray[np.float64]) -> str:
    return "×".join(f"{mm:.3g}" for mm in spacing)
