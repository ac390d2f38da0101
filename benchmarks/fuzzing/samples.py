"""Small whole files of every format that is read, each in a folder of its own; made the same way from the same seed."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from monai_unet.evaluation.journal import EvaluationJournal
from monai_unet.geometry import Grid
from monai_unet.interaction import EditSession
from monai_unet.io import AlgorithmIdentity, Segment, find_series
from monai_unet.io.dicom import write_rtstruct, write_seg

SHAPE = (34, 32, 5)
"""Columns, rows, slices."""

SPACING = (0.8, 0.9, 2.5)


@dataclass(frozen=True)
class Sample:
    """What one damaged copy is made of.

    Attributes:
        kind: how it is read.
        folder: holds all its files.
        target: what is given to the reader, relative to the folder.
        damaged: the files of which one is damaged, relative to the folder.
    """

    kind: str
    folder: Path
    target: str
    damaged: tuple[str, ...]


def make_samples(root: Path) -> list[Sample]:
    """All samples, in a fixed order."""
    return [
        *_volumes(root / "volumes"),
        *_series(root / "series"),
        *_results(root / "results"),
        *_others(root / "others"),
    ]


def _oblique() -> NDArray[np.float64]:
    """Affine to RAS mm of a grid that is turned about two axes."""
    turn = np.deg2rad(17.0)
    about_z = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(about_z) @ np.diag([-SPACING[0], -SPACING[1], SPACING[2]])
    affine[:3, 3] = (31.5, 12.25, -40.0)
    return affine


def _volumes(root: Path) -> list[Sample]:
    voxels = np.random.default_rng(1).integers(-1000, 2000, SHAPE).astype(np.int16)
    found = []
    for name, kind, dtype in (
        *(("short.nii", nib.Nifti1Image, np.int16), ("float.nii", nib.Nifti1Image, np.float32)),
        *(("two.nii", nib.Nifti2Image, np.int16), ("short.nii.gz", nib.Nifti1Image, np.int16)),
        ("scaled.nii", nib.Nifti1Image, np.int16),
    ):
        image = kind(voxels.astype(dtype), _oblique())
        image.header.set_xyzt_units("mm")
        image.set_qform(_oblique(), code=1)
        image.set_sform(_oblique(), code=1)
        if name == "scaled.nii":
            image.header.set_slope_inter(0.5, -3.0)
        folder = root / name.replace(".", "_")
        folder.mkdir(parents=True)
        nib.save(image, folder / name)
        found.append(Sample("nifti", folder, name, (name,)))
    picture = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ _oblique()
    picture.SetSpacing(SPACING)
    picture.SetDirection((affine[:3, :3] / np.array(SPACING)).ravel().tolist())
    picture.SetOrigin(affine[:3, 3].tolist())
    for name, packed in (
        ("a.nrrd", False),
        ("b.nrrd", True),
        ("c.nhdr", False),
        ("a.mha", False),
        ("b.mha", True),
        ("c.mhd", False),
    ):
        folder = root / f"{name.replace('.', '_')}_{packed}"
        folder.mkdir(parents=True)
        sitk.WriteImage(picture, str(folder / name), useCompression=packed)
        # of a detached pair the header
        found.append(Sample("itk", folder, name, (name,)))
    return found


def slice_of(voxels: NDArray[np.int16], k: int, *, mr: bool = False) -> FileDataset:
    """One axial slice of voxels (column, row, slice), with what a scanner writes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage if mr else CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"image {k} {mr}"])
    image = FileDataset("", _common(mr), file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.ImagePositionPatient = [-31.5, -12.25, -40.0 + SPACING[2] * k]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
    image.InstanceNumber = k + 1
    if not mr:
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, -1024, "HU"
    image.Columns, image.Rows = voxels.shape[:2]
    image.PixelData = voxels[:, :, k].T.tobytes()
    return image


def _common(mr: bool) -> Dataset:
    common = Dataset()
    common.SpecificCharacterSet = "ISO_IR 100"
    common.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    common.StudyDate, common.StudyTime, common.AccessionNumber = "20240229", "101500", "A1"
    common.Modality, common.Manufacturer = "MR" if mr else "CT", "Nobody"
    common.SeriesDescription, common.ReferringPhysicianName = "made", "Müller^Jörg"
    common.PatientName, common.PatientID, common.PatientBirthDate, common.PatientSex = "Doe^Jane", "P1", "19500101", "F"
    common.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    common.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {mr}"])
    common.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    common.StudyID, common.SeriesNumber, common.PositionReferenceIndicator = "S1", 3, ""
    common.SamplesPerPixel, common.PhotometricInterpretation = 1, "MONOCHROME2"
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit, common.PixelRepresentation = 15, 1
    return common


def _voxels() -> NDArray[np.int16]:
    return np.random.default_rng(2).integers(0, 3000, SHAPE).astype(np.int16)


def _series(root: Path) -> list[Sample]:
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless)
    found = [_one_series(root / UID(syntax).name.replace(" ", "_").replace("/", "_"), syntax) for syntax in syntaxes]
    found.append(_one_series(root / "deflated", DeflatedExplicitVRLittleEndian))
    found.append(_one_series(root / "mr", ExplicitVRLittleEndian, mr=True))
    found.append(_enhanced(root / "enhanced"))
    packed = root / "zip"
    packed.mkdir(parents=True)
    with zipfile.ZipFile(packed / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((root / "mr").iterdir()):
            archive.writestr(zipfile.ZipInfo(f"study/{file.name}"), file.read_bytes(), zipfile.ZIP_DEFLATED)
    found.append(Sample("series", packed, "study.zip", ("study.zip",)))
    return found


def _one_series(folder: Path, syntax: str, *, mr: bool = False) -> Sample:
    folder.mkdir(parents=True)
    names = []
    for k in range(SHAPE[2]):
        image = slice_of(_voxels(), k, mr=mr)
        if syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
            image.compress(syntax)
        image.file_meta.TransferSyntaxUID = syntax
        names.append(f"IM{(k * 2) % SHAPE[2]:03d}.dcm")
        encoding = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": True}
        image.save_as(folder / names[-1], enforce_file_format=True, **encoding)
    return Sample("series", folder, "", tuple(names))


def _enhanced(folder: Path) -> Sample:
    folder.mkdir(parents=True)
    image = slice_of(_voxels(), 0)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(image, name)
    for name in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(image, name)
    measures, plane, values, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.PixelValueTransformationSequence = [values]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = []
    for k in range(SHAPE[2]):
        own, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-31.5, -12.25, -40.0 + SPACING[2] * k]
        content.StackID, content.InStackPositionNumber = "1", k + 1
        own.PlanePositionSequence, own.FrameContentSequence = [place], [content]
        image.PerFrameFunctionalGroupsSequence.append(own)
    image.NumberOfFrames = SHAPE[2]
    image.PixelData = _voxels().transpose(2, 1, 0).tobytes()
    image.save_as(folder / "ENHANCED.dcm", enforce_file_format=True)
    return Sample("series", folder, "", ("ENHANCED.dcm",))


