"""Clicks land where they are seen, or the dock says that they do not."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_plugin.viewer.click_check import clicks_land_true, comes_back
from napari_plugin.viewer.hanging import hang

SIZE = (900.0, 640.0)
CENTRE, ZOOM = (40.0, 90.0, 120.0), 2.5


@pytest.fixture
def hung():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((8, 10, 12)), scale=(5.0, 1.0, 1.0))
    hang(viewer)
    viewer.scene.camera.center, viewer.scene.camera.zoom = CENTRE, ZOOM
    return viewer


def _at(pixel, way):
    """World position under a pixel, by hand: up and left are towards larger A and R under the radiological camera."""
    x, y = pixel[0] - SIZE[0] / 2, pixel[1] - SIZE[1] / 2
    return (15.0, CENTRE[1] + way * y / ZOOM, CENTRE[2] + way * x / ZOOM)


def test_a_napari_that_turns_clicks_as_it_turns_the_picture_is_used(hung):
    assert comes_back(hung, SIZE, lambda pixel: _at(pixel, -1))


def test_a_napari_whose_clicks_ignore_the_cameras_orientation_is_found_out(hung):
    assert not comes_back(hung, SIZE, lambda pixel: _at(pixel, +1))


def test_clicks_that_are_shifted_by_a_few_pixels_are_found_out(hung):
    assert not comes_back(hung, SIZE, lambda pixel: _at((pixel[0] + 5, pixel[1]), -1))


def test_a_canvas_from_which_no_event_comes_is_not_trusted(hung):
    assert not comes_back(hung, SIZE, lambda pixel: None)


@pytest.mark.display
def test_clicks_of_the_napari_installed_land_true(viewer, wait):
    hang(viewer)
    wait(seconds=0.1)
    place = viewer.cursor.position
    assert clicks_land_true(viewer)
    assert viewer.cursor.position == place


@pytest.mark.display
def test_the_dock_refuses_a_napari_whose_clicks_are_mirrored(viewer, wait, display_lock, monkeypatch):
    from conftest import docked

    whole = "napari._vispy.canvas.VispyCanvas._map_canvas2world"
    mirrored = _mirroring()
    with display_lock:
        monkeypatch.setattr(whole, mirrored)
        for dock in docked(viewer, wait):
            wait(lambda dock=dock: not dock.model.isEnabled())
            assert "clicks do not land where they are seen" in dock.status.text()
            assert not dock.refine.isEnabled()


def _mirroring():
    from napari._vispy.canvas import VispyCanvas

    original = VispyCanvas._map_canvas2world

    def mirrored(self, position, view):
        middle = self.viewer.scene.camera.center[-2:]
        world = list(original(self, position, view))
        for axis, centre in zip(self.viewer.dims.displayed, middle, strict=True):
            world[axis] = 2 * centre - world[axis]
        return tuple(world)

    return mirrored
