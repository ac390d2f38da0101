"""Small inputs, and the commands that are killed on them: what is called, how it is called again, what it writes."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SHAPE = (28, 32, 24)


@dataclass(frozen=True)
class Killed:
    """A command that is killed and called again.

    Attributes:
        name: in the table of results.
        words: of `monai-unet`, or of `python -m monai.bundle` where they begin with "run", or of an edit session
            where they begin with "edit"; "{out}" is its output.
        again: words added when it is called again after a kill.
        share: of the kills, relative to the others.
        refused: what a call may say that finds results of the call before (a command without `--resume`).
        piecemeal: after a refusal the results that are there are right, and others may be missing.
        forced: words with which a call goes on where it was refused so.
        before: folder that is copied to the output first.
    """

    name: str
    words: list[str]
    again: list[str] = field(default_factory=list)
    share: float = 1.0
    refused: str = ""
    piecemeal: bool = False
    forced: list[str] = field(default_factory=list)
    before: Path | None = None


def commands(data: Path) -> list[Killed]:
    """All commands, with the inputs that `make_inputs` wrote."""
    ct, mask, key = str(data / "ct"), str(data / "labels/c0.nii.gz"), str(data / "key.txt")
    placed, names = str(data / "ct_mask.nii.gz"), ["--names", "1=liver", "2=tumour"]
    hippocampus = ["--bundle", "hippocampus_mri", "--device", "cpu", "--runtime", "torch"]
    one = ["--device", "cpu", "--labels", "1=a", "2=b", "--workers", "1"]
    over = ["--overwrite"]
    there = "is there already|holds|exists|not empty"
    scored = ["--predictions", str(data / "made"), "--references", str(data / "labels"), "--labels", "1=a", "2=b"]
    bundle = Path(__file__).parents[2] / "bundles" / "hippocampus_mri" / "configs"
    run = ["run", "--bundle_root", str(bundle.parent), "--device", "$torch.device('cpu')"]
    short = ["--epochs", "3", "--batch_size", "2"]
    boxes, few = str(data / "boxes"), str(data / "few")
    return [
        Killed("segment folder", ["segment", str(data / "images"), "-o", "{out}", *hippocampus], ["--resume"], 6),
        Killed(
            "segment --uncertainty",
            ["segment", few, "-o", "{out}", "--uncertainty", *hippocampus],
            ["--resume"],
            3,
        ),
        Killed("segment DICOM", ["segment", ct, "-o", "{out}", *hippocampus], ["--resume"], 2),
        Killed("convert to NIfTI", ["convert", ct, "{out}/ct.nii.gz"], share=3, refused=there),
        Killed("convert to NRRD", ["convert", ct, "{out}/ct.nrrd"], share=2, refused=there),
        Killed("convert to SEG", ["convert", placed, "{out}/s.dcm", "--to", "seg", "--source", ct, *names], share=2),
        Killed("convert to RTSTRUCT", ["convert", placed, "{out}/r.dcm", "--to", "rtstruct", "--source", ct, *names]),
        Killed("convert to report", ["convert", placed, "{out}/p.dcm", "--to", "sr", "--source", ct, *names], share=2),
        Killed(
            "convert --split", ["convert", mask, "{out}/parts", "--split", *names], share=2, refused=there, forced=over
        ),
        Killed(
            "convert --deidentify",
            ["convert", ct, "{out}/anonymous", "--to", "dicom", "--deidentify", "--key", key],
            share=3,
            refused=there,
        ),
        Killed("evaluate", ["evaluate", *scored, "--output", "{out}", "--workers", "1"], ["--resume"], 5),
        Killed(
            "evaluate --bundle",
            [*("evaluate", "--dataset", boxes, "--bundle", "hippocampus_mri", "--output", "{out}"), *one],
            ["--resume"],
            3,
        ),
        Killed(
            "interact",
            ["interact", "--dataset", boxes, "--method", "classical", "--clicks", "2", "--output", "{out}/clicks"],
            ["--overwrite"],
            2,
        ),
        Killed(
            "compare",
            ["compare", str(data / "scores"), str(data / "scores2"), "--output", "{out}/both"],
            ["--overwrite"],
            2,
        ),
        Killed("demo", ["demo", "hippocampus", "-o", "{out}/demo"], share=1),
        Killed("plan", ["plan", boxes, "-o", "{out}/plan", "--budget", "1epochs", "--device", "cpu", "--workers", "1"]),
        Killed("train", ["train", "{out}", "--no-install"], ["--resume"], 2, before=data / "planned"),
        Killed(
            "bundle: train.yaml",
            [
                *run,
                "--config_file",
                str(bundle / "train.yaml"),
                "--dataset_dir",
                boxes,
                "--output_dir",
                "{out}/run",
                *short,
            ],
            ["--resume", "auto"],
            3,
        ),
        Killed(
            "bundle: inference.json",
            [*run, "--config_file", str(bundle / "inference.json"), "--input", few, "--output_dir", "{out}/masks"],
            share=2,
            refused=there,
            piecemeal=True,
        ),
        Killed("edit session", ["edit", "{out}/session.journal"], share=5),
    ]


def make_inputs(data: Path) -> None:
    """Volumes, label maps, a DICOM series, a data set; the same from call to call."""
    data.mkdir(parents=True)
    for folder, count in (("images", 6), ("few", 3)):
        (data / folder).mkdir()
        for number in range(count):
            save(data / folder / f"c{number}.nii.gz", picture(number))
    for folder in ("labels", "made"):
        (data / folder).mkdir()
        for number in range(24):
            save(data / folder / f"c{number}.nii.gz", boxes_of(number, moved=folder == "made" and number % 3))
    write_ct(data / "ct", picture(50))
    save(data / "ct_mask.nii.gz", boxes_of(50), ct_affine())
    (data / "key.txt").write_text("a secret of this benchmark\n")
    write_boxes(data / "boxes")


def write_boxes(root: Path) -> None:
    """A data set in Decathlon layout of two classes."""
    entries = []
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for number in range(8):
        save(root / f"images/c{number}.nii.gz", picture(number))
        save(root / f"labels/c{number}.nii.gz", boxes_of(number))
        entries.append({"image": f"images/c{number}.nii.gz", "label": f"labels/c{number}.nii.gz"})
    names = {"0": "background", "1": "a", "2": "b"}
    content = {"labels": names, "training": entries[:4], "validation": entries[4:5], "test": entries[5:]}
    (root / "dataset.json").write_text(json.dumps(content))


def boxes_of(number: int, moved: int | bool = 0) -> NDArray[np.uint8]:
    """Two boxes in a label map."""
    label, start = np.zeros(SHAPE, np.uint8), 3 + number % 4 + int(moved)
    label[start : start + 8, 4:14, 5:12] = 1
    label[start : start + 8, 16:26, 9:18] = 2
    return label


def picture(number: int) -> NDArray[np.int16]:
    """The boxes in noise."""
    noise = np.random.default_rng(number).normal(0, 10, SHAPE)
    return np.asarray(100 * boxes_of(number) + noise + 40, np.int16)


def save(path: Path, voxels: NDArray[np.generic], affine: NDArray[np.float64] | None = None) -> None:
    nib.save(nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine), path)


def ct_affine() -> NDArray[np.float64]:
    """Of the DICOM series, to RAS mm."""
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    affine[:3, 3] = (30, 20, -50)
    return affine


def write_ct(folder: Path, voxels: NDArray[np.int16]) -> None:
    """One file per slice, with fixed identifiers."""
    folder.mkdir()
    for k in range(voxels.shape[2]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{k + 1}"
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, f"1.2.3.4.{k + 1}"
        image.SeriesInstanceUID, image.StudyInstanceUID, image.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
        image.Modality, image.PatientName, image.PatientID = "CT", "Doe^Jane", "4711"
        image.ImagePositionPatient, image.ImageOrientationPatient = [-30, -20, 2 * k - 50], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness, image.InstanceNumber = [1, 1], 2, k + 1
        image.Rows, image.Columns, image.SamplesPerPixel = voxels.shape[1], voxels.shape[0], 1
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.PhotometricInterpretation, image.RescaleSlope, image.RescaleIntercept = "MONOCHROME2", 1, 0
        image.PixelData = voxels[:, :, k].T.tobytes()
        image.save_as(folder / f"{k:04}.dcm", enforce_file_format=True)


def edit(journal: Path, operations: int = 400) -> None:
    """Draw random boxes into an edit session, going on where its journal ends."""
    from monai_unet.geometry import Grid
    from monai_unet.interaction import EditSession

    image, grid = np.zeros((12, 16, 16), np.float32), Grid((12, 16, 16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    journal.parent.mkdir(exist_ok=True)
    if journal.exists():
        session, _ = EditSession.recover(journal, image, grid)
    else:
        session = EditSession(image, grid)
        session.start_journal(journal, image_name="case")
    chance = np.random.default_rng(3)
    whole = tuple(slice(0, n) for n in image.shape)
    if not session.objects:
        session.add_object("lesion")
    begun = done_of(session.labels)
    for number in range(1, operations + 1):
        labels = chance.integers(0, 2, image.shape).astype(np.uint8)
        labels.flat[:16] = [number >> bit & 1 for bit in range(16)]
        if number > begun:
            session.write(whole, labels)
    save(journal.parent / "mask.nii.gz", np.asarray(session.labels, np.uint8))
    session.close()


def done_of(labels: NDArray[np.generic]) -> int:
    """How many operations a label map has seen: the first voxels count them."""
    return sum(int(value) << bit for bit, value in enumerate(labels.flat[:16]))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
