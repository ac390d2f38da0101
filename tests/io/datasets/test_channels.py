"""Sequences of one patient as channels: on one grid, in order, some missing; what cannot be trusted is refused."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_unet.errors import InputError
from monai_unet.io import LoadChannelsd, read_volume
from monai_unet.io.datasets.channels import (
    UnrelatedFramesError,
    given_channels,
    place_onto,
    read_channels,
    stack_channels,
)


def _ramp(path, *, spacing=1.0, shape=(20, 20, 20), origin=0.0, code=1):
    """A file whose value at each point is its x in mm."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = origin
    x = origin + spacing * np.arange(shape[0], dtype=np.float32)
    image = nib.Nifti1Image(np.broadcast_to(x[:, None, None], shape).astype(np.float32) + 100, affine)
    image.set_sform(affine, code=code)
    image.set_qform(affine, code=code)
    nib.save(image, path)
    return str(path)


def test_missing_sequences_are_channels_of_zeros(tmp_path):
    image = read_channels([None, _ramp(tmp_path / "t1.nii.gz"), None, _ramp(tmp_path / "t2.nii.gz")])
    assert image.shape == (4, 20, 20, 20)
    assert [bool(channel.any()) for channel in image] == [False, True, False, True]
    assert given_channels(image) == [1, 3]


def test_another_grid_of_one_examination_is_resampled_and_said(tmp_path):
    """Both files state scanner coordinates; a ramp in mm stays the same ramp on any grid."""
    first = _ramp(tmp_path / "flair.nii.gz")
    other = _ramp(tmp_path / "t1c.nii.gz", spacing=0.8, shape=(30, 30, 30), origin=-1.2)
    image = read_channels([first, other])
    np.testing.assert_allclose(image[1, 2:-2, 2:-2, 2:-2], image[0, 2:-2, 2:-2, 2:-2], atol=1e-3)
    assert "t1c.nii.gz was interpolated onto the grid of" in " ".join(image.meta["notes"])


@pytest.mark.parametrize("code", [0, 2])
def test_frames_of_reference_that_are_not_known_to_agree_are_refused(tmp_path, code):
    """One in scanner coordinates, the other aligned to something else (2)."""
    first = _ramp(tmp_path / "flair.nii.gz")
    if code:
        other = _ramp(tmp_path / "t1c.nii.gz", spacing=0.8, code=code)
        with pytest.raises(InputError, match="frames of reference are not known to agree; register"):
            read_channels([first, other])
    else:
        other = _ramp(tmp_path / "t1c.nii.gz", origin=300.0)
        with pytest.raises(InputError, match="show different parts of the body"):
            read_channels([first, other])


def test_nothing_given_is_refused():
    with pytest.raises(InputError, match="no sequence was given"):
        read_channels([None, None])


def test_volumes_of_a_4d_file_by_their_number(tmp_path):
    data = np.stack([np.full((5, 6, 7), value, dtype=np.float32) for value in (10, 20, 30, 40)], axis=-1)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "four.nii.gz")
    path = str(tmp_path / "four.nii.gz")
    image = LoadChannelsd("image")({"image": [(path, 2), None, (path, 0)]})["image"]
    assert image.shape == (3, 7, 6, 5)
    assert [float(channel.mean()) for channel in image] == [30, 0, 10]
    with pytest.raises(InputError, match="a 4D file with at least 5 volumes is needed"):
        read_channels([(path, 4)])


def test_what_the_user_insists_on_is_interpolated_and_stands_in_the_notes(tmp_path):
    first = read_volume(_ramp(tmp_path / "flair.nii.gz"))
    other = read_volume(_ramp(tmp_path / "t1c.nii.gz", spacing=0.8, shape=(30, 30, 30), origin=-1.2, code=2))
    with pytest.raises(UnrelatedFramesError, match="not known to agree; register"):
        place_onto(other, first)
    placed, note = place_onto(other, first, insist=True)
    np.testing.assert_allclose(placed[0, 2:-2, 2:-2, 2:-2], first[0, 2:-2, 2:-2, 2:-2], atol=1e-3)
    assert note.endswith("at the user's word: their frames of reference are not known to agree.")


def test_outside_the_field_of_view_is_the_lowest_value_not_zero(tmp_path):
    """Zero would be water in a CT, and tissue in an image with negative values."""
    wide = read_volume(_ramp(tmp_path / "wide.nii.gz", shape=(30, 20, 20)))
    narrow = read_volume(_ramp(tmp_path / "narrow.nii.gz", spacing=0.9)) - 500
    placed, _ = place_onto(narrow, wide)
    assert float(placed[0, :, :, -1].min()) == pytest.approx(float(narrow.min()))


def test_notes_of_every_channel_are_kept_each_once(tmp_path):
    volumes = [read_volume(_ramp(tmp_path / name)) for name in ("a.nii.gz", "b.nii.gz")]
    for volume, notes in zip(volumes, [("one; two",), ("one; two", "three")], strict=True):
        volume.meta["notes"] = notes
    assert stack_channels(volumes).meta["notes"] == ("one; two", "three")


def test_one_of_several_volumes_is_held_to_what_a_single_one_is(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 1000, (4, 5, 6, 3)).astype(np.int16)
    path = tmp_path / "four.nii.gz"
    made = nib.Nifti1Image(array, np.diag([-1.0, 2.0, 3.0, 1.0]))
    made.set_sform(made.affine, 1)
    nib.save(made, path)
    for index in range(3):
        found = read_channels([(str(path), index)])
        np.testing.assert_array_equal(found[0].numpy(), array[..., index].T[:, :, ::-1])
    with pytest.raises(InputError, match="at least 4 volumes"):
        read_channels([(str(path), 3)])
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[123] = 7
    path.write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(InputError, match="unknown unit"):
        read_channels([(str(path), 0)])
    raw[123] = 2
    path.write_bytes(gzip.compress(bytes(raw[:-100])))
    with pytest.raises(InputError, match="cut short"):
        read_channels([(str(path), 0)])
