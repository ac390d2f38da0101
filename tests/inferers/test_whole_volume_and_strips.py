import pytest
import torch
from monai.networks.nets import SegResNet
from segmentation_cases import balanced

from monai_unet.errors import InputError
from monai_unet.inferers import (
    HaloStripInferer,
    StreamingSlidingWindowInferer,
    WholeVolumeInferer,
    smallest_halo,
)
from monai_unet.inferers.halo_strips import strip_from
from monai_unet.networks import build_unet


@pytest.fixture(scope="module")
def network():
    return balanced(build_unet("residual_unet", out_channels=3, channels=[4, 8, 8]), channels=1).eval()


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 1, 75, 21, 18, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("height", [8, 30, 200])
def test_strips_with_the_full_receptive_field_equal_the_whole_volume(network, image, height):
    whole = network(image)
    for strips in (HaloStripInferer(height), HaloStripInferer(height, halo=0, exact=True)):
        torch.testing.assert_close(strips(image, network), whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_no_halo_is_not_enough(network, image):
    assert not torch.allclose(HaloStripInferer(16, 0)(image, network), network(image), atol=1e-3)


@torch.no_grad()
def test_the_smallest_halo_is_measured(network, image):
    halo, agreements = smallest_halo([image[0]], network, height=16)
    assert halo % 4 == 0
    assert agreements[halo] >= 0.9999
    assert all(agreement < 0.9999 for tried, agreement in agreements.items() if tried < halo)
    strips = HaloStripInferer(16, halo)(image, network).argmax(1)
    assert (strips == network(image).argmax(1)).float().mean() >= 0.9999


@torch.no_grad()
def test_the_declared_receptive_field_is_what_a_voxel_sees(network, image):
    (field, *_), centre = network.receptive_field(), 36
    base = network(image)[0, :, centre]
    for distance in range(field // 2 + 1, 39):
        for plane in (centre - distance, centre + distance):
            if 0 <= plane < image.shape[2]:
                changed = image.clone()
                changed[:, :, plane] += 100
                torch.testing.assert_close(network(changed)[0, :, centre], base, atol=1e-4, rtol=1e-4)


def test_networks_with_instance_statistics_are_refused_with_the_reason(image):
    for inferer in (WholeVolumeInferer(), HaloStripInferer()):
        for network, kind in (
            (build_unet("unet", norm="instance", channels=[4, 8]), "InstanceNorm3d"),
            (SegResNet(init_filters=8), "GroupNorm"),
        ):
            with pytest.raises(InputError, match=kind):
                inferer(image, network)
    whole = WholeVolumeInferer(trained_whole=True)
    network = build_unet("unet", norm="instance", channels=[4, 8]).eval()
    torch.testing.assert_close(whole(image, network), network(image))


@torch.no_grad()
def test_a_network_with_instance_statistics_gets_windows_of_the_stated_size_and_others_the_whole_volume(network, image):
    instance = build_unet("unet", norm="instance", channels=[4, 8]).eval()
    whole = WholeVolumeInferer(flips=[2], windows=[32, 16, 16])
    windows = StreamingSlidingWindowInferer([32, 16, 16], flips=[2])(image, instance)
    torch.testing.assert_close(whole(image, instance), windows)
    torch.testing.assert_close(whole(image, lambda x: instance(x)), windows)
    torch.testing.assert_close(whole(image, network), WholeVolumeInferer(flips=[2])(image, network))


def test_strips_need_a_network_that_declares_its_stride(image):
    with pytest.raises(InputError, match="total_stride"):
        HaloStripInferer()(image, torch.nn.Conv3d(1, 2, 3, padding=1))


@torch.no_grad()
def test_flips_average_the_probabilities_of_mirrored_copies(network, image):
    expected = (network(image).softmax(1) + network(image.flip(4)).softmax(1).flip(4)) / 2
    for inferer in (WholeVolumeInferer([2]), HaloStripInferer(200, flips=[2])):
        torch.testing.assert_close(inferer(image, network).exp(), expected, atol=1e-5, rtol=1e-4)
    regions = (network(image).sigmoid() + network(image.flip(3)).sigmoid().flip(3)) / 2
    logits = WholeVolumeInferer([1], activation="sigmoid")(image, network)
    torch.testing.assert_close(logits.sigmoid(), regions, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("planes", "height", "halo"), [(128, 32, 16), (75, 16, 8), (40, 16, 16), (48, 16, 16), (9, 8, 0)]
)
def test_strips_follow_one_another_and_never_compute_more_planes_than_stated(planes, height, halo):
    start, computed = 0, []
    while start < planes:
        low, stop, high = strip_from(start, planes, height, halo)
        assert low == max(0, start - halo)
        assert start < stop <= planes
        assert high == min(planes, stop + halo)
        computed.append(high - low)
        start = stop
    assert max(computed) <= height + 2 * halo
    # no more strips than if each kept `height` planes
    assert len(computed) <= -(-planes // height)
    assert len(computed) == 1 or planes > height + 2 * halo


@torch.no_grad()
def test_progress_of_strips_ends_at_its_total(network, image):
    steps = list(HaloStripInferer(8, 4).stream(image[0], network))
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total for step in steps} == {len(steps)}


@torch.no_grad()
@pytest.mark.parametrize("inferer", [WholeVolumeInferer(), HaloStripInferer(32, exact=True)], ids=["whole", "strips"])
def test_memory_that_does_not_suffice_lowers_the_strips_and_gives_the_same_result(network, image, inferer):
    class Small(torch.nn.Module):
        """The network on a device that takes 60 planes at most."""

        total_stride, module = network.total_stride, network
        receptive_field = network.receptive_field

        def __call__(self, tiles):
            if tiles.shape[2] > 60:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return network(tiles)

    torch.testing.assert_close(inferer(image, Small()), network(image), atol=1e-5, rtol=1e-4)
    assert "Memory ran out" in inferer.memory_fallback
    inferer(image[:, :, :40], network)
    assert inferer.memory_fallback == ""


@torch.no_grad()
def test_memory_for_no_strip_at_all_is_an_error(network, image):
    class Full(torch.nn.Module):
        total_stride, module = network.total_stride, network

        def __call__(self, tiles):
            raise MemoryError

    with pytest.raises(MemoryError):
        WholeVolumeInferer()(image, Full())
