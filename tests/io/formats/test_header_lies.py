"""Volume files whose header says what the file does not hold, or what nobody can understand."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from monai_unet.errors import InputError
from monai_unet.io import notes_of, read_grid, read_label_table, read_volume

AFFINE = np.diag([-2.0, 3.0, 4.0, 1.0])
VOXELS = np.arange(8 * 6 * 5, dtype=np.int16).reshape(8, 6, 5)


def nifti(path: Path, change: Callable[[bytearray], None], kind: type = nib.Nifti1Image) -> Path:
    image = kind(VOXELS, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE, 1)
    plain = path.with_name("plain.nii")
    nib.save(image, plain)
    raw = bytearray(plain.read_bytes())
    change(raw)
    path.write_bytes(gzip.compress(bytes(raw)) if path.suffix == ".gz" else bytes(raw))
    return path


def put(place: int, layout: str, *values: float) -> Callable[[bytearray], None]:
    def change(raw: bytearray) -> None:
        raw[place : place + struct.calcsize(layout)] = struct.pack(layout, *values)

    return change


def put_all(*changes: Callable[[bytearray], None]) -> Callable[[bytearray], None]:
    def change(raw: bytearray) -> None:
        for one in changes:
            one(raw)

    return change


@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put(108, "<f", 100), "vox_offset"),
        (put(108, "<f", 16), "vox_offset"),
        (put(108, "<f", 348), "vox_offset"),
        (put(108, "<f", 351.9), "vox_offset"),
        (put(108, "<f", 352.5), "vox_offset"),
        (put(108, "<f", 0), "vox_offset"),
        (put(108, "<f", -352), "vox_offset"),
        (put(108, "<f", float("inf")), "vox_offset"),
        (put(108, "<f", float("nan")), "vox_offset"),
        (put(108, "<f", 1e30), "vox_offset"),
        (put(108, "<f", 400), "cut short"),
        (put(123, "<B", 0x47), "unknown unit"),
        (put(123, "<B", 7), "unknown unit"),
        (put(123, "<B", 4), "unknown unit"),
        (put(70, "<h", 7), "unknown type"),
        (put(70, "<h", 260), "unknown type"),
        (put(70, "<h", 1), "one bit per voxel"),
        (put(72, "<h", 8), "bits per voxel"),
        (put(70, "<h", 2), "bits per voxel"),
        (put_all(put(70, "<h", 2), put(72, "<h", 8)), "bytes lie behind"),
        (put_all(put(70, "<h", 16), put(72, "<h", 32)), "cut short"),
        (put(46, "<h", 4), "bytes lie behind"),
        (put(42, "<h", 7), "bytes lie behind"),
        (put(42, "<h", 9), "cut short"),
        (put(112, "<f", float("inf")), "slope of inf"),
        (put(112, "<ff", float("nan"), 5), "slope of nan"),
        (put(112, "<ff", 1, float("nan")), "intercept of nan"),
        (put(112, "<ff", 2, float("inf")), "intercept of inf"),
        (put(112, "<ff", 1e38, 0), "beyond what voxels can hold"),
        (put(80, "<f", float("nan")), "pixdim"),
        (put(40, "<h", 9), "."),
        (lambda raw: raw.extend(bytes(500)), "bytes lie behind"),
    ],
)
def test_nifti_that_contradicts_itself_is_refused(
    tmp_path: Path, name: str, change: Callable[[bytearray], None], reason: str
) -> None:
    path = nifti(tmp_path / name, change)
    with pytest.raises(InputError, match=reason) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("length", [0, 3, 200, 347, 349, 400, 539, 543])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_nifti_cut_short_anywhere_is_one_sentence_with_its_name(tmp_path: Path, length: int, kind: type) -> None:
    path = nifti(tmp_path / "in.nii", lambda raw: raw.__delitem__(slice(length, None)), kind)
    # a header without voxels still has its label table
    for read in (read_volume, read_grid, read_label_table)[: 2 if length > 348 else 3]:
        with pytest.raises(InputError, match=r"in\.nii"):
            read(path)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (put(112, "<ff", float("nan"), float("nan")), "the scaling is not a number"),
        (put(112, "<ff", 0, 7), "a slope of 0 means no scaling"),
        (lambda raw: raw.extend(bytes(8)), None),
    ],
)
def test_what_is_taken_instead_is_said(tmp_path: Path, change: Callable[[bytearray], None], note: str | None) -> None:
    volume = read_volume(nifti(tmp_path / "in.nii.gz", change))
    np.testing.assert_array_equal(np.sort(volume.numpy().ravel()), np.arange(VOXELS.size))
    assert note is None or any(note in sentence for sentence in notes_of(volume.meta))


def test_qfac_of_zero_counts_as_one(tmp_path: Path) -> None:
    # NIfTI-1: "if pixdim[0] is 0, use 1"
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    image = nib.Nifti1Image(VOXELS, affine)
    image.set_sform(affine, 0)
    image.set_qform(affine, 1)
    nib.save(image, tmp_path / "in.nii")
    raw = bytearray((tmp_path / "in.nii").read_bytes())
    put(76, "<f", 0)(raw)
    (tmp_path / "in.nii").write_bytes(raw)
    np.testing.assert_allclose(read_volume(tmp_path / "in.nii").meta["original_affine"], affine)


def itk(path: Path, change: Callable[[str], str] = str, *, compressed: bool = False, data: bytes | None = None) -> Path:
    image = sitk.GetImageFromArray(VOXELS.T)
    image.SetSpacing((2.0, 3.0, 4.0))
    sitk.WriteImage(image, str(path), useCompression=compressed)
    raw = path.read_bytes()
    marker = b"\n\n" if path.suffix == ".nrrd" else b"ElementDataFile = LOCAL\n"
    end = raw.index(marker) + len(marker)
    path.write_bytes(change(raw[:end].decode()).encode("latin-1") + (raw[end:] if data is None else data))
    return path


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, text
        return text.replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (swap("space directions: (2,0,0)", "space directions: none"), r"three vectors|cannot be read"),
        (swap("(2,0,0)", "(nan,0,0)"), "."),
        (swap("(2,0,0)", "(two,0,0)"), "."),
        (swap("space: left-posterior-superior", "space: scanner-xyz"), "no space of the patient"),
        (swap("space: left-posterior-superior", "space dimension: 3"), "no space of the patient"),
        (swap("\n\n", '\nspace units: "cm" "cm" "cm"\n\n'), "not in mm"),
        (swap("space origin: (0,0,0)", "space origin: (0,0,x)"), "."),
        (swap("sizes: 8 6 5", "sizes: 8 6 4"), "holds more than"),
        (swap("sizes: 8 6 5", "sizes: 8 6 6"), "cut short"),
        (swap("type: short", "type: unsigned char"), "holds more than"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "gzip"])
def test_nrrd_that_is_not_understood_is_refused(
    tmp_path: Path, change: Callable[[str], str], reason: str, compressed: bool
) -> None:
    path = itk(tmp_path / "in.nrrd", change, compressed=compressed)
    with pytest.raises(InputError, match=reason) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (swap("ElementSpacing = 2 3 4\n", ""), "no voxel size"),
        (swap("ElementSpacing = 2 3 4", "ElementSpacing = 2 nan 4"), "."),
        (swap("ElementSpacing = 2 3 4", "ElementSpacing = 2 3"), "."),
        (swap("ElementSpacing = 2 3 4", "ElementSpacing = 2 0 4"), "."),
        (swap("TransformMatrix = 1 0 0 0 1 0 0 0 1\n", ""), "no orientation"),
        (swap("TransformMatrix = 1 0 0", "TransformMatrix = 0 0 0"), "."),
        (swap("TransformMatrix = 1 0 0", "TransformMatrix = x 0 0"), "."),
        (swap("DimSize = 8 6 5", "DimSize = 8 6 4"), "holds more than"),
        (swap("DimSize = 8 6 5", "DimSize = 8 6 6"), "cut short"),
        (swap("DimSize", "ElementToIntensityFunctionSlope = 2\nDimSize"), "scales its values"),
        (swap("DimSize", "DistanceUnits = um\nDimSize"), "not in mm"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["raw", "zlib"])
def test_metaimage_that_is_not_understood_is_refused(
    tmp_path: Path, change: Callable[[str], str], reason: str, compressed: bool
) -> None:
    path = itk(tmp_path / "in.mha", change, compressed=compressed)
    with pytest.raises(InputError, match=reason) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("name", ["in.nrrd", "in.mha"])
@pytest.mark.parametrize("compressed", [False, True])
def test_whole_files_are_read_as_before(tmp_path: Path, name: str, compressed: bool) -> None:
    path = itk(tmp_path / name, compressed=compressed)
    volume = read_volume(path)
    np.testing.assert_array_equal(np.sort(volume.numpy().ravel()), np.arange(VOXELS.size))
    grid, notes = read_grid(path)
    np.testing.assert_array_equal(grid.affine, volume.meta["original_affine"])
    assert (grid.shape, notes) == (VOXELS.shape, ())


def test_key_that_is_no_utf8_is_no_crash(tmp_path: Path) -> None:
    path = itk(tmp_path / "in.mha", swap("DimSize", "B\xe4d = \xfc\nDimSize"))
    for read in (read_volume, read_label_table):
        try:
            read(path)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "sub/secret.raw"])
def test_detached_data_lie_beside_their_header(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "sub" / "sub").mkdir(parents=True)
    (tmp_path / "sub" / "sub" / "secret.raw").write_bytes(VOXELS.tobytes())
    image = sitk.GetImageFromArray(VOXELS.T)
    for header in ("in.mhd", "in.nhdr"):
        path = tmp_path / "sub" / header
        sitk.WriteImage(image, str(path))
        text = path.read_text(encoding="latin-1")
        old = "in.raw" if "in.raw" in text else "in.raw.gz"
        read_volume(path)
        path.write_text(text.replace(old, name), encoding="latin-1")
        with pytest.raises(InputError, match="only a file beside it is read"):
            read_volume(path)
