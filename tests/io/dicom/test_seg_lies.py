"""SEGs whose header says what the file does not hold are refused by name, with and without the source series."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, SEGMENTS, labels_on
from dicom_phantom import Phantom, write_phantom
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom.seg import write_seg
from monai_unet.io.dicom.seg_read import read_seg


def segmentation(tmp_path: Path, change: Callable[[Dataset], object]) -> tuple[Phantom, Path]:
    phantom = write_phantom(tmp_path / "ct", shape=(16, 16, 7))
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    path = write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return phantom, path


def segment_of_frame(dataset: Dataset, number: int) -> None:
    dataset.PerFrameFunctionalGroupsSequence[2].SegmentIdentificationSequence[0].ReferencedSegmentNumber = number


def frame_repeated(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1] = copy.deepcopy(groups[0])


def turned_frame(dataset: Dataset) -> None:
    item = Dataset()
    item.ImageOrientationPatient = [0, 1, 0, -1, 0, 0]
    dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = [item]


def wider_frame(dataset: Dataset) -> None:
    item = Dataset()
    item.PixelSpacing = [2, 2]
    dataset.PerFrameFunctionalGroupsSequence[2].PixelMeasuresSequence = [item]


@pytest.mark.parametrize("with_source", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: setattr(d, "Rows", 8), "bytes of masks"),
        (lambda d: setattr(d, "Columns", 12), "bytes of masks"),
        (lambda d: setattr(d, "Rows", 32), "bytes of masks"),
        (lambda d: setattr(d, "BitsAllocated", 8), "bytes of masks"),
        (lambda d: setattr(d, "NumberOfFrames", 1), "states 1 frames"),
        (lambda d: setattr(d, "NumberOfFrames", 11), "states 11 frames"),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), "states 10 frames"),
        (lambda d: segment_of_frame(d, 9), "segment 9, which it does not describe"),
        (lambda d: segment_of_frame(d, 0), "segment 0, which it does not describe"),
        (lambda d: setattr(d.SegmentSequence[0], "SegmentNumber", 0), "numbered from 1"),
        (lambda d: setattr(d.SegmentSequence[0], "SegmentNumber", 2), "have one number"),
        (frame_repeated, "two of its frames show one segment"),
        (lambda d: setattr(d, "SegmentationType", "FUZZY"), "Segmentation Type is 'FUZZY'"),
        (turned_frame, "different directions"),
        (wider_frame, "different pixel spacings"),
        (lambda d: setattr(d, "PixelData", d.PixelData + bytes(2)), "bytes of masks"),
    ],
)
def test_seg_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Callable[[Dataset], object], reason: str, with_source: bool
) -> None:
    phantom, path = segmentation(tmp_path, change)
    with pytest.raises(InputError, match=reason) as refusal:
        read_seg(path, source=phantom if with_source else None).masks()
    assert str(path) in str(refusal.value)


def test_seg_itself_is_read(tmp_path: Path) -> None:
    phantom, path = segmentation(tmp_path, lambda d: None)
    labels = read_seg(path, source=phantom).label_map()
    np.testing.assert_array_equal(labels[0], to_working_frame(labels_on(phantom), phantom.grid)[0])


def test_two_frames_of_reference_in_one_element_are_one_sentence(tmp_path: Path) -> None:
    """Found by benchmarks/fuzzing: a value of several parts cannot be looked up in a set."""
    phantom, path = segmentation(tmp_path, lambda d: setattr(d, "FrameOfReferenceUID", ["1.2.3", "1.2.4"]))
    with pytest.raises(InputError, match=r"seg\.dcm"):
        read_seg(path, source=phantom)
