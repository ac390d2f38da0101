"""What napari asks about, and what it gets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from plugin_cases import write_volume_file

from monai_unet.errors import InputError
from monai_unet.io.formats.registry import VOLUME_SUFFIXES
from napari_plugin.reader import get_reader, read
from napari_plugin.sample_data import SHAPE, phantom, write_phantom
from napari_plugin.viewer.hanging import METADATA
from napari_plugin.volume_paths import SUFFIXES


def test_suffixes_are_those_of_the_library() -> None:
    assert all(suffix.endswith(SUFFIXES) for suffix in VOLUME_SUFFIXES)
    assert set(SUFFIXES) <= set(VOLUME_SUFFIXES)


def test_volumes_folders_and_dicom_are_taken_and_nothing_else(tmp_path: Path) -> None:
    dicom = tmp_path / "IM0001"
    dicom.write_bytes(b"\0" * 128 + b"DICM")
    with zipfile.ZipFile(tmp_path / "study.zip", "w"):
        pass
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    volume = write_volume_file(tmp_path / "v.nii.gz", "RAS")
    for path in (tmp_path, dicom, tmp_path / "study.zip", volume):
        assert get_reader(str(path)) is not None, path
    assert get_reader(str(tmp_path / "picture.png")) is None
    assert get_reader([str(volume), str(tmp_path / "picture.png")]) is None


def test_layer_shares_the_volume_and_carries_where_it_came_from(tmp_path: Path) -> None:
    path = write_volume_file(tmp_path / "v.nii.gz", "LPS")
    ((data, state, kind),) = read(str(path))
    image = state["metadata"][METADATA]
    assert kind == "image"
    assert np.shares_memory(data, image.volume.numpy())
    assert image.entry.path == str(path)
    assert [entry.path for entry in image.siblings] == [str(path)]
    assert "affine" not in state


def test_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "v.nii.gz").write_text("no")
    with pytest.raises(InputError, match=r"v\.nii\.gz"):
        read(str(tmp_path / "v.nii.gz"))


def test_sample_is_made_without_network_and_has_two_tumours(tmp_path: Path) -> None:
    image, labels = phantom()
    assert image.shape == labels.shape == SHAPE
    assert sorted(np.unique(labels)) == [0, 1, 2]
    # volumes of ellipsoids: 4/3 π a b c
    voxel = 2.0 * 1.5 * 1.5
    assert (labels == 1).sum() * voxel == pytest.approx(4 / 3 * np.pi * 14 * 17 * 12, rel=0.03)
    assert (labels == 2).sum() * voxel == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.1)
    ((data, _, _),) = read(str(write_phantom(tmp_path / "head.nii.gz")))
    np.testing.assert_array_equal(data, image)
