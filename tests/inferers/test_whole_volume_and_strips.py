import pytest
import torch
from monai.networks.nets import SegResNet
from segmentation_cases import balanced

from monai_unet.errors import InputError
from monai_unet.inferers import HaloStripInferer, WholeVolumeInferer, smallest_halo
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
