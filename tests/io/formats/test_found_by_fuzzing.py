"""Damaged headers that were read as another image, or ended the process, until benchmarks/fuzzing found them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread, dcmwrite
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from synthetic_dicom import write_series

from monai_unet.errors import InputError
from monai_unet.evaluation import read_label_map
from monai_unet.io import notes_of, read_label_table, read_volume
from monai_unet.io.datasets import inventory

VOXELS = np.random.default_rng(0).integers(0, 1000, (4, 64, 64)).astype(np.int16)


def meta_image(folder: Path, *, packed: bool) -> tuple[Path, bytes]:
    path = folder / "a.mha"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path), useCompression=packed)
    return path, path.read_bytes()


@pytest.mark.parametrize("dimensions", ["1e300", "0", "-1", "nan", "11", "3.5", ""])
def test_dimensions_that_end_a_process_in_itk_are_refused(tmp_path: Path, dimensions: str) -> None:
    path, raw = meta_image(tmp_path, packed=False)
    path.write_bytes(raw.replace(b"NDims = 3", f"NDims = {dimensions}".encode()))
    (entry,) = inventory(path)
    assert "dimensions" in entry.problems[0] or "NDims" in entry.problems[0]
    for read in (read_volume, read_label_map, read_label_table):
        with pytest.raises(InputError, match="NDims"):
            read(path)


@pytest.mark.parametrize("size", [None, b"91", b"100000000", b"x"])
def test_a_wrong_size_of_compressed_voxels_is_not_read_as_memory_nobody_wrote(
    tmp_path: Path, size: bytes | None
) -> None:
    path, raw = meta_image(tmp_path, packed=True)
    start = raw.index(b"CompressedDataSize")
    end = raw.index(b"\n", start) + 1
    path.write_bytes(raw[:start] + (b"" if size is None else b"CompressedDataSize = " + size + b"\n") + raw[end:])
    with pytest.raises(InputError, match=r"CompressedDataSize|cannot be read"):
        read_volume(path)


@pytest.mark.parametrize("value", [b"1e300", b"yes", b"2"])
def test_an_answer_that_is_neither_true_nor_false_is_refused(tmp_path: Path, value: bytes) -> None:
    path, raw = meta_image(tmp_path, packed=False)
    path.write_bytes(raw.replace(b"CompressedData = False", b"CompressedData = " + value))
    with pytest.raises(InputError, match="neither True nor False"):
        read_volume(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_sound_meta_image_is_read(tmp_path: Path, packed: bool) -> None:
    path, _ = meta_image(tmp_path, packed=packed)
    assert np.array_equal(np.sort(read_volume(path).numpy(), axis=None), np.sort(VOXELS, axis=None))
    detached = tmp_path / "b.mhd"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(detached), useCompression=packed)
    assert read_volume(detached).shape == (1, 4, 64, 64)


@pytest.mark.parametrize(("code", "place"), [(32767, 254), (6, 254), (-1, 252)])
def test_a_code_that_the_standard_does_not_have_is_refused(tmp_path: Path, code: int, place: int) -> None:
    """nibabel takes it for none and uses the other form, others take it for one."""
    path = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), path)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<h", raw, place, code)
    path.write_bytes(raw)
    with pytest.raises(InputError, match="no code of the standard"):
        read_volume(path)


def test_a_place_beyond_every_patient_is_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 3] = 1e30
    nib.save(nib.Nifti1Image(VOXELS, affine), tmp_path / "a.nii")
    with pytest.raises(InputError, match="a kilometre and more"):
        read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("direction", "said"),
    [
        ("(-026313453425046313,0.86,0)", "singular"),
        ("(1e7,0,0)", "singular"),
        ("(0,1e7,0)", "a kilometre and more"),
        ("(1,1e-4,0)", "singular"),
        ("(0,1e-9,0)", "has voxels of 1e-09 mm"),
    ],
)
def test_directions_of_no_patient_are_refused(tmp_path: Path, direction: str, said: str) -> None:
    """A point that is lost in a number makes voxels of light years, on which no two programs agree."""
    head = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 4\nendian: little\n"
    head += f"encoding: raw\nspace directions: (1,0,0) {direction} (0,0,2.5)\nspace origin: (0,0,0)\n\n"
    (tmp_path / "a.nrrd").write_bytes(head.encode() + VOXELS.tobytes())
    with pytest.raises(InputError, match=rf"{said}|determinant|cannot be read"):
        read_volume(tmp_path / "a.nrrd")
    assert inventory(tmp_path / "a.nrrd")[0].problems


@pytest.mark.parametrize("size", [1e5, 1e-9])
def test_voxels_of_no_patient_are_refused_in_nifti_and_dicom(tmp_path: Path, size: float) -> None:
    nib.save(nib.Nifti1Image(VOXELS, np.diag([size, size, size, 1.0])), tmp_path / "a.nii")
    with pytest.raises(InputError, match=r"a kilometre and more|has voxels of"):
        read_volume(tmp_path / "a.nii")
    write_series(tmp_path / "series", VOXELS, [(0, 0, 2.0 * k) for k in range(4)], PixelSpacing=[size, size])
    with pytest.raises(InputError, match=r"a kilometre and more|has voxels of"):
        read_volume(tmp_path / "series")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_compressed_signed_pixels_of_more_bits_than_stated_are_refused(tmp_path: Path, syntax: str, bits: int) -> None:
    write_series(tmp_path, VOXELS, [(0, 0, 2.0 * k) for k in range(4)])
    for n, path in enumerate(sorted(tmp_path.iterdir())):
        image = dcmread(path)
        image.compress(syntax)
        image.BitsStored = bits if n == 2 else 16
        image.save_as(path)
    with pytest.raises(InputError, match=r"more than|bits"):
        read_volume(tmp_path)


def test_bits_below_those_stored_are_not_thrown_away(tmp_path: Path) -> None:
    """Bits Stored 2 and High Bit 15 in every slice: all but two bits of each value would be gone."""
    write_series(tmp_path, VOXELS, [(0, 0, 2.0 * k) for k in range(4)], BitsStored=2, HighBit=15)
    with pytest.raises(InputError, match="contradicts itself"):
        read_volume(tmp_path)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_slice_under_a_study_or_series_of_its_own_is_named(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path, VOXELS, [(0, 0, 2.0 * k) for k in range(4)])
    path = max(tmp_path.iterdir())
    image = dcmread(path)
    setattr(image, keyword, generate_uid())
    image.save_as(path)
    volume = read_volume(tmp_path)
    assert volume.shape[1] == 3
    assert any("left out" in note for note in notes_of(volume.meta))


@pytest.mark.parametrize("stated", ["not", "no syntax", "the other one"])
@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_pixels_are_where_the_elements_end_whatever_a_file_states(
    tmp_path: Path, stated: str, implicit: bool, little: bool
) -> None:
    """Without meta information explicit elements were taken for implicit ones: every pixel two places off."""
    write_series(tmp_path / "as_it_was", VOXELS, [(0, 0, 2.0 * k) for k in range(4)])
    (tmp_path / "changed").mkdir()
    for path in (tmp_path / "as_it_was").iterdir():
        image = dcmread(path)
        if not little:
            image.PixelData = image.pixel_array.astype(">i2").tobytes()
        plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        image.file_meta.TransferSyntaxUID = plain if little else ExplicitVRBigEndian
        stream = io.BytesIO()
        dcmwrite(stream, image, implicit_vr=implicit, little_endian=little, force_encoding=True)
        (tmp_path / "changed" / path.name).write_bytes(restated(stream.getvalue(), stated, implicit=implicit))
    if stated == "the other one" and not little:
        with pytest.raises(InputError):
            read_volume(tmp_path / "changed")
        return
    assert np.array_equal(read_volume(tmp_path / "changed").numpy(), read_volume(tmp_path / "as_it_was").numpy())


def restated(raw: bytes, stated: str, *, implicit: bool) -> bytes:
    """A file without preamble and meta information, without its transfer syntax, or with one that is not true."""
    length = struct.unpack("<I", raw[140:144])[0]
    meta, body = bytearray(raw[144 : 144 + length]), raw[144 + length :]
    if stated == "not":
        return body
    place = meta.index(struct.pack("<HH", 2, 16))
    size = struct.unpack("<H", meta[place + 6 : place + 8])[0]
    if stated == "no syntax":
        del meta[place : place + 8 + size]
    else:
        uid = (ExplicitVRLittleEndian if implicit else ImplicitVRLittleEndian).encode()
        uid += b"\0" * (len(uid) % 2)
        meta[place + 6 : place + 8 + size] = struct.pack("<H", len(uid)) + uid
    return raw[:140] + struct.pack("<I", len(meta)) + bytes(meta) + body


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("stated", ["not", "no syntax", "the other one"])
def test_compressed_pixels_of_which_a_file_does_not_say_how_are_not_taken_as_they_are(
    tmp_path: Path, syntax: str, stated: str
) -> None:
    write_series(tmp_path, VOXELS, [(0, 0, 2.0 * k) for k in range(4)])
    for n, path in enumerate(sorted(tmp_path.iterdir())):
        image = dcmread(path)
        image.compress(syntax)
        image.save_as(path)
        if n == 2:
            path.write_bytes(restated(path.read_bytes(), stated, implicit=True))
    with pytest.raises(InputError, match="does not say how"):
        read_volume(tmp_path)
