"""What is written lies on the voxels it came from: all 48 orientations, oblique, sheared, in every format."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of, source_grid
from monai_unet.io import LabelEntry, read_label_table, read_volume, write_label_map, write_volume

SHAPE = (3, 4, 5)
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def all_orientations() -> list[np.ndarray]:
    """The 48 ways in which three axes can lie along R, A and S."""
    found = []
    for order in permutations(range(3)):
        for signs in product((-1, 1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = np.eye(3)[:, order] * signs * (0.7, 1.3, 2.9)
            affine[:3, 3] = (-11.0, 22.5, -33.25)
            found.append(affine)
    return found


def oblique(sheared: bool) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (17, -25, 48), degrees=True).as_matrix() * (0.7, 1.3, 2.9)
    affine[:3, 3] = (-11.0, 22.5, -33.25)
    if sheared:
        affine[:3, 2] += 0.3 * affine[:3, 1]
    return affine


def voxels(dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)


def save(path: Path, affine: np.ndarray) -> Path:
    """By nibabel or SimpleITK, not by us."""
    if path.name.endswith((".nii", ".nii.gz")):
        image = nib.Nifti1Image(voxels(), affine)
        image.set_sform(affine, 1)
        image.set_qform(affine, 0 if _is_sheared(affine) else 1)
        nib.save(image, path)
        return path
    image = sitk.GetImageFromArray(voxels().T)
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((lps[:3, :3] / spacing).ravel())
    image.SetOrigin(lps[:3, 3])
    sitk.WriteImage(image, str(path))
    return path


def _is_sheared(affine: np.ndarray) -> bool:
    gram = affine[:3, :3].T @ affine[:3, :3]
    return bool(np.abs(gram - np.diag(np.diag(gram))).max() > 1e-6)


def loaded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and RAS affine by nibabel or SimpleITK."""
    if path.name.endswith((".nii", ".nii.gz")):
        image = nib.load(path)
        return np.asanyarray(image.dataobj), image.affine
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_48_orientations_come_back_voxel_exact(tmp_path: Path, suffix: str) -> None:
    for n, affine in enumerate(all_orientations()):
        source, target = save(tmp_path / f"{n}{suffix}", affine), tmp_path / f"out{n}{suffix}"
        volume = read_volume(source)
        assert grid_of(volume).orientation == "SAR"
        write_label_map(volume[0].numpy(), target, like=volume.meta)
        array, back = loaded(target)
        np.testing.assert_array_equal(array, voxels())
        np.testing.assert_allclose(back, affine, atol=1e-5)
        assert array.dtype == np.uint8


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("sheared", [False, True])
def test_oblique_and_sheared_affines_come_back_voxel_exact(tmp_path: Path, suffix: str, sheared: bool) -> None:
    affine = oblique(sheared)
    source, target = save(tmp_path / f"in{suffix}", affine), tmp_path / f"out{suffix}"
    volume = read_volume(source)
    np.testing.assert_allclose(source_grid(volume.meta).affine, affine, atol=1e-5)
    # a voxel's place is the same whichever way the axes run
    working = np.asarray(volume.affine) @ [*np.argwhere(volume[0].numpy() == 37)[0], 1]
    np.testing.assert_allclose(working, affine @ [*np.argwhere(voxels() == 37)[0], 1], atol=1e-4)
    write_volume(volume, target)
    array, back = loaded(target)
    np.testing.assert_array_equal(array, voxels())
    np.testing.assert_allclose(back, affine, atol=1e-5)


@pytest.mark.parametrize(("sform_code", "qform_code"), [(1, 1), (2, 0), (0, 1), (4, 1), (1, 3)])
def test_nifti_codes_and_affine_are_kept_bit_for_bit(tmp_path: Path, sform_code: int, qform_code: int) -> None:
    image = nib.Nifti1Image(voxels(), None)
    image.set_sform(oblique(False), sform_code)
    image.set_qform(oblique(False), qform_code)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "in.nii.gz")
    volume = read_volume(tmp_path / "in.nii.gz")
    write_label_map(volume[0].numpy(), tmp_path / "out.nii.gz", like=volume.meta)
    before, after = nib.load(tmp_path / "in.nii.gz").header, nib.load(tmp_path / "out.nii.gz").header
    for name in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d"):
        np.testing.assert_array_equal(after[name], before[name])
    np.testing.assert_array_equal(after["pixdim"][:4], before["pixdim"][:4])
    assert after.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(("highest", "dtype"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (70000, np.uint32)])
