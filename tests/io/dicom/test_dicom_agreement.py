"""A value that is given and not understood is refused or said, and slices of one volume state the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_phantom import write_phantom
from pydicom.dataset import Dataset
from synthetic_dicom import write_series

from monai_unet.errors import InputError
from monai_unet.io import find_series, read_series

POSITIONS = [(0.0, 0.0, 2.0 * k) for k in range(4)]
STORED = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
RESCALED = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "Modality": "CT"}


def changed(folder: Path, change: Callable[[Dataset], None], slices: list[int]) -> Path:
    """A CT of four slices, -1024 HU, with `change` made to some of them, written without pydicom's checks."""
    write_series(folder, STORED, POSITIONS, **RESCALED)
    for n in slices:
        file = folder / f"IM{n:04}.dcm"
        dataset = pydicom.dcmread(file)
        change(dataset)
        dataset.save_as(file)
    return folder


def text(keyword: str, value: str) -> Callable[[Dataset], None]:
    """An element with exactly these characters."""

    def change(dataset: Dataset) -> None:
        tag = pydicom.tag.Tag(keyword)
        raw = (value + " " * (len(value) % 2)).encode()
        vr = pydicom.datadict.dictionary_VR(tag)
        dataset[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)

    return change


def without(keyword: str) -> Callable[[Dataset], None]:
    return lambda dataset: dataset.__delattr__(keyword)


def test_the_phantom_itself_is_read(tmp_path: Path) -> None:
    volume = read_series(changed(tmp_path, lambda d: None, []))
    assert (volume.min(), volume.max()) == (-1024, STORED.max() - 1024)
    assert volume.meta["notes"] in ("", ())


@pytest.mark.parametrize("slices", [[2], [0, 1, 2, 3]], ids=["one slice", "all slices"])
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RescaleIntercept", "nan"),
        ("RescaleIntercept", "inf"),
        ("RescaleIntercept", "-1,24"),
        ("RescaleIntercept", "abcdef"),
        ("RescaleIntercept", "-1024\\-1000"),
        ("RescaleSlope", "nan"),
        ("RescaleSlope", "one"),
        ("RescaleSlope", "0"),
        ("RescaleSlope", "1e38"),
        ("RescaleSlope", "1e-60"),
        ("PixelSpacing", "0,8\\0,8"),
        ("PixelSpacing", "0\\0"),
        ("PixelSpacing", "1"),
        ("ImagePositionPatient", "0\\0\\zwei"),
        ("ImageOrientationPatient", "1\\0\\0\\1\\0\\0"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_value_that_cannot_be_understood_is_refused(
    tmp_path: Path, keyword: str, value: str, slices: list[int]
) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_series(changed(tmp_path, text(keyword, value), slices))


@pytest.mark.parametrize("slices", [[0], [3], [1, 2]])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without("RescaleIntercept"), "only one of Rescale Slope and Intercept"),
        (text("RescaleIntercept", ""), "only one of Rescale Slope and Intercept"),
        (lambda d: (without("RescaleIntercept")(d), without("RescaleSlope")(d)), "Rescale Slope and Intercept"),
        (lambda d: setattr(d, "PhotometricInterpretation", "MONOCHROME1"), "Photometric Interpretation"),
        (lambda d: setattr(d, "PixelRepresentation", 0), "Pixel Representation"),
        (lambda d: setattr(d, "Modality", "MR"), "Modality"),
        (lambda d: setattr(d, "RescaleType", "HU" if d.InstanceNumber % 2 else "US"), None),
        (lambda d: setattr(d, "Units", "BQML" if d.InstanceNumber % 2 else "CNTS"), None),
    ],
)
def test_slices_that_state_different_things_are_no_volume(
    tmp_path: Path, change: Callable[[Dataset], None], name: str | None, slices: list[int]
) -> None:
    if name is None:
        slices, name = [0, 1, 2, 3], "US|CNTS"
    with pytest.raises(InputError, match=name):
        read_series(changed(tmp_path, change, slices))


