"""DICOM series made on the spot: every value of the header chosen by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slice_dataset(pixels: np.ndarray, position: Sequence[float], series_uid: str, **elements: Any) -> FileDataset:
    """One slice: pixels (rows, columns) of an integer type, first pixel at `position` (LPS mm)."""
    modality = elements.pop("Modality", "MR")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = elements.pop("SOPInstanceUID", generate_uid())
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SeriesInstanceUID = modality, series_uid
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = series_uid[:60] + ".1", series_uid[:60] + ".2"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Doe^Jane", "SECRET-4711", "19500101"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.ImagePositionPatient = [f"{v:.10g}" for v in position]
    dataset.ImageOrientationPatient = [f"{v:.10g}" for v in elements.pop("ImageOrientationPatient", AXIAL)]
    dataset.PixelSpacing = [f"{v:.10g}" for v in elements.pop("PixelSpacing", (1.0, 1.0))]
    dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def write_series(
    folder: Path,
    voxels: np.ndarray,
    positions: Sequence[Sequence[float]],
    *,
    per_slice: Sequence[dict[str, Any]] | None = None,
    names: Sequence[str] | None = None,
    series_uid: str | None = None,
    **elements: Any,
) -> list[Dataset]:
    """Write voxels (n, rows, columns) as one file per slice; `per_slice` holds elements of single slices."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = series_uid or generate_uid()
    written = []
    for n, (pixels, position) in enumerate(zip(voxels, positions, strict=True)):
        own = {"InstanceNumber": n + 1, **elements, **(per_slice[n] if per_slice else {})}
        dataset = slice_dataset(np.ascontiguousarray(pixels), position, series_uid, **own)
        dataset.save_as(folder / (names[n] if names else f"IM{n:04}.dcm"), enforce_file_format=True)
        written.append(dataset)
    return written
