"""The same files read by other programs: nibabel, SimpleITK, pydicom. Nothing of monai_unet's readers is used."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from skimage.measure import points_in_poly

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Plane:
    """Values (rows, columns) and the affine from (column, row, 0) to RAS mm."""

    values: NDArray[np.float64]
    affine: NDArray[np.float64]
    number: int = 0


def nifti(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Voxels (i, j, k) and affine to RAS mm, by nibabel."""
    image = nib.load(path)
    voxels = np.asanyarray(image.dataobj, dtype=np.float64)
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    unit = {"meter": 1000.0, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1.0)
    return voxels, np.diag([unit, unit, unit, 1.0]) @ image.affine


def itk(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Voxels (i, j, k) and affine to RAS mm, by SimpleITK."""
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).astype(np.float64).transpose(2, 1, 0), LPS_TO_RAS @ affine


def datasets(path: Path) -> Iterator[Dataset]:
    """Each file of a folder or zip that pydicom reads."""
    if path.is_file():
        with zipfile.ZipFile(path) as packed:
            streams = [io.BytesIO(packed.read(name)) for name in packed.namelist()]
    else:
        streams = [io.BytesIO(file.read_bytes()) for file in sorted(path.iterdir()) if file.is_file()]
    for stream in streams:
        try:
            # old files have no preamble
            dataset = dcmread(stream, force=True)
        except Exception:
            continue
        if "Rows" in dataset and "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        yield dataset


def planes_of(dataset: Dataset) -> Iterator[Plane]:
    """Each 2D image of a file with its place, in physical units.

    Raises:
        Exception: pydicom does not read it, or something that places it is not there.
    """
    pixels = np.asarray(dataset.pixel_array)
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        affine = _affine(dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing)
        yield Plane(pixels * slope + intercept, affine)
        return
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = pixels if pixels.ndim == 3 else pixels[None]
    for own, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):

        def group(name: str, own: Dataset = own) -> Dataset:
            found: Dataset = (own.get(name) or shared.get(name))[0]
            return found

        slope, intercept = 1.0, 0.0
        if own.get("PixelValueTransformationSequence") or shared.get("PixelValueTransformationSequence"):
            stated = group("PixelValueTransformationSequence")
            slope, intercept = float(stated.RescaleSlope), float(stated.RescaleIntercept)
        affine = _affine(
            group("PlanePositionSequence").ImagePositionPatient,
            group("PlaneOrientationSequence").ImageOrientationPatient,
            group("PixelMeasuresSequence").PixelSpacing,
        )
        number = 0
        if own.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence"):
            number = int(group("SegmentIdentificationSequence").ReferencedSegmentNumber)
        yield Plane(frame * slope + intercept, affine, number)


def _affine(position: object, orientation: object, spacing: object) -> NDArray[np.float64]:
    place = np.array([float(value) for value in position])  # type: ignore[attr-defined]
    turn = np.array([float(value) for value in orientation]).reshape(2, 3)  # type: ignore[attr-defined]
    between_rows, between_columns = (float(value) for value in spacing)  # type: ignore[attr-defined]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turn[0] * between_columns, turn[1] * between_rows
    affine[:3, 2] = np.cross(turn[0], turn[1])
    affine[:3, 3] = place
    return LPS_TO_RAS @ affine


def contour_fill(
    dataset: Dataset, number: int, affine: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], bool]:
    """Voxels (i, j, k) inside the contours of an ROI by even-odd filling at voxel centres, of one contour per slice.

    The second value is False where a slice has several contours, so that how they combine is a matter of rules.
    """
    inside = np.zeros(shape, bool)
    to_voxel = np.linalg.inv(affine)
    centres = np.stack(np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij"), -1).reshape(-1, 2)
    taken: set[int] = set()
    for roi in dataset.ROIContourSequence:
        if int(roi.ReferencedROINumber) != number:
            continue
        for contour in roi.get("ContourSequence") or []:
            points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3) @ np.diag([-1.0, -1.0, 1.0])
            voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            k = round(float(voxels[:, 2].mean()))
            if k in taken or contour.ContourGeometricType != "CLOSED_PLANAR":
                return inside, False
            taken.add(k)
            inside[:, :, k] = points_in_poly(centres, voxels[:, :2]).reshape(shape[:2])
    return inside, True
