"""Small DICOM series made with pydicom, of any orientation, tilt and order, single- or multi-frame, for tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from monai_unet.geometry.grid import Grid

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)


def oblique(degrees: tuple[float, float, float]) -> tuple[float, ...]:
    """Row and column cosines of an axial plane turned about x, y and z."""
    x, y, z = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return tuple((about_z @ about_y @ about_x)[:, :2].T.ravel())


@dataclass(frozen=True)
class Phantom:
    """A series on disk.

    Attributes:
        folder: of its files.
        voxels: stored values (column i, row j, slice k).
        grid: in the same order, RAS mm, computed from the formula of DICOM PS3.3 C.7.6.2.1.1.
    """

    folder: Path
    voxels: NDArray[np.int16]
    grid: Grid

    def headers(self) -> list[Dataset]:
        """Headers in the order of file names, which is not the order of slices."""
        return [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(self.folder.iterdir())]


def write_phantom(
    folder: Path,
    *,
    shape: tuple[int, int, int] = (21, 17, 7),
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float, float] = (0.8, 0.9, 2.5),
    origin: Sequence[float] = (-31.5, 17.25, -120.0),
    tilt_degrees: float = 0.0,
    multiframe: bool = False,
    seed: int = 0,
) -> Phantom:
    """Write a CT series of `shape` (columns, rows, slices), its slices in random file order.

    Args:
        spacing: mm between columns, rows and slices (along the normal).
        tilt_degrees: gantry tilt: each slice shifted along the columns in proportion to its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slices = shape[2]
    along_row, along_column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(along_row, along_column)
    step = normal * spacing[2] + along_column * spacing[2] * np.tan(np.radians(tilt_degrees))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = along_row * spacing[0], along_column * spacing[1], step
    affine[:3, 3] = origin
    voxels = np.random.default_rng(seed).integers(-1000, 2000, shape).astype(np.int16)
    common = _common(shape, seed)
    order = list(range(slices))
    random.Random(seed).shuffle(order)
    positions = [[float(f"{v:.10g}") for v in affine[:3] @ [0, 0, k, 1]] for k in range(slices)]
    if multiframe:
        _write_multiframe(folder, common, voxels, orientation, spacing, [positions[k] for k in order], order)
    else:
        for number, k in enumerate(order):
            image = _image(common, CTImageStorage)
            image.ImagePositionPatient = positions[k]
            image.ImageOrientationPatient = list(orientation)
            image.PixelSpacing = [spacing[1], spacing[0]]
            image.SliceThickness = spacing[2]
            image.InstanceNumber = number + 1
            image.RescaleSlope, image.RescaleIntercept = 1, 0
            image.PixelData = voxels[:, :, k].T.tobytes()
            image.save_as(folder / f"IM{number:03d}.dcm", enforce_file_format=True)
    return Phantom(folder, voxels, Grid(shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine))


def _common(shape: tuple[int, int, int], seed: int) -> Dataset:
    common = Dataset()
    common.SpecificCharacterSet = "ISO_IR 100"
    common.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    common.StudyDate, common.StudyTime = "20240229", "101500"
    common.AccessionNumber = "ACC-4711"
    common.Modality = "CT"
    common.Manufacturer = "Phantom"
    common.InstitutionName = "Hospital of Testing"
    common.ReferringPhysicianName = "Müller^Jörg"
    common.StudyDescription = "Abdomen of Doe"
    common.PatientName = "Doe^Jané"
    common.PatientID = "MRN-12345"
    common.PatientBirthDate = "19500101"
    common.PatientSex = "F"
    common.PatientAge = "074Y"
    common.PatientAddress = "Hidden Street 1"
    common.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {seed}"])
    common.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {seed}"])
    common.FrameOfReferenceUID = generate_uid(entropy_srcs=[f"frame {seed}"])
    common.StudyID, common.SeriesNumber = "S1", 3
    common.PositionReferenceIndicator = ""
    common.SamplesPerPixel = 1
    common.PhotometricInterpretation = "MONOCHROME2"
    common.Columns, common.Rows = shape[:2]
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit, common.PixelRepresentation = 15, 1
    return common


def _image(common: Dataset, sop_class: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.update(common)
    image.SOPClassUID, image.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    return image


def _write_multiframe(
    folder: Path,
    common: Dataset,
    voxels: NDArray[np.int16],
    orientation: Sequence[float],
    spacing: tuple[float, float, float],
    positions: Sequence[Sequence[float]],
    order: Sequence[int],
) -> None:
    image = _image(common, EnhancedCTImageStorage)
    measures, plane, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    plane.ImageOrientationPatient = list(orientation)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = []
    for number, position in enumerate(positions, start=1):
        own, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = list(position)
        content.StackID, content.InStackPositionNumber = "1", number
        own.PlanePositionSequence, own.FrameContentSequence = [place], [content]
        image.PerFrameFunctionalGroupsSequence.append(own)
    image.NumberOfFrames = len(positions)
    image.InstanceNumber = 1
    image.PixelData = voxels[:, :, list(order)].transpose(2, 1, 0).tobytes()
    image.save_as(folder / "ENHANCED.dcm", enforce_file_format=True)
