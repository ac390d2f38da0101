"""A small file that unpacks to a large one is refused before it does, and info reads no voxel."""

from __future__ import annotations

import gzip
import io
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless
from synthetic_dicom import write_series

from monai_unet.errors import InputError
from monai_unet.io import find_series, read_volume
from monai_unet.io.datasets import inventory
from monai_unet.io.limits import VARIABLE, named

MEBIBYTE = 1 << 20


@contextmanager
def little_memory(most: int = 150 * MEBIBYTE, seconds: float = 60.0) -> Iterator[None]:
    """Fails when the block took more: resident memory is looked at after it, time as well."""
    import threading

    process = psutil.Process()
    before, peak, done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread, start = threading.Thread(target=watch, daemon=True), time.perf_counter()
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert peak[0] - before < most
    assert time.perf_counter() - start < seconds


def zeros(archive: zipfile.ZipFile, name: str, size: int, head: bytes = b"") -> None:
    with archive.open(name, "w", force_zip64=True) as member:
        member.write(head)
        for _ in range(size // MEBIBYTE):
            member.write(bytes(MEBIBYTE))


def test_member_of_a_zip_that_is_no_dicom_is_not_unpacked(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", np.ones((3, 8, 8), np.int16), [(0, 0, 2.0 * k) for k in range(3)])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        zeros(archive, "movie.bin", 400 * MEBIBYTE)
        for file in (tmp_path / "ct").iterdir():
            archive.write(file, file.name)
    with little_memory():
        assert read_volume(tmp_path / "a.zip").shape == (1, 3, 8, 8)


def test_dicom_in_a_zip_is_unpacked_as_far_as_its_pixels(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", np.ones((2, 8, 8), np.int16), [(0, 0, 2.0 * k) for k in range(2)])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in (tmp_path / "ct").iterdir():
            zeros(archive, file.name, 300 * MEBIBYTE, file.read_bytes())
    with little_memory():
        assert read_volume(tmp_path / "a.zip").shape == (1, 2, 8, 8)


def test_deflated_dicom_that_unpacks_to_more_than_its_matrix_is_refused(tmp_path: Path) -> None:
    (dataset,) = write_series(tmp_path, np.ones((1, 8, 8), np.int16), [(0, 0, 0)])
    file = tmp_path / "IM0000.dcm"
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(file, enforce_file_format=True)
    assert read_volume(tmp_path).shape == (1, 1, 8, 8)
    raw = file.read_bytes()
    place = 132 + 12 + struct.unpack_from("<I", raw, 140)[0]
    plain = zlib.decompress(raw[place:], -zlib.MAX_WBITS)
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    packed = io.BytesIO()
    packed.write(raw[:place] + deflater.compress(plain))
    for _ in range(400):
        packed.write(deflater.compress(bytes(MEBIBYTE)))
    packed.write(deflater.flush())
    file.write_bytes(packed.getvalue())
    with little_memory(), pytest.raises(InputError, match="unpacks to more than it says to hold"):
        read_volume(tmp_path)


def test_fragments_without_end_are_refused_soon(tmp_path: Path) -> None:
    (dataset,) = write_series(tmp_path, np.ones((1, 64, 64), np.uint16), [(0, 0, 0)])
    dataset.compress(JPEG2000Lossless)
    dataset.PixelData = dataset.PixelData[:-8] + b"\xfe\xff\x00\xe0\0\0\0\0" * 1_000_000 + b"\xfe\xff\xdd\xe0\0\0\0\0"
    dataset.save_as(tmp_path / "IM0000.dcm", enforce_file_format=True)
    with little_memory(400 * MEBIBYTE, seconds=20), pytest.raises(InputError, match="pieces of compressed pixels"):
        read_volume(tmp_path)


def bomb_nifti(path: Path, side: int) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((side, side, side))
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(2 * side**3 // MEBIBYTE):
            stream.write(bytes(MEBIBYTE))


def bomb_nrrd(path: Path, side: int) -> None:
    text = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {side} {side} {side}\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\nencoding: gzip\n"
        "space origin: (0,0,0)\n\n"
    )
    with path.open("wb") as plain:
        plain.write(text.encode())
        with gzip.open(plain, "wb", compresslevel=1) as stream:
            for _ in range(2 * side**3 // MEBIBYTE):
                stream.write(bytes(MEBIBYTE))


@pytest.mark.parametrize(("make", "name"), [(bomb_nifti, "a.nii.gz"), (bomb_nrrd, "a.nrrd")])
def test_volume_beyond_the_limit_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, name: str
) -> None:
    make(tmp_path / name, 512)  # type: ignore[operator]
    monkeypatch.setenv(VARIABLE, "0.25")
    with little_memory(seconds=10), pytest.raises(InputError, match=f"may be used; .*{VARIABLE}"):
        read_volume(tmp_path / name)
    with little_memory(seconds=10):
        (entry,) = inventory(tmp_path / name)
    assert (entry.shape, entry.problems) == ((512, 512, 512), ())


def test_series_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, np.ones((4, 256, 256), np.int16), [(0, 0, 2.0 * k) for k in range(4)])
    monkeypatch.setenv(VARIABLE, "0.0005")
    with pytest.raises(InputError, match=VARIABLE):
        read_volume(tmp_path)
    assert not find_series(tmp_path)[0].problems
    monkeypatch.setenv(VARIABLE, "1")
    assert read_volume(tmp_path).shape == (1, 4, 256, 256)
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(InputError, match=f"{VARIABLE}=much is not a number"):
        read_volume(tmp_path)


@pytest.mark.parametrize(
    "error",
    [KeyError(np.uint8(7)), OverflowError("x"), RecursionError(), MemoryError(), IndexError("i"), TypeError("t"),
     struct.error("s"), zlib.error("z"), PermissionError(13, "Permission denied"), InputError("too odd.")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_reader_raises_is_one_sentence_with_the_name(error: Exception) -> None:
    with pytest.raises(InputError) as refusal, named("/data/brain.nii"):
        raise error
    sentence = str(refusal.value)
    assert "/data/brain.nii" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_one_bad_file_does_not_stop_the_list(tmp_path: Path) -> None:
    good = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4))
    nib.save(good, tmp_path / "good.nii")
    raw = bytearray((tmp_path / "good.nii").read_bytes())
    raw[123] = 7
    (tmp_path / "bad.nii").write_bytes(raw)
    (tmp_path / "empty.nii").write_bytes(b"")
    (tmp_path / "bad.zip").write_bytes(b"PK\5\6" + bytes(18))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(tmp_path / "good.mha"))
    entries = {Path(entry.path).name: entry for entry in inventory(tmp_path)}
    assert not entries["good.nii"].problems
    assert not entries["good.mha"].problems
    for name in ("bad.nii", "empty.nii", "bad.zip"):
        assert name in entries[name].problems[0]


def test_damaged_names_in_a_zip_are_one_sentence(tmp_path: Path) -> None:
    (dataset,) = write_series(tmp_path / "ct", np.ones((1, 8, 8), np.int16), [(0, 0, 0)])
    assert isinstance(dataset, pydicom.Dataset)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "ct" / "IM0000.dcm", "IM0000.dcm")
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    directory = raw.rindex(b"PK\1\2")
    for _ in range(150):
        damaged = bytearray(raw)
        for place in rng.integers(directory, len(raw), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_volume(path)
        except InputError as error:
            assert "a.zip" in str(error)  # noqa: PT017
