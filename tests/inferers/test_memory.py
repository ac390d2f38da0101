import pytest
import torch

from monai_unet.inferers import LocalisedInferer, StreamingSlidingWindowInferer, WholeVolumeInferer
from monai_unet.inferers.memory import activation_bytes_per_voxel, fitted
from monai_unet.networks import build_unet

SHAPE, WINDOW = (64, 64, 64), (16, 16, 16)
PER_VOXEL = 100.0
WINDOW_BYTES, SLAB_BYTES = 16**3 * PER_VOXEL, 16 * 64 * 64 * 4 * (1 + 3)


@pytest.fixture(scope="module")
def network():
    return build_unet("unet", out_channels=3, channels=[4, 8]).eval()


@pytest.mark.parametrize(("windows", "batch"), [(4.5, 4), (3.5, 3), (1.5, 1), (0.5, 1)])
def test_the_open_planes_count_and_the_batch_takes_what_is_left(network, windows, batch):
    inferer = StreamingSlidingWindowInferer(WINDOW, sw_batch_size=4)
    smaller, note = fitted(inferer, network, PER_VOXEL, SHAPE, windows * WINDOW_BYTES + SLAB_BYTES)
    assert smaller.sw_batch_size == batch
    assert bool(note) == (batch < 4)
    assert inferer.sw_batch_size == 4


def test_windows_are_added_up_on_the_cpu_where_a_gpu_has_no_room_for_the_open_planes(network, monkeypatch):
    monkeypatch.setattr("monai_unet.inferers.memory._device", lambda module: torch.device("cuda"))
    inferer = StreamingSlidingWindowInferer(WINDOW, sw_batch_size=4)
    smaller, note = fitted(inferer, network, PER_VOXEL, SHAPE, 2.5 * WINDOW_BYTES)
    assert (smaller.accumulate_on, smaller.sw_batch_size) == ("cpu", 2)
    assert "on the CPU" in note
    assert inferer.accumulate_on is None


def test_the_inferer_inside_a_box_takes_smaller_steps_too(network):
    boxed = LocalisedInferer(StreamingSlidingWindowInferer(WINDOW, sw_batch_size=4), torch.nn.Identity())
    smaller, note = fitted(boxed, network, PER_VOXEL, SHAPE, 2.5 * WINDOW_BYTES + SLAB_BYTES)
    assert smaller.inferer.sw_batch_size == 2
    assert note
    assert fitted(boxed, network, PER_VOXEL, SHAPE, 1e12) == (boxed, "")


def test_a_whole_volume_that_does_not_fit_is_cut_only_where_the_network_allows_it(network):
    limit = 40 * 64 * 64 * PER_VOXEL
    strips, note = fitted(WholeVolumeInferer(), network, PER_VOXEL, SHAPE, limit)
    assert type(strips).__name__ == "HaloStripInferer"
    assert "same labels" in note
    kept, note = fitted(WholeVolumeInferer(), torch.nn.Conv3d(1, 1, 3), PER_VOXEL, SHAPE, limit)
    assert type(kept) is WholeVolumeInferer
    assert "cannot be cut" in note


def test_windows_of_a_network_with_instance_statistics_take_smaller_batches():
    instance = build_unet("unet", norm="instance", out_channels=3, channels=[4, 8]).eval()
    whole = WholeVolumeInferer(windows=WINDOW)
    smaller, note = fitted(whole, instance, PER_VOXEL, SHAPE, 1.5 * WINDOW_BYTES + SLAB_BYTES)
    assert (type(smaller), smaller.sw_batch_size) == (StreamingSlidingWindowInferer, 1)
    assert "at a time" in note


def test_the_estimate_covers_what_the_first_layers_hold(network):
    # two feature maps of 4 channels in float32 are alive at once at full size
    assert activation_bytes_per_voxel(network, 1) >= 2 * 4 * 4
