"""The header guard: for each contradiction a stated choice or a refusal that names it."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.io import read_volume

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def image(array: np.ndarray | None = None, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
    made = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5) if array is None else array, affine)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    return made


def saved(made: nib.Nifti1Image, tmp_path: Path, name: str = "in.nii.gz") -> Path:
    nib.save(made, tmp_path / name)
    return tmp_path / name


def shifted(millimetres: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] = millimetres
    return affine


def test_sform_is_used_where_the_qform_lies_elsewhere_and_this_is_noted(tmp_path: Path) -> None:
    made = image()
    made.set_qform(shifted(83.0), 1)
    volume = read_volume(saved(made, tmp_path))
    assert "up to 83.0 mm apart, the sform is used" in " ".join(volume.meta["notes"])
    np.testing.assert_allclose(volume.meta["original_affine"], AFFINE)


def test_sform_and_qform_of_opposite_direction_are_refused(tmp_path: Path) -> None:
    made = image()
    made.set_qform(np.diag([-2.0, 3.0, 4.0, 1.0]), 1)
    with pytest.raises(InputError, match="by its sform its axes run RAS, by its qform LAS"):
        read_volume(saved(made, tmp_path))


def test_no_orientation_code_is_refused(tmp_path: Path) -> None:
    made = image()
    made.set_sform(AFFINE, 0)
    made.set_qform(AFFINE, 0)
    with pytest.raises(InputError, match="states no orientation"):
        read_volume(saved(made, tmp_path))


def test_pixdim_that_contradicts_the_affine_is_refused(tmp_path: Path) -> None:
    made = image()
    made.set_qform(AFFINE, 0)
    made.header["pixdim"][3] = 1.0
    with pytest.raises(InputError, match="voxels of 2×3×1 mm by its pixdim, 2×3×4 mm by its affine"):
        read_volume(saved(made, tmp_path))


SROW_Z, QFORM_CODE = slice(312, 328), slice(252, 254)


def with_bytes_zeroed(path: Path, *places: slice) -> Path:
    """nibabel writes no singular affine, so the header is altered on disk."""
    raw = bytearray(path.read_bytes())
    for place in places:
        raw[place] = bytes(place.stop - place.start)
    path.write_bytes(raw)
    return path


def test_singular_sform_gives_way_to_the_qform(tmp_path: Path) -> None:
    path = with_bytes_zeroed(saved(image(), tmp_path, "in.nii"), SROW_Z)
    assert np.linalg.det(nib.load(path).header.get_sform()) == 0
    volume = read_volume(path)
    assert "sform is singular" in " ".join(volume.meta["notes"])
    np.testing.assert_allclose(volume.meta["original_affine"], AFFINE)


def test_singular_affine_alone_is_refused(tmp_path: Path) -> None:
    path = with_bytes_zeroed(saved(image(), tmp_path, "in.nii"), SROW_Z, QFORM_CODE)
    with pytest.raises(InputError, match="singular"):
        read_volume(path)


def test_sheared_affine_is_kept_and_noted(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[1, 2] = 1.0
    made = image(affine=affine)
    made.set_qform(affine, 0)
    made.header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    volume = read_volume(saved(made, tmp_path))
    np.testing.assert_allclose(volume.meta["original_affine"], affine)
    assert "14.0 degrees off perpendicular" in " ".join(volume.meta["notes"])  # arctan(1 / 4)


def test_coordinates_in_micrometres_become_millimetres(tmp_path: Path) -> None:
    made = image(affine=np.diag([2000.0, 3000.0, 4000.0, 1.0]))
    made.header.set_xyzt_units("micron")
    volume = read_volume(saved(made, tmp_path))
    assert grid_of(volume).spacing == pytest.approx((4.0, 3.0, 2.0))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4, 5, 6), np.int16), "several volumes"),
        (np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "holds colours"),
        (np.zeros((3, 4, 5), np.complex64), "complex numbers"),
        (np.full((3, 4, 5), np.nan, np.float32), "no finite voxel"),
    ],
)
def test_what_is_not_one_grey_volume_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_volume(saved(image(array), tmp_path))


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path: Path) -> None:
    assert read_volume(saved(image(np.zeros((3, 4, 5, 1), np.int16)), tmp_path)).shape == (1, 5, 4, 3)


def test_nan_and_infinity_become_the_lowest_value_and_are_counted(tmp_path: Path) -> None:
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5) - 7
    array[0, 0, 0], array[1, 1, 1], array[2, 2, 2] = np.nan, np.inf, -np.inf
    volume = read_volume(saved(image(array), tmp_path))
    assert "3 voxels without a finite value were set to the lowest value, -6" in " ".join(volume.meta["notes"])
    assert bool(np.isfinite(volume.numpy()).all())
    assert float(volume.min()) == -6


def test_labels_beyond_float_precision_are_noted_and_exact_as_integers(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.int32)
    array[0, 0, 0] = 2**24 + 1
    path = saved(image(array), tmp_path)
    assert "values beyond 16777216 are rounded" in " ".join(read_volume(path).meta["notes"])
    assert int(read_volume(path, dtype=np.int32).max()) == 2**24 + 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, ">i2", ">f4"])
def test_voxels_are_those_of_nibabel_whatever_the_type(tmp_path: Path, dtype: str) -> None:
    made = image(np.arange(60).reshape(3, 4, 5).astype(dtype))
    made.header.set_slope_inter(2.5, -7)
    path = saved(made, tmp_path)
    expected = nib.load(path).get_fdata()
    np.testing.assert_allclose(read_volume(path)[0].numpy(), expected.T)


def test_content_decides_over_the_suffix(tmp_path: Path) -> None:
    path = saved(image(), tmp_path, "in.nii.gz")
    plain = tmp_path / "plain.nii.gz"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    np.testing.assert_array_equal(read_volume(plain).numpy(), read_volume(path).numpy())
    (tmp_path / "text.nii.gz").write_text("no volume at all")
    with pytest.raises(InputError, match="not a volume that can be read"):
        read_volume(tmp_path / "text.nii.gz")


@pytest.mark.parametrize("length", [0, 3, 100, 340, 360, 400])
def test_a_file_cut_short_is_named(tmp_path: Path, length: int) -> None:
    path = saved(image(), tmp_path, "in.nii")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"in\.nii"):
        read_volume(path)


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused_at_once(tmp_path: Path) -> None:
    path = saved(image(), tmp_path, "in.nii")
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(raw)
    with pytest.raises(InputError, match="cut short"):
        read_volume(path)


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    path = saved(image(), tmp_path)
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(InputError, match="damaged or cut short"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_itk_files_without_orientation_or_with_colours_are_refused(tmp_path: Path, suffix: str) -> None:
    colour = sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / f"colour{suffix}"))
    with pytest.raises(InputError, match="3 numbers per voxel"):
        read_volume(tmp_path / f"colour{suffix}")
    header = {
        ".nrrd": "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n\n",
        ".mha": "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
    }[suffix]
    (tmp_path / f"bare{suffix}").write_bytes(header.encode() + bytes(8))
    with pytest.raises(InputError, match="states no orientation"):
        read_volume(tmp_path / f"bare{suffix}")