def test_scaling_that_is_not_stated_is_said(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", STORED, POSITIONS, Modality="CT")
    volume = read_series(tmp_path / "ct")
    assert "no Rescale Slope and Intercept are stated" in str(volume.meta["notes"])
    write_series(tmp_path / "zero", STORED, POSITIONS, Modality="CT", RescaleSlope="0", RescaleIntercept="0")
    volume = read_series(tmp_path / "zero")
    assert "a Rescale Slope of 0 is taken as not stated" in str(volume.meta["notes"])
    assert volume.max() == STORED.max()
    write_series(tmp_path / "mr", STORED, POSITIONS)
    assert read_series(tmp_path / "mr").meta["notes"] in ("", ())


@pytest.mark.parametrize("value", ["nan", "1,5", "x"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_enhanced_frames_are_held_to_the_same(tmp_path: Path, value: str) -> None:
    file = next(iter(write_phantom(tmp_path, multiframe=True).folder.iterdir()))
    dataset = pydicom.dcmread(file)
    for own in dataset.PerFrameFunctionalGroupsSequence:
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept = 2, -10
        own.PixelValueTransformationSequence = [item]
    dataset.save_as(file)
    assert read_series(tmp_path).min() == 2 * dataset.pixel_array.min() - 10.0
    text("RescaleIntercept", value)(dataset.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence[0])
    dataset.save_as(file)
    with pytest.raises(InputError, match="Rescale Intercept of"):
        read_series(tmp_path)
    del dataset.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence
    dataset.save_as(file)
    with pytest.raises(InputError, match="do not agree: what is stated of Rescale Slope and Intercept"):
        read_series(tmp_path)


def test_scaling_of_the_whole_file_holds_where_no_frame_has_its_own(tmp_path: Path) -> None:
    file = next(iter(write_phantom(tmp_path, multiframe=True).folder.iterdir()))
    dataset = pydicom.dcmread(file)
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -10
    dataset.save_as(file)
    assert read_series(tmp_path).min() == 2 * dataset.pixel_array.min() - 10.0


@pytest.mark.parametrize("frames", [6, 8, 1])
def test_frames_and_their_places_are_as_many_as_stated(tmp_path: Path, frames: int) -> None:
    file = next(iter(write_phantom(tmp_path, multiframe=True).folder.iterdir()))
    dataset = pydicom.dcmread(file)
    dataset.NumberOfFrames = frames
    dataset.save_as(file)
    with pytest.raises(InputError, match=f"states {frames} frames and the places of 7"):
        read_series(tmp_path)


def bits(dataset: Dataset, allocated: int) -> None:
    dataset.BitsAllocated = dataset.BitsStored = allocated
    dataset.HighBit = allocated - 1


@pytest.mark.parametrize("slices", [[2], [0, 1, 2, 3]], ids=["one slice", "all slices"])
@pytest.mark.parametrize(
    "change",
    [
        lambda d: bits(d, 8),
        lambda d: bits(d, 32),
        lambda d: setattr(d, "Rows", 3),
        lambda d: setattr(d, "Rows", 5),
        lambda d: setattr(d, "Columns", 4),
        lambda d: setattr(d, "Rows", 7),
        lambda d: setattr(d, "PixelData", d.PixelData + bytes(10)),
        lambda d: setattr(d, "PixelData", d.PixelData[:-2]),
    ],
    ids=["8 bits", "32 bits", "half the rows", "a row less", "a column less", "a row more", "longer", "shorter"],
)
@pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])
def test_pixels_are_as_long_as_the_header_says(
    tmp_path: Path, change: Callable[[Dataset], None], slices: list[int], deflated: bool
) -> None:
    def change_all(dataset: Dataset) -> None:
        change(dataset)
        if deflated:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    folder = changed(tmp_path, change_all, slices)
    with pytest.raises(InputError):
        read_series(folder)
    assert any(series.problems for series in find_series(folder))


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless", "JPEG2000Lossless"])
@pytest.mark.parametrize(
    "change",
    [
        lambda d: setattr(d, "Rows", d.Rows // 2),
        lambda d: setattr(d, "Columns", d.Columns // 2),
        lambda d: bits(d, 8),
        lambda d: setattr(d, "BitsStored", 4),
    ],
    ids=["half the rows", "half the columns", "8 bits", "4 bits stored"],
)
def test_compressed_pixels_are_what_the_header_says(
    tmp_path: Path, syntax: str, change: Callable[[Dataset], None]
) -> None:
    voxels = np.random.default_rng(0).integers(0, 4000, (2, 32, 64)).astype(np.uint16)
    write_series(tmp_path, voxels, POSITIONS[:2], BitsStored=12, HighBit=11)
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.compress(getattr(pydicom.uid, syntax))
        dataset.save_as(file)
    np.testing.assert_array_equal(read_series(tmp_path)[0, 0].numpy()[::-1, ::-1], voxels[0])
    for file in tmp_path.iterdir():
        dataset = pydicom.dcmread(file)
        change(dataset)
        dataset.save_as(file)
    with pytest.raises(InputError, match=r"header says|header allocates"):
        read_series(tmp_path)


def test_slices_of_different_bits_are_refused_where_it_matters(tmp_path: Path) -> None:
    voxels = np.full((4, 6, 5), 3000, np.uint16)
    twelve = {"BitsStored": 12, "HighBit": 11}
    write_series(tmp_path / "fit", voxels, POSITIONS, per_slice=[twelve, {}, {}, {}])
    assert read_series(tmp_path / "fit").min() == 3000
    write_series(tmp_path / "not", voxels, POSITIONS, per_slice=[{"BitsStored": 8, "HighBit": 7}, {}, {}, {}])
    with pytest.raises(InputError, match="uses more bits than it says to store"):
        read_series(tmp_path / "not")
    write_series(tmp_path / "overlay", voxels | 0xF000, POSITIONS, **twelve)
    volume = read_series(tmp_path / "overlay")
    assert volume.max() == 3000
    assert "bits above the 12 stored ones hold something in 4 images" in str(volume.meta["notes"])
