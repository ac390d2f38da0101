"""Synthetic series whose right answer is known by construction: values, order, grouping, refusals, privacy."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from synthetic_dicom import AXIAL, write_series

from monai_unet.errors import InputError
from monai_unet.geometry.grid import from_working_frame
from monai_unet.io import find_series, read_series, read_volume


def ramp(slices: int = 5, dtype: type = np.int16) -> np.ndarray:
    return np.arange(slices * 4 * 6).reshape(slices, 4, 6).astype(dtype)


def along_z(slices: int = 5, gap: float = 2.0) -> list[tuple[float, float, float]]:
    return [(10.0, 20.0, 30.0 + gap * k) for k in range(slices)]


def as_stored(volume, folder: Path, series: str | None = None) -> np.ndarray:
    """Voxels (slice, row, column) in the order of the series."""
    found = [s for s in find_series(folder) if series in (None, s.id)]
    return from_working_frame(volume[0].numpy(), found[0].grid).transpose(2, 1, 0)


def test_axial_volume_lies_at_the_place_of_the_standards_formula(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z(), PixelSpacing=(0.5, 0.8))
    series = find_series(tmp_path)[0]
    # PS3.3 C.7.6.2.1.1: LPS = position + column index · column spacing · row cosine + row index · row spacing · ...
    np.testing.assert_allclose(series.grid.affine @ [3, 2, 1, 1], [-(10 + 3 * 0.8), -(20 + 2 * 0.5), 32, 1])
    assert (series.grid.orientation, series.plane, series.frames) == ("LPS", "axial", 5)
    volume = read_series(tmp_path)
    assert volume.shape == (1, 5, 4, 6)
    # working frame: the last voxel of each axis is the most superior, anterior and right one
    assert volume[0, -1, -1, -1] == ramp()[-1, 0, 0]
    np.testing.assert_allclose(np.asarray(volume.affine) @ np.array([4.0, 3, 5, 1]), [-10, -20, 38, 1])


def test_order_comes_from_position_and_never_from_instance_numbers_or_names(tmp_path: Path) -> None:
    order = [3, 0, 4, 1, 2]
    write_series(
        tmp_path,
        ramp()[order],
        [along_z()[k] for k in order],
        per_slice=[{"InstanceNumber": n} for n in (9, 2, 7, 1, 4)],
        names=["e", "b", "d", "a.IMA", "c.dcm"],
    )
    np.testing.assert_array_equal(as_stored(read_series(tmp_path), tmp_path), ramp())


def test_slope_and_intercept_are_those_of_each_slice(tmp_path: Path) -> None:
    scaling = [{"RescaleSlope": 1 + k, "RescaleIntercept": -10 * k} for k in range(5)]
    write_series(tmp_path, ramp(), along_z(), per_slice=scaling)
    expected = ramp() * (1.0 + np.arange(5))[:, None, None] - 10.0 * np.arange(5)[:, None, None]
    np.testing.assert_array_equal(as_stored(read_series(tmp_path), tmp_path), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_every_stored_type_comes_out_unchanged(tmp_path: Path, dtype: type) -> None:
    info = np.iinfo(dtype)
    voxels = np.linspace(max(info.min, -(2**24)), min(info.max, 2**24), 120).reshape(5, 4, 6).astype(dtype)
    write_series(tmp_path, voxels, along_z())
    np.testing.assert_array_equal(as_stored(read_series(tmp_path), tmp_path), voxels)


def test_twelve_bit_signed_values_without_sign_extension_are_negative(tmp_path: Path) -> None:
    """PS3.5 8.1.1: bits above High Bit are not part of the value."""
    voxels = ramp() - 60
    stored = (voxels.astype(np.uint16) & 0x0FFF).astype(np.uint16)
    write_series(tmp_path, stored, along_z(), BitsStored=12, HighBit=11, PixelRepresentation=1)
    np.testing.assert_array_equal(as_stored(read_series(tmp_path), tmp_path), voxels)


def test_padding_of_a_ct_becomes_air_and_is_noted(tmp_path: Path) -> None:
    voxels = ramp()
    voxels[:, 0, 0] = -2000
    write_series(
        tmp_path, voxels, along_z(), Modality="CT", PixelPaddingValue=-2000, RescaleIntercept=-1024, RescaleSlope=1
    )
    volume = read_series(tmp_path)
    assert float(volume.min()) == -1024
    assert "padding" in " ".join(volume.meta["notes"])


def test_padding_that_is_a_normal_value_stays(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z(), Modality="MR", PixelPaddingValue=0)
    np.testing.assert_array_equal(as_stored(read_series(tmp_path), tmp_path), ramp())


def test_monochrome1_keeps_its_values_and_says_so(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z(), PhotometricInterpretation="MONOCHROME1")
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(as_stored(volume, tmp_path), ramp())
    assert "MONOCHROME1" in " ".join(volume.meta["notes"])


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
    ids=lambda uid: uid.name,
)
def test_transfer_syntaxes_give_the_same_voxels(tmp_path: Path, syntax: str) -> None:
    # the encoders want more than a few pixels
    voxels = ramp(5, np.uint16).repeat(16, axis=1).repeat(16, axis=2)
    for n, dataset in enumerate(write_series(tmp_path / "plain", voxels, along_z())):
        if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
            dataset.compress(syntax)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
            dataset = Dataset(dataset)
            dataset.ensure_file_meta()
        dataset.file_meta.TransferSyntaxUID = syntax
        (tmp_path / "other").mkdir(exist_ok=True)
        dataset.save_as(tmp_path / "other" / f"{n}.dcm", enforce_file_format=True)
    volume = read_series(tmp_path / "other")
    np.testing.assert_array_equal(as_stored(volume, tmp_path / "other"), voxels)


def test_two_series_in_a_folder_are_listed_and_never_merged(tmp_path: Path) -> None:
    uids = [generate_uid(), generate_uid()]
    for n, uid in enumerate(uids):
        names = [f"{n}-{k}" for k in range(5)]
        write_series(tmp_path, ramp() + n, along_z(), series_uid=uid, names=names, SeriesDescription=f"number {n}")
    with pytest.raises(InputError, match="several volumes") as caught:
        read_volume(tmp_path)
    assert all(uid in str(caught.value) for uid in uids)
    assert "number 1" in str(caught.value)
    np.testing.assert_array_equal(as_stored(read_volume(tmp_path, series=uids[1]), tmp_path, uids[1]), ramp() + 1)
    with pytest.raises(InputError, match="holds no series"):
        read_volume(tmp_path, series="1.2.3")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("EchoTime", (10.0, 20.0, 30.0)),
        ("DiffusionBValue", (0.0, 500.0, 1000.0)),
        ("TemporalPositionIdentifier", (1, 2, 3)),
        ("AcquisitionNumber", (1, 2, 3)),
    ],
)
def test_images_at_one_place_are_parted_by_what_differs(tmp_path: Path, name: str, values: tuple[float, ...]) -> None:
    uid = generate_uid()
    for n, value in enumerate(values):
        names = [f"{n}-{k}" for k in range(5)]
        write_series(tmp_path, ramp() + 1000 * n, along_z(), series_uid=uid, names=names, **{name: value})
    found = find_series(tmp_path)
    assert [series.frames for series in found] == [5, 5, 5]
    for n, series in enumerate(found):
        np.testing.assert_array_equal(
            as_stored(read_series(tmp_path, series=series.id), tmp_path, series.id), ramp() + 1000 * n
        )
    assert len({series.description for series in found}) == 3


def test_a_dynamic_series_is_parted_by_time_when_nothing_else_differs(tmp_path: Path) -> None:
    uid = generate_uid()
    for n in range(3):
        times = [{"AcquisitionTime": f"1200{10 * n + k:02}"} for k in range(5)]
        names = [f"{n}-{k}" for k in range(5)]
        write_series(tmp_path, ramp() + 1000 * n, along_z(), series_uid=uid, names=names, per_slice=times)
    found = find_series(tmp_path)
    assert [series.frames for series in found] == [5, 5, 5]
    volume = read_series(tmp_path, series=found[2].id)
    np.testing.assert_array_equal(as_stored(volume, tmp_path, found[2].id), ramp() + 2000)


def test_a_scout_of_another_direction_is_a_volume_of_its_own(tmp_path: Path) -> None:
    uid = generate_uid()
    write_series(tmp_path, ramp(), along_z(), series_uid=uid)
    write_series(
        tmp_path, ramp(1), along_z(1), series_uid=uid, names=["scout"], ImageOrientationPatient=(1, 0, 0, 0, 0, -1)
    )
    assert sorted(series.frames for series in find_series(tmp_path)) == [1, 5]
    assert read_volume(tmp_path).shape == (1, 5, 4, 6)


def test_identical_copies_are_dropped_and_noted(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z())
    shutil.copy(tmp_path / "IM0002.dcm", tmp_path / "copy.dcm")
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(as_stored(volume, tmp_path), ramp())
    assert "identical" in " ".join(volume.meta["notes"])


def test_different_images_at_one_place_are_refused(tmp_path: Path) -> None:
    uid = generate_uid()
    write_series(tmp_path, ramp(), along_z(), series_uid=uid)
    write_series(tmp_path, ramp(1) + 7, [along_z()[2]], series_uid=uid, names=["other"])
    with pytest.raises(InputError, match=r"different images at one place, 1 times \(LPS mm \(10\.0, 20\.0, 34\.0\)\)"):
        read_series(tmp_path)


def test_missing_slices_are_named_by_place_and_interpolated_on_request(tmp_path: Path) -> None:
    keep = [0, 1, 3, 4]
    write_series(tmp_path, ramp()[keep], [along_z()[k] for k in keep])
    with pytest.raises(InputError, match=r"1 slice is missing between 2\.0 and 6\.0 mm"):
        read_volume(tmp_path)
    volume = read_volume(tmp_path, uneven="resample")
    # the ramp is linear along the slices, so interpolation restores it
    assert volume.shape == (1, 5, 4, 6)
    np.testing.assert_allclose(volume[0, :, -1, -1], ramp()[:, 0, 0], atol=1e-3)
    assert "interpolated to 5 slices" in " ".join(volume.meta["notes"])


def test_uneven_spacing_is_refused_with_its_range(tmp_path: Path) -> None:
    places = [0.0, 2.0, 4.0, 6.7, 9.4]
    write_series(tmp_path, ramp(), [(0.0, 0.0, z) for z in places])
    with pytest.raises(InputError, match=r"unevenly spaced: 2\.00 to 2\.70 mm"):
        read_volume(tmp_path)


def test_slices_shifted_sideways_are_refused_even_when_resampling_is_asked(tmp_path: Path) -> None:
    positions = along_z()
    positions[2] = (15.0, 20.0, 34.0)
    write_series(tmp_path, ramp(), positions)
    with pytest.raises(InputError, match="shifted sideways by up to 5"):
        read_volume(tmp_path, uneven="resample")


def test_gantry_tilt_keeps_the_sheared_affine_exactly(tmp_path: Path) -> None:
    positions = [(10.0, 20.0 + 1.5 * k, 30.0 + 5.0 * k) for k in range(5)]
    write_series(tmp_path, ramp(), positions, Modality="CT")
    series = find_series(tmp_path)[0]
    assert series.tilt == pytest.approx(np.degrees(np.arctan2(1.5, 5.0)))
    for k, (x, y, z) in enumerate(positions):
        np.testing.assert_allclose(series.grid.affine @ [0, 0, k, 1], [-x, -y, z, 1])
    assert "tilt" in " ".join(read_series(tmp_path).meta["notes"])


@pytest.mark.parametrize("sign", [-1, 1])
def test_tilt_resampled_puts_every_value_where_it_was(tmp_path: Path, sign: int) -> None:
    """Voxel values are a linear function of the place in the patient, before and after."""
    positions = [(0.0, sign * 1.5 * k, 5.0 * k) for k in range(5)]
    rows, columns = np.mgrid[:12, :6]
    voxels = np.stack([100 + 10 * (rows + p[1]) + columns + 2 * p[2] for p in positions]).astype(np.int16)
    write_series(tmp_path, voxels, positions, Modality="CT", RescaleSlope=1, RescaleIntercept=0)
    volume = read_series(tmp_path, tilt="resample")
    affine = np.asarray(volume.affine)
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    np.testing.assert_allclose(unit.T @ unit, np.eye(3), atol=1e-12)
    index = np.stack(np.meshgrid(*map(np.arange, volume.shape[1:]), indexing="ij"), axis=-1)
    place = index @ affine[:3, :3].T + affine[:3, 3]
    x, y, z = -place[..., 0], -place[..., 1], place[..., 2]
    expected = 100 + 10 * y + x + 2 * z
    k = z / 5.0
    measured = (y >= sign * 1.5 * k - 1e-6) & (y <= sign * 1.5 * k + 11 + 1e-6)
    assert measured.sum() > 0.8 * voxels.size
    np.testing.assert_allclose(volume[0].numpy()[measured], expected[measured], atol=1.01)


def test_zip_folder_file_and_dicomdir_hold_the_same_volume(tmp_path: Path) -> None:
    write_series(
        tmp_path / "in", ramp(), along_z(), StudyDate="20200101", StudyTime="120000", StudyID="1", SeriesNumber=1
    )
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in (tmp_path / "in").iterdir():
            archive.write(file, f"deep/{file.name}")
    disc = FileSet()
    for file in sorted((tmp_path / "in").iterdir()):
        disc.add(file)
    disc.write(tmp_path / "disc")
    reference = read_volume(tmp_path / "in")
    for path in (tmp_path / "study.zip", tmp_path / "disc" / "DICOMDIR", tmp_path / "disc"):
        volume = read_volume(path)
        np.testing.assert_array_equal(volume.numpy(), reference.numpy())
        np.testing.assert_allclose(volume.affine, reference.affine)
    series = find_series(tmp_path / "study.zip")[0]
    assert [header.InstanceNumber for header in series.headers()] == [1, 2, 3, 4, 5]
    assert not [p for p in tmp_path.rglob("*") if p.name == "deep"], "nothing is unpacked to disk"
    (tmp_path / "disc" / "DICOMDIR").rename(tmp_path / "DICOMDIR")
    with pytest.raises(InputError, match="names 5 files that are not there"):
        find_series(tmp_path / "DICOMDIR")


def test_a_damaged_file_beside_a_series_is_not_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z())
    whole = (tmp_path / "IM0004.dcm").read_bytes()
    for length in range(132, len(whole), 7):
        (tmp_path / "IM0004.dcm").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"damaged DICOM file|cut short|no pixel data"):
            read_volume(tmp_path)


def test_a_file_cut_short_in_its_pixels_is_named(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z())
    whole = (tmp_path / "IM0001.dcm").read_bytes()
    (tmp_path / "IM0001.dcm").write_bytes(whole[:-9])
    with pytest.raises(InputError, match="cut short"):
        read_volume(tmp_path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"ImageOrientationPatient": (1, 0, 0, 0.5, 0.8, 0)}, "not two perpendicular unit vectors"),
        ({"PixelSpacing": (0.0, 1.0)}, "Pixel Spacing of 0 × 1 mm"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic"),
        ({"NumberOfFrames": 3}, "multi-frame file without the place"),
        ({"BitsAllocated": 64}, "64 bits per pixel"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour image"),
        ({"TransferSyntaxUID": MPEG2MPML, "PixelData": encapsulate([b"\0" * 48])}, "transfer syntax"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, elements: dict, message: str) -> None:
    write_series(tmp_path, ramp(), along_z(), **elements)
    with pytest.raises(InputError, match=message):
        read_volume(tmp_path)


def test_oblique_axial_rounding_of_positions_is_tolerated(tmp_path: Path) -> None:
    """Scanners write positions with few digits; half a tenth of a millimetre is not an uneven spacing."""
    positions = [(0.0, 0.0, round(0.625 * k, 1)) for k in range(9)]
    write_series(tmp_path, ramp(9), positions)
    assert not find_series(tmp_path)[0].problems


def test_identity_reaches_neither_metadata_nor_listing(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), along_z(), ImageOrientationPatient=AXIAL)
    series = find_series(tmp_path)[0]
    shown = repr(series) + str(series) + repr(read_volume(tmp_path).meta)
    assert not any(secret in shown for secret in ("Doe", "Jane", "4711", "19500101"))
    assert series.headers()[0].PatientID == "SECRET-4711"


def test_metadata_can_be_collated(tmp_path: Path) -> None:
    from monai.data import list_data_collate

    write_series(tmp_path, ramp(), along_z())
    batch = list_data_collate([{"image": read_volume(tmp_path)}, {"image": read_volume(tmp_path)}])
    assert batch["image"].shape == (2, 1, 5, 4, 6)
