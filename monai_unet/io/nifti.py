"""NIfTI-1/2 files."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_path
from monai_unet.io.geometry import Grid

SUFFIXES = (".nii.gz", ".nii")


def read(path: Path) -> tuple[NDArray[Any], Grid, str]:
    """Voxels in the file's axis order (x fastest in memory), their grid, and notes (empty when nothing is unusual)."""
    try:
        image = nib.load(path)
        array = np.asanyarray(image.dataobj)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except (EOFError, zlib.error, OSError, ValueError, ImageFileError) as error:
        raise InputError(
            f"{path} cannot be read as NIfTI, it is damaged or cut short ({error}); copy it again."
        ) from None
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3 or min(array.shape) < 2:
        raise InputError(
            f"{path} has shape {'×'.join(map(str, array.shape))}, not a 3D volume; give one volume of at least 2 slices."
        )
    return array, Grid(array.shape, np.asarray(image.affine, dtype=float)), ""


def write(path: Path, array: NDArray[Any], grid: Grid, *, like: Path | None = None) -> None:
    """Write voxels in the axis order of `grid`; sform and qform codes and units come from the NIfTI file `like`."""
    image = nib.Nifti1Image(array, grid.affine)
    if like is not None and like.name.lower().endswith(SUFFIXES):
        header = nib.load(like).header
        image.set_sform(grid.affine, code=int(header["sform_code"]) or 1)
        image.set_qform(
            header.get_qform() if int(header["qform_code"]) else grid.affine, code=int(header["qform_code"])
        )
        image.header.set_xyzt_units(*header.get_xyzt_units())
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