def test_labels_are_the_smallest_integer_type(tmp_path: Path, highest: int, dtype: type) -> None:
    volume = read_volume(save(tmp_path / "in.nii", oblique(False)))
    labels = np.zeros(volume.shape[1:], np.int64)
    labels[0, 0, 0] = highest
    write_label_map(labels, tmp_path / "out.nii.gz", like=volume.meta)
    assert nib.load(tmp_path / "out.nii.gz").get_data_dtype() == dtype
    assert int(read_volume(tmp_path / "out.nii.gz", dtype=np.int64).max()) == highest


def test_what_is_no_label_map_is_refused(tmp_path: Path) -> None:
    volume = read_volume(save(tmp_path / "in.nii", oblique(False)))
    with pytest.raises(InputError, match="not whole numbers"):
        write_label_map(volume[0].numpy() + 0.5, tmp_path / "out.nii.gz", like=volume.meta)
    with pytest.raises(InputError, match="lowest value is -1"):
        write_label_map(volume[0].numpy() - 1, tmp_path / "out.nii.gz", like=volume.meta)
    with pytest.raises(InputError, match="no volume format"):
        write_label_map(volume[0].numpy(), tmp_path / "out.bmp", like=volume.meta)
    with pytest.raises(InputError, match="would be a picture"):
        write_label_map(volume[0].numpy(), tmp_path / "out.png", like=volume.meta)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".seg.nrrd"])
def test_label_names_and_colours_come_back(tmp_path: Path, suffix: str) -> None:
    table = {1: LabelEntry("left <kidney> & ureter", (220, 20, 60)), 12: LabelEntry("Größe", (0, 128, 255))}
    volume = read_volume(save(tmp_path / "in.nii", oblique(False)))
    write_label_map(volume[0].numpy(), tmp_path / f"out{suffix}", like=volume.meta, table=table)
    assert read_label_table(tmp_path / f"out{suffix}") == table
    np.testing.assert_array_equal(loaded(tmp_path / f"out{suffix}")[0], voxels())


def test_label_names_follow_the_form_that_totalsegmentator_and_workbench_read(tmp_path: Path) -> None:
    volume = read_volume(save(tmp_path / "in.nii", oblique(False)))
    write_label_map(
        volume[0].numpy(), tmp_path / "o.nii.gz", like=volume.meta, table={1: LabelEntry("liver", (255, 0, 0))}
    )
    (extension,) = nib.load(tmp_path / "o.nii.gz").header.extensions
    text = extension.content.decode()
    assert extension.get_code() == 30
    assert '<Label Key="1" Red="1.0000" Green="0.0000" Blue="0.0000" Alpha="1">liver</Label>' in text


def test_labels_of_a_dicom_series_lie_on_its_grid(tmp_path: Path) -> None:
    from synthetic_dicom import write_series

    positions = [(1.0 * k, 2.0, 5.0 * k) for k in range(4)]
    write_series(tmp_path / "in", np.arange(80, dtype=np.int16).reshape(4, 4, 5), positions)
    volume = read_volume(tmp_path / "in")
    write_label_map(volume[0].numpy(), tmp_path / "out.nii.gz", like=volume.meta)
    array, affine = loaded(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(array, np.arange(80).reshape(4, 4, 5).transpose(2, 1, 0))
    for k, (x, y, z) in enumerate(positions):
        np.testing.assert_allclose(affine @ [0, 0, k, 1], [-x, -y, z, 1], atol=1e-5)
    assert int(nib.load(tmp_path / "out.nii.gz").header["qform_code"]) == 0, "a qform cannot hold the tilt"