def masks() -> NDArray[np.uint8]:
    """A label map (S, A, R) of two structures."""
    labels = np.zeros(SHAPE[::-1], np.uint8)
    labels[1:4, 2:7, 3:9] = 1
    labels[2:4, 7:10, 4:12] = 2
    return labels


def _results(root: Path) -> list[Sample]:
    found = []
    segments = [Segment(1, "liver", tracking_uid="2.25.1"), Segment(2, "tumour", tracking_uid="2.25.2")]
    algorithm = AlgorithmIdentity("fuzzing", "1")
    for name in ("seg", "fraction", "rtstruct"):
        folder = root / name
        source = _one_series(folder / "ct", ExplicitVRLittleEndian)
        (series,) = find_series(source.folder)
        file = folder / "result.dcm"
        if name == "rtstruct":
            write_rtstruct(masks(), file, source=series, segments=segments, algorithm=algorithm)
        else:
            write_seg(
                masks(), file, source=series, segments=segments, algorithm=algorithm, fractional=name == "fraction"
            )
        _steady(file)
        found.append(Sample("rtstruct" if name == "rtstruct" else "seg", folder, "result.dcm", ("result.dcm",)))
    return found


def _steady(file: Path) -> None:
    """UIDs and times that were drawn anew become the same in every run."""
    result = dcmread(file)
    result.SOPInstanceUID = result.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[file.parent.name])
    result.SeriesInstanceUID = generate_uid(entropy_srcs=["of", file.parent.name])
    for element in result.iterall():
        if element.VR in ("DA", "TM", "DT") and element.value:
            element.value = {"DA": "20240229", "TM": "101500", "DT": "20240229101500"}[element.VR]
        if element.keyword in ("DimensionOrganizationUID", "TrackingUID") and element.value:
            element.value = generate_uid(entropy_srcs=[element.keyword])
    result.save_as(file)


def _others(root: Path) -> list[Sample]:
    return [
        _bundle(root / "bundle"),
        _evaluation(root / "evaluation"),
        _session(root / "session"),
        _dataset(root / "set"),
    ]


def _bundle(folder: Path) -> Sample:
    from monai_unet.bundle_format.catalogue import built_in_folder

    folder.mkdir(parents=True)
    configs = built_in_folder() / "hippocampus_mri" / "configs"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(configs.iterdir()):
            archive.writestr(zipfile.ZipInfo(f"model/configs/{file.name}"), file.read_bytes(), zipfile.ZIP_DEFLATED)
    (folder / "model.zip").write_bytes(packed.getvalue())
    shutil.copyfile(configs / "metadata.json", folder / "metadata.json")
    return Sample("bundle", folder, "model.zip", ("model.zip", "metadata.json"))


def _evaluation(folder: Path) -> Sample:
    from monai_unet.evaluation.case_work import CaseResult
    from monai_unet.evaluation.pairs import Pair

    with EvaluationJournal(folder / "journal.jsonl", {"settings": 1}, resume=False) as journal:
        for case in "abcdef":
            journal.append(CaseResult(Pair(case, f"{case}.nii", f"{case}_label.nii")))
    return Sample("evaluation", folder, "journal.jsonl", ("journal.jsonl",))


def session_image() -> tuple[NDArray[np.float32], Grid]:
    """What the edit session was made on."""
    return np.arange(6 * 9 * 8, dtype=np.float32).reshape(6, 9, 8), Grid((6, 9, 8), np.diag([3.0, 1.0, 1.0, 1.0]))


def _session(folder: Path) -> Sample:
    folder.mkdir(parents=True)
    session = EditSession(*session_image())
    session.add_object("lesion")
    session.start_journal(folder / "case.journal", image_name="case")
    chance = random.Random(3)
    for _ in range(8):
        low = chance.randrange(3)
        part = (slice(low, low + 3), slice(low, low + 4), slice(0, 5))
        session.write(part, np.random.default_rng(low).integers(0, 2, (3, 4, 5)))
    session.close()
    return Sample("session", folder, "case.journal", ("case.journal",))


def _dataset(folder: Path) -> Sample:
    folder.mkdir(parents=True)
    for name in ("image.nii", "label.nii"):
        nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), folder / name)
    cases = [{"image": "./image.nii", "label": "./label.nii"}]
    content = {"labels": {"0": "background", "1": "liver"}, "training": cases, "test": cases}
    (folder / "dataset.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return Sample("dataset", folder, "dataset.json", ("dataset.json",))
