"""Reading and writing against pydicom, MONAI and nibabel: CPU seconds of interleaved runs in one process.

python benchmarks/io.py [--repeats 5] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nibabel as nib
import numpy as np
import pydicom
from monai.transforms import LoadImage
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from monai_unet.io import find_series, read_volume, write_label_map

AFFINE = np.diag([0.8, 0.8, 2.5, 1.0])


def ct_like(shape: tuple[int, int, int]) -> np.ndarray:
    """Smooth anatomy and noise, which compresses like a CT; (i, j, k), x fastest in memory."""
    rng = np.random.default_rng(0)
    k, j, i = np.ogrid[-1 : 1 : shape[2] * 1j, -1 : 1 : shape[1] * 1j, -1 : 1 : shape[0] * 1j]
    body = np.where(i**2 + j**2 < 0.7, 40 + 60 * np.sin(9 * i) * np.cos(7 * j + k), -1000)
    return (body + rng.normal(0, 12, body.shape) * (body > -900)).astype(np.int16).T


def write_dicom(folder: Path, voxels: np.ndarray) -> None:
    """One file per slice, with as many elements as a CT scanner writes."""
    series, study = generate_uid(), generate_uid()
    for k in range(voxels.shape[2]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.Modality = series, study, "CT"
        for keyword in ("KVP", "XRayTubeCurrent", "ExposureTime", "GantryDetectorTilt", "TableHeight", "Exposure"):
            setattr(dataset, keyword, "100")
        for keyword in ("Manufacturer", "StationName", "ProtocolName", "ConvolutionKernel", "StudyDescription"):
            setattr(dataset, keyword, "benchmark")
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [-200, -200, 2.5 * k], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness, dataset.InstanceNumber = [0.8, 0.8], 2.5, k + 1
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = voxels.shape[1], voxels.shape[0], 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.PhotometricInterpretation, dataset.RescaleSlope, dataset.RescaleIntercept = "MONOCHROME2", 1, -24
        dataset.PixelData = voxels[:, :, k].T.tobytes()
        dataset.save_as(folder / f"{k:04}.dcm", enforce_file_format=True)


def pydicom_serial(folder: Path) -> np.ndarray:
    """The loop of many tutorials: read, sort by position, rescale, stack; float32 as ours."""
    slices = sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda s: float(s.ImagePositionPatient[2]))
    return np.stack([s.pixel_array * np.float32(s.RescaleSlope) + np.float32(s.RescaleIntercept) for s in slices])


def cpu_seconds(run: Callable[[], object]) -> float:
    """User and system time of this process, all threads."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> dict[str, float]:
    """Medians of interleaved runs after one run of each that warms the file cache."""
    ours(), theirs()
    pairs = np.array([(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(repeats)])
    own, other = np.median(pairs, axis=0)
    return {"ours": round(float(own), 3), "theirs": round(float(other), 3), "ratio": round(float(own / other), 3)}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a sixteenth of the size, to see that it runs")
    arguments = parser.parse_args()
    side, slices, files = (128, 32, 60) if arguments.quick else (512, 128, 300)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(json.dumps(measure(folder, side, slices, files, arguments.repeats), indent=2))


def measure(folder: Path, side: int, slices: int, files: int, repeats: int) -> dict[str, dict[str, float]]:
    """All comparisons; inputs are made in `folder`."""
    (folder / "dicom").mkdir()
    series = ct_like((side, side, files))
    write_dicom(folder / "dicom", series)
    volume = ct_like((side, side, slices))
    nib.save(nib.Nifti1Image(volume, AFFINE), folder / "ct.nii.gz")
    loaded = read_volume(folder / "ct.nii.gz")
    labels = (loaded[0].numpy() > 60).astype(np.uint8)
    c_order = np.ascontiguousarray((volume > 60).astype(np.uint8))
    load = LoadImage(reader="NibabelReader", image_only=True)
    results = {
        "dicom_load_vs_pydicom_serial": compare(
            lambda: read_volume(folder / "dicom"), lambda: pydicom_serial(folder / "dicom"), repeats
        ),
        "nifti_load_vs_monai_loadimage": compare(
            lambda: read_volume(folder / "ct.nii.gz"), lambda: load(folder / "ct.nii.gz"), repeats
        ),
        "label_save_vs_nibabel_c_order": compare(
            lambda: write_label_map(labels, folder / "ours.nii.gz", like=loaded.meta),
            lambda: nib.save(nib.Nifti1Image(c_order, AFFINE), folder / "theirs.nii.gz"),
            repeats,
        ),
    }
    # a speed is worth nothing where the voxels differ
    ours = read_volume(folder / "dicom")[0].numpy()
    assert np.array_equal(ours[:, ::-1, ::-1], pydicom_serial(folder / "dicom"))
    assert np.array_equal(np.asanyarray(nib.load(folder / "ours.nii.gz").dataobj), c_order)
    listing = cpu_seconds(lambda: find_series(folder / "dicom"))
    results["dicom_listing"] = {"files": files, "cpu_seconds": round(listing, 3)}
    return results


if __name__ == "__main__":
    main()
