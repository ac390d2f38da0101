"""2D pictures (PNG, TIFF, JPEG) of grey values or labels, as volumes of one slice without a place in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.atomic import atomic_path
from monai_unet.io.formats.label_table import LabelEntry, LabelTable
from monai_unet.io.limits import check_need, named

SUFFIXES: tuple[str, ...] = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
_LOSSLESS = (".png", ".tif", ".tiff")
_NOTE = "a picture states no voxel size: a pixel is taken as 1 mm"


def is_picture(head: bytes) -> bool:
    """Whether a file that begins so is PNG, TIFF or JPEG."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"\xff\xd8\xff"))


def read(path: Path) -> tuple[NDArray[np.number], Grid, tuple[str, ...]]:
    """Pixels as (column, row, page), a grid of 1 mm whose rows and columns are counted as A and R, and a note.

    A picture in colours whose channels are all alike is grey.

    Raises:
        InputError: damaged, or in colours.
    """
    with named(path):
        size = _header(path).GetSize()
        image = _executed(path)
        array = sitk.GetArrayFromImage(image)
        if image.GetNumberOfComponentsPerPixel() > 1:
            array = _grey(array, path)
        grid = _grid(size)
        return array.reshape(grid.shape[::-1]).T, grid, (_NOTE,)


def read_grid(path: Path) -> tuple[Grid, tuple[str, ...]]:
    """Grid of 1 mm and a note, from the header alone.

    Raises:
        InputError: damaged.
    """
    with named(path):
        return _grid(_header(path).GetSize()), (_NOTE,)


def read_label_table(path: Path) -> dict[int, LabelEntry]:
    """Nothing: pictures name no labels."""
    return {}


def write(
    path: Path, array: NDArray[np.number], grid: Grid, *, like: Path | None = None, labels: LabelTable | None = None
) -> None:
    """Write one slice (column, row, 1) losslessly.

    Raises:
        InputError: several slices, or JPEG, which would change labels.
    """
    if array.shape[2] != 1:
        raise InputError(f"{path.name} would be a picture, and there are {array.shape[2]} slices; name it .nii.gz.")
    if path.suffix.lower() not in _LOSSLESS:
        raise InputError(f"{path.name} would be JPEG, which changes values; name it .png.")
    image = sitk.GetImageFromArray(np.ascontiguousarray(array[:, :, 0].T))
    with atomic_path(path) as temporary:
        sitk.WriteImage(image, str(temporary))


def _header(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _damaged(path, error) from None
    pixels = int(np.prod(reader.GetSize())) * reader.GetNumberOfComponents()
    check_need(pixels * 12, path)
    return reader


def _executed(path: Path) -> sitk.Image:
    try:
        return _header(path).Execute()
    except RuntimeError as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: RuntimeError) -> InputError:
    return InputError(f"{path} cannot be read, it is damaged ({str(error).splitlines()[-1]}); copy it again.")


def _grid(size: tuple[int, ...]) -> Grid:
    return Grid((int(size[0]), int(size[1]), int(size[2]) if len(size) > 2 else 1), np.eye(4))


def _grey(array: NDArray[np.number], path: Path) -> NDArray[np.number]:
    colours = array[..., :3] if array.shape[-1] >= 3 else array[..., :1]
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    raise InputError(f"{path} is in colours, not grey; save it as grey, or as one file per channel.")
