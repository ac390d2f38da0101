"""Windows over an image: what they read, and where what they hold comes to lie."""

import numpy as np
import pytest

from monai_unet.interaction.answering.window import ImageWindow

SPACINGS = [(1.0, 1.0, 1.0), (3.3, 0.9, 0.9), (10.0, 1.0, 1.0), (0.5, 5.0, 0.5)]


def _ramp(shape, slopes):
    grid = np.indices(shape).astype(np.float32)
    return np.tensordot(np.asarray(slopes, dtype=np.float32), grid, 1)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("millimetres", [0.4, 1.0, 2.5])
def test_a_ramp_is_read_at_the_positions_that_the_window_states(spacing, millimetres):
    """Interpolating keeps a linear function; an average does so as exactly as its filter is fine."""
    image = _ramp((90, 90, 90), (1.0, -2.0, 0.5))
    window = ImageWindow.around((45, 44, 43), millimetres, spacing, (8, 8, 8))
    positions = window.to_image(np.indices((8, 8, 8)).reshape(3, -1).T)
    expected = positions @ [1.0, -2.0, 0.5]
    exact = max(window.step) <= 1
    np.testing.assert_allclose(window.read(image).ravel(), expected, atol=2e-3 if exact else 0.25)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_writing_a_ramp_back_gives_it_on_the_grid_of_the_image(spacing):
    image = _ramp((60, 60, 60), (0.7, 0.2, -1.0))
    window = ImageWindow.around((30, 30, 30), 2.0, spacing, (12, 12, 12))
    box, values = window.write(window.read(image), image.shape)
    inner = tuple(slice(3, n - 3) if n > 8 else slice(n // 2, n // 2 + 1) for n in values.shape)
    np.testing.assert_allclose(values[inner], image[box][inner], atol=0.15)


def test_thick_slices_stay_slices():
    window = ImageWindow.around((10, 50, 50), 1.0, (10.0, 1.0, 1.0), (16, 16, 16), on_slices=True)
    assert window.step == (1.0, 1.0, 1.0)
    image = np.zeros((20, 100, 100), dtype=np.float32)
    image[10] = 1
    read = window.read(image)
    np.testing.assert_array_equal(np.unique(read), [0, 1])
    assert sorted(set(read.sum((1, 2)).round().astype(int))) == [0, 256]
    _, values = window.write(read, image.shape)
    np.testing.assert_array_equal(np.unique(values), [0, 1])
    between = ImageWindow.around((10, 50, 50), 1.0, (10.0, 1.0, 1.0), (16, 16, 16)).read(image)
    assert between.max() == 0.5


def test_coarse_windows_average_instead_of_skipping():
    """One voxel in 64 set: a window of step 4 sees 1/64 everywhere, not zeros and ones."""
    image = np.zeros((64, 64, 64), dtype=np.float32)
    image[::4, ::4, ::4] = 1
    read = ImageWindow.around((32, 32, 32), 4.0, (1.0, 1.0, 1.0), (10, 10, 10)).read(image)
    np.testing.assert_allclose(read, 1 / 64, atol=1e-6)


def test_beyond_the_image_stands_its_nearest_voxel_or_the_stated_value():
    image = np.full((5, 5, 5), 7.0, dtype=np.float32)
    window = ImageWindow.around((2, 2, 2), 1.0, (1.0, 1.0, 1.0), (16, 16, 16))
    assert np.all(window.read(image) == 7)
    outside = window.read(image, outside=0.0)
    assert outside.max() == 7
    assert outside[0, 0, 0] == 0
    assert outside.sum() == pytest.approx(7 * 125, rel=0.5)


def test_a_window_covers_a_tiny_image_and_writes_all_of_it():
    image = np.arange(125, dtype=np.float32).reshape(5, 5, 5)
    window = ImageWindow.around((2, 2, 2), 1.0, (1.0, 1.0, 1.0), (40, 40, 40))
    box, values = window.write(window.read(image), image.shape)
    assert box == (slice(0, 5),) * 3
    np.testing.assert_allclose(values, image, atol=31)  # a window is never finer than its step of 1 asks here
    assert np.corrcoef(values.ravel(), image.ravel())[0, 1] > 0.99


def test_a_window_beside_the_image_covers_nothing():
    window = ImageWindow((200.0, 0.0, 0.0), (1.0, 1.0, 1.0), (8, 8, 8))
    box, values = window.write(np.ones((8, 8, 8), np.float32), (20, 20, 20))
    assert values.size == 0
    assert box[0].start == box[0].stop


def test_positions_go_there_and_back():
    window = ImageWindow.around((11.5, 20, 7), 1.7, (3.0, 0.8, 0.8), (40, 40, 40))
    voxels = np.array([[0.0, 0, 0], [11.5, 20, 7], [3, 4.25, 9]])
    np.testing.assert_allclose(window.to_image(window.to_window(voxels)), voxels)
    np.testing.assert_allclose(window.to_window([[11.5, 20, 7]]), [[19.5, 19.5, 19.5]])


def test_a_window_knows_what_of_it_lies_in_the_image():
    """Of 8 voxels of 2 along each axis of an image of 5, those count whose centre lies in one of its voxels."""
    window = ImageWindow.around((2, 2, 2), 2.0, (1.0, 1.0, 1.0), (8, 8, 8))
    places = np.array([window.start[0] + window.step[0] * n for n in range(8)])
    inside = (places >= -0.5) & (places <= 4.5)
    within = window.within((5, 5, 5))
    assert within.shape == (8, 8, 8)
    np.testing.assert_array_equal(within[:, inside.argmax(), inside.argmax()], inside)
    assert within.sum() == inside.sum() ** 3
    assert ImageWindow.around((30, 30, 30), 1.0, (1, 1, 1), (8, 8, 8)).within((60, 60, 60)).all()
