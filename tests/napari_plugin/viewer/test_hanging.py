"""Voxels, planes and letters on `ViewerModel`, without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from plugin_cases import ORIENTATIONS, value_at, write_volume_file

from monai_unet.geometry import PLANES
from napari_plugin.case.opening import OpenImage, list_images, onto, open_image
from napari_plugin.viewer.hanging import (
    go_to,
    hang,
    image_layer,
    patient_of,
    placed,
    plane_of,
    show_plane,
    voxel_of,
    world_of,
)


def opened(path: Path) -> OpenImage:
    (entry,) = list_images(path)
    return open_image(entry)


@pytest.mark.parametrize("axcodes", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_value_shown_at_a_place_is_the_files_value_there(tmp_path: Path, axcodes: str) -> None:
    path = write_volume_file(tmp_path / "volume.nii.gz", axcodes)
    image = opened(path)
    viewer = ViewerModel()
    hang(viewer)
    data, state, _ = image_layer(image)
    layer = viewer.add_image(data, **state)
    for voxel in ((0, 0, 0), (3, 11, 7), tuple(n - 1 for n in image.grid.shape)):
        go_to(viewer, voxel)
        world = np.multiply(voxel, image.grid.spacing)
        assert layer.get_value(tuple(world), world=True) == value_at(path, patient_of(world, image.grid))


@pytest.mark.parametrize("axcodes", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_array_axes_grow_towards_superior_anterior_and_right(tmp_path: Path, axcodes: str) -> None:
    grid = opened(write_volume_file(tmp_path / "volume.nii.gz", axcodes)).grid
    directions = grid.affine[:3, :3] / grid.spacing
    # rows of RAS: superior is z, anterior y, right is +x
    assert np.abs(directions[2, 0]) > 0.9
    assert directions[2, 0] > 0
    assert directions[1, 1] > 0.9
    assert directions[0, 2] > 0.9


def test_viewer_gets_no_rotation_and_true_millimetres(tmp_path: Path) -> None:
    image = opened(write_volume_file(tmp_path / "volume.nii.gz", "LPS", degrees=20.0))
    viewer = ViewerModel()
    data, state, _ = image_layer(image)
    layer = viewer.add_image(data, **state)
    np.testing.assert_allclose(layer.affine.affine_matrix, np.eye(4))
    np.testing.assert_allclose(layer.scale, image.grid.spacing)
    assert {str(unit) for unit in layer.units} == {"millimeter"}
    assert layer.axis_labels == ("S", "A", "R")


def test_letters_are_radiological_in_each_plane(tmp_path: Path) -> None:
    image = opened(write_volume_file(tmp_path / "volume.nii.gz", "RAS"))
    viewer = ViewerModel()
    hang(viewer)
    data, state, _ = image_layer(image)
    viewer.add_image(data, **state)
    expected = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
    overlays = viewer.canvas.overlays
    for name, letters in expected.items():
        show_plane(viewer, name)
        assert plane_of(viewer).name == name
        sides = ("middle_left", "middle_right", "top_center", "bottom_center")
        assert "".join(overlays[side].text for side in sides) == letters
        # the axis that is cut is the one that the plane is named for
        assert viewer.dims.not_displayed == (PLANES[name].axis,)
    assert viewer.scene.camera.orientation == ("away", "up", "left")
    viewer.dims.ndisplay = 3
    assert not any(overlays[side].visible for side in ("middle_left", "middle_right", "top_center", "bottom_center"))


def test_world_and_patient_are_inverse(tmp_path: Path) -> None:
    grid = opened(write_volume_file(tmp_path / "volume.nii.gz", "PIL")).grid
    world = np.random.default_rng(0).uniform(0, 40, (50, 3))
    np.testing.assert_allclose(world_of(patient_of(world, grid), grid), world, atol=1e-9)
    assert voxel_of((2.6 * grid.spacing[0], 0, 0), grid) == (3, 0, 0)


def test_other_plane_keeps_the_place(tmp_path: Path) -> None:
    image = opened(write_volume_file(tmp_path / "volume.nii.gz", "RAS"))
    viewer = ViewerModel()
    viewer.add_image(image.array, **placed(image.grid))
    show_plane(viewer, "axial")
    go_to(viewer, (5, 6, 7))
    show_plane(viewer, "sagittal")
    assert tuple(viewer.dims.current_step) == (5, 6, 7)


def test_second_series_is_interpolated_onto_the_first(tmp_path: Path) -> None:
    first = opened(write_volume_file(tmp_path / "first.nii.gz", "RAS"))
    second = opened(write_volume_file(tmp_path / "second.nii.gz", "RAS", degrees=0.0))
    moved = onto(second, first)
    assert moved.grid.matches(first.grid)
    assert "interpolated" in moved.moved
    assert onto(first, first) is first
    # where the fields of view overlap, the value is that of the second file at the same place, but for interpolation
    inner = (np.array(first.grid.shape) // 2) * first.grid.spacing
    patient = patient_of(inner, first.grid)
    index = np.linalg.inv(second.grid.affine) @ [*patient, 1.0]
    if np.all(index[:3] > 1) and np.all(index[:3] < np.array(second.grid.shape) - 2):
        low, high = second.array.min(), second.array.max()
        assert low <= moved.array[tuple(np.array(first.grid.shape) // 2)] <= high
