"""nnU-Net's windows, weights and mirrored copies."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import gaussian_filter
from torch import nn

from monai_unet.geometry import crop_volume, source_grid
from monai_unet.inferers import EvenWindowInferer, Interpolation
from monai_unet.inferers.even_windows import even_starts, gaussian_weights


def test_windows_are_as_few_as_the_step_allows_and_evenly_spread():
    # the example in nnU-Net's source: an image of 110 voxels, a window of 64, a step of a half
    assert even_starts(110, 64, 0.5) == [0, 23, 46]
    assert even_starts(64, 64, 0.5) == [0]
    assert even_starts(3, 1, 0.5) == [0, 1, 2]


def test_weights_are_a_gaussian_in_half_precision_that_is_nowhere_zero():
    peak = np.zeros((8, 12, 16))
    peak[4, 6, 8] = 1
    expected = gaussian_filter(peak, [1.0, 1.5, 2.0], mode="constant")
    weights = gaussian_weights((8, 12, 16)).numpy()
    assert np.allclose(weights, np.maximum(10 * expected / expected.max(), 1e-8), rtol=2e-3, atol=1e-6)
    assert weights.min() > 0
    assert np.array_equal(weights, weights.astype(np.float16))


@pytest.mark.parametrize("axes", [(), (2,), (0, 1, 2)])
def test_the_result_is_the_weighted_mean_of_mirrored_logits(axes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.InstanceNorm3d(3)).eval()
    image = torch.randn(1, 1, 11, 9, 12)
    total, weight = torch.zeros(3, 11, 9, 12), torch.zeros(11, 9, 12)
    weights = gaussian_weights((8, 8, 8))
    mirrors = [
        [a + 2 for a in axes if 1 << a & bits] for bits in range(8) if all(a in axes for a in range(3) if 1 << a & bits)
    ]
    with torch.no_grad():
        for i in even_starts(11, 8, 0.5):
            for j in even_starts(9, 8, 0.5):
                for k in even_starts(12, 8, 0.5):
                    place = (slice(i, i + 8), slice(j, j + 8), slice(k, k + 8))
                    tile = image[(slice(None), slice(None), *place)]
                    copies = [network(tile.flip(m)).flip(m) for m in mirrors]
                    total[(slice(None), *place)] += weights * torch.stack(copies).mean(0)[0]
                    weight[place] += weights
        found = EvenWindowInferer((8, 8, 8), mirror_axes=axes)(image, network)[0]
    assert len(mirrors) == 2 ** len(axes)
    assert torch.allclose(found, total / weight, atol=1e-5)


def test_an_image_smaller_than_the_window_is_padded_and_cropped_again():
    image = torch.randn(1, 1, 3, 5, 20)
    found = EvenWindowInferer((4, 8, 8))(image, nn.Identity())
    assert torch.allclose(found, image, atol=1e-5)


def test_voxels_that_the_network_sees():
    assert EvenWindowInferer((4, 8, 8), mirror_axes=(1, 2)).computed_voxels((4, 12, 5)) == 2 * 256 * 4


def test_the_nearest_voxel_is_taken_where_an_axis_says_so():
    low, high, weight = Interpolation(24 / 9, 0.5 * 24 / 9 - 0.5, 24, 9, nearest=True).taps()
    assert low.tolist() == high.tolist() == [1, 4, 6, 9, 12, 14, 17, 20, 22]
    assert not weight.any()


def test_a_crop_keeps_the_axis_order_of_the_file():
    affine = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=torch.float64))[[2, 1, 0, 3]]
    file = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
    meta = {"affine": affine, "original_affine": file, "spatial_shape": np.array([6, 6, 6])}
    part = crop_volume(MetaTensor(torch.rand(1, 6, 6, 6), meta=meta), (slice(1, 4), slice(0, 5), slice(2, 6)))
    assert source_grid(part.meta).orientation == "LPS"
    assert source_grid(part.meta).shape == (4, 5, 3)
