"""The largest parts by boxes are MONAI's, voxel for voxel, parts of one size included."""

import numpy as np
import pytest
import torch
from monai.transforms import KeepLargestConnectedComponentd
from scipy.ndimage import gaussian_filter

from monai_unet.segmentation.largest_parts import is_keep_largest, keep_largest


def labels(seed, kind):
    random = np.random.default_rng(seed)
    if kind == "scattered":
        return (random.random((12, 14, 16)) < 0.2).astype(np.uint8) * random.integers(
            1, 4, (12, 14, 16), dtype=np.uint8
        )
    if kind == "one size":
        found = np.zeros((12, 14, 16), np.uint8)
        found[1:3, 1:3, 1:3] = found[8:10, 2:4, 4:6] = found[4:6, 9:11, 12:14] = 2
        return found
    smooth = gaussian_filter(random.random((24, 30, 28)), 2.0)
    return np.digitize(smooth, np.quantile(smooth, [0.6, 0.8, 0.9])).astype(np.uint8)


@pytest.mark.parametrize("kind", ["scattered", "one size", "smooth"])
@pytest.mark.parametrize("connectivity", [None, 1])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_voxels_are_those_of_the_stock_transform(kind, connectivity, count, seed):
    transform = KeepLargestConnectedComponentd(
        "pred", applied_labels=[1, 2, 7], is_onehot=False, connectivity=connectivity, num_components=count
    )
    assert is_keep_largest(transform)
    mine = labels(seed, kind)
    expected = transform({"pred": torch.from_numpy(mine[None]).float()})["pred"][0].numpy()
    keep_largest(mine, transform)
    np.testing.assert_array_equal(mine, expected)


def test_other_forms_take_the_stock_path():
    for other in (
        {"is_onehot": False},
        {"applied_labels": [1], "is_onehot": True},
        {"applied_labels": [1, 2], "is_onehot": False, "independent": False},
    ):
        assert not is_keep_largest(KeepLargestConnectedComponentd("pred", **other))
