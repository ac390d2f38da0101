"""Checks by parties that are not us, and what the tests of DICOM results share."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from dicom_phantom import AXIAL, CORONAL, SAGITTAL, Phantom, oblique

from monai_unet.geometry.grid import Grid
from monai_unet.io.results import AlgorithmIdentity, Segment

needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian dicom3tools) is missing")
needs_dcmqi = pytest.mark.skipif(
    shutil.which("segimage2itkimage") is None, reason="dcmqi (pip install dcmqi) is missing"
)


DATA = Path(os.environ.get("MONAI_UNET_DATA", ""))
needs_data = pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA is not set")


ALGORITHM = AlgorithmIdentity("phantom_unet", "1.2.0", "ab" * 32)
SEGMENTS = [Segment(1, "left kidney"), Segment(2, "Tumour", color=(255, 0, 0))]
GEOMETRIES = {
    "axial": {"orientation": AXIAL},
    "coronal": {"orientation": CORONAL},
    "sagittal": {"orientation": SAGITTAL},
    "oblique": {"orientation": oblique((21.0, -13.0, 8.0))},
    "tilted": {"orientation": oblique((15.0, 0.0, 0.0)), "tilt_degrees": 15.0},
    "multi-frame": {"multiframe": True},
    "multi-frame oblique": {"orientation": oblique((-30.0, 12.0, 40.0)), "multiframe": True},
}


def labels_on(phantom: Phantom, highest: int = 2, seed: int = 1) -> np.ndarray:
    """Random labels (column, row, slice); the outermost slices hold none, so that frames are left out of the file."""
    labels = np.random.default_rng(seed).integers(0, highest + 1, phantom.grid.shape).astype(np.uint8)
    labels[:, :, [0, -1]] = 0
    return labels


def dciodvfy_errors(path: Path) -> list[str]:
    """Lines in which dciodvfy finds an error in a DICOM file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    assert "Information Object" in done.stderr or done.stderr, "dciodvfy said nothing"
    return [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")]


def voxels_in_space(image: SimpleITK.Image) -> set[tuple[float, ...]]:
    """Centres (LPS mm, rounded) of all voxels that are not zero."""
    array = SimpleITK.GetArrayFromImage(image)
    return {
        tuple(np.round(image.TransformIndexToPhysicalPoint([int(i), int(j), int(k)]), 2) + 0.0)
        for k, j, i in np.argwhere(array)
    }


def voxels_of(labels: np.ndarray, grid: Grid) -> set[tuple[float, ...]]:
    points = np.argwhere(labels) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return {tuple(point) for point in np.round(points * [-1, -1, 1], 2) + 0.0}
