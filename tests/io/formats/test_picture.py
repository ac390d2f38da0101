"""2D pictures and 2D NIfTI as volumes of one slice."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from monai_unet.errors import InputError
from monai_unet.io import notes_of, read_volume, write_label_map

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_pictures_are_read_and_labels_written_as_they_lie(tmp_path: Path, ending: str, kind: type) -> None:
    path = tmp_path / f"grey{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(GREY.astype(kind)), str(path))
    volume = read_volume(path)
    assert volume.shape == (1, 1, 3, 4)
    assert np.array_equal(volume.numpy()[0, 0], GREY)
    assert any("a pixel is taken as 1 mm" in note for note in notes_of(volume.meta))
    labels = (volume.numpy()[0] > 100).astype(np.uint8)
    write_label_map(labels, tmp_path / "mask.png", like=volume.meta)
    # an independent reader
    shown = matplotlib.image.imread(tmp_path / "mask.png")
    assert np.array_equal(np.rint(shown * 255), GREY > 100)


def test_colours_are_refused_unless_they_are_grey(tmp_path: Path) -> None:
    colours = np.stack([GREY, GREY, GREY], axis=-1)
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(tmp_path / "grey.png"))
    assert np.array_equal(read_volume(tmp_path / "grey.png").numpy()[0, 0], GREY)
    colours[..., 1] = 0
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(tmp_path / "red.png"))
    with pytest.raises(InputError, match=r"red.png is in colours"):
        read_volume(tmp_path / "red.png")


def test_a_cut_picture_and_jpeg_labels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    sitk.WriteImage(sitk.GetImageFromArray(GREY), str(path))
    volume = read_volume(path)
    with pytest.raises(InputError, match="JPEG, which changes values"):
        write_label_map(GREY[None], tmp_path / "mask.jpg", like=volume.meta)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"grey.png cannot be read, it is damaged"):
        read_volume(path)


def test_nifti_of_two_dimensions_is_one_slice(tmp_path: Path) -> None:
    path = tmp_path / "flat.nii.gz"
    nib.save(nib.Nifti1Image(GREY.T.astype(np.int16), np.diag([0.5, 0.5, 1, 1])), path)
    volume = read_volume(path)
    assert volume.shape == (1, 1, 3, 4)
    assert np.array_equal(volume.numpy()[0, 0], GREY)
    assert "a single slice" in notes_of(volume.meta)
