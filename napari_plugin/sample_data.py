"""File > Open Sample: a head made from formulas, with an enhancing tumour in it; needs no network and no patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet import paths
from monai_unet.io import atomic_path

if TYPE_CHECKING:
    from napari.types import LayerDataTuple

SPACING = (2.0, 1.5, 1.5)
"""mm along S, A, R"""
SHAPE = (72, 128, 112)
TUMOUR_MM = ((84.0, 118.0, 60.0), (14.0, 17.0, 12.0))
"""Centre and half axes of the larger tumour, mm from the first voxel along S, A, R."""
SECOND_MM = ((66.0, 60.0, 108.0), (6.0, 6.0, 6.0))


def phantom() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(image, labels), both (S, A, R): a head in contrast-enhanced T1, two tumours numbered 1 and 2."""
    head = _ellipsoid((72, 96, 84), (66, 86, 74))
    brain = _ellipsoid((76, 96, 84), (54, 74, 62))
    ventricles = _ellipsoid((80, 94, 73), (12, 30, 6)) | _ellipsoid((80, 94, 95), (12, 30, 6))
    tumour, core = _ellipsoid(*TUMOUR_MM), _ellipsoid(TUMOUR_MM[0], tuple(r * 0.45 for r in TUMOUR_MM[1]))
    swelling = _ellipsoid(TUMOUR_MM[0], tuple(r * 1.7 for r in TUMOUR_MM[1]))
    second = _ellipsoid(*SECOND_MM)
    random = np.random.default_rng(20)
    image = np.zeros(SHAPE, dtype=np.float32)
    for mask, value in ((head, 700), (brain, 420), (brain & swelling, 340), (ventricles, 160)):
        image[mask] = value
    image[brain] += 60 * ndimage.gaussian_filter(random.standard_normal(SHAPE), 2.5)[brain] / 0.06
    for mask, value in ((tumour, 780), (core, 300), (second, 760)):
        image[mask] = value
    image = ndimage.gaussian_filter(image, 0.6) + random.normal(0, 14, SHAPE)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[tumour], labels[second] = 1, 2
    return np.maximum(image, 0).astype(np.float32).round(), labels


def write_phantom(path: Path) -> Path:
    """The phantom's image as NIfTI."""
    image, _ = phantom()
    affine = np.diag([*SPACING[::-1], 1.0])
    affine[:3, 3] = [-84, -96, -72]
    with atomic_path(path) as temporary:
        nibabel.save(nibabel.Nifti1Image(image.transpose(2, 1, 0).astype(np.int16), affine), temporary)
    return path


def head_with_tumour() -> list[LayerDataTuple]:
    """npe2 sample data; it takes the place of the open case."""
    import napari

    from napari_plugin.reader import layers_of
    from napari_plugin.widget import dock_of

    path = paths.samples_folder() / "head_with_tumour.nii.gz"
    if not path.is_file():
        write_phantom(path)
    dock = dock_of(napari.current_viewer())
    if dock is not None:
        if not dock.controller.may_close():
            return [(None,)]
        dock.controller.close_case()
    return layers_of([str(path)])


def _ellipsoid(centre_mm: tuple[float, ...], radii_mm: tuple[float, ...]) -> NDArray[np.bool_]:
    axes = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    terms = [((a * mm - c) / r) ** 2 for a, mm, c, r in zip(axes, SPACING, centre_mm, radii_mm, strict=True)]
    return np.asarray(sum(terms) <= 1)
