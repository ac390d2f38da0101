"""Small parts go by their volume in millilitres, whatever the voxels."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.transforms import RemoveSpecksd


def _mask(spacing):
    mask = np.zeros((1, 6, 20, 20), np.float32)
    mask[0, 1:3, 2:7, 2:7] = 1  # 50 voxels
    mask[0, 3, 7, 7] = 1  # touches them by its corner
    mask[0, 4, 15:18, 15:18] = 1  # 9 voxels
    affine = np.diag([*spacing, 1.0])
    return MetaTensor(torch.from_numpy(mask), affine=torch.as_tensor(affine))


@pytest.mark.parametrize(("smallest_ml", "kept"), [(0.0, 60), (0.09, 60), (0.091, 51), (0.51, 51), (0.511, 0)])
def test_parts_below_the_volume_go(smallest_ml, kept):
    done = RemoveSpecksd("pred", smallest_ml=smallest_ml)({"pred": _mask((5.0, 2.0, 1.0))})["pred"]
    assert int(done.sum()) == kept
    assert done.dtype == torch.float32


def test_the_grid_stays():
    mask = _mask((5.0, 2.0, 1.0))
    done = RemoveSpecksd("pred", smallest_ml=0.1)({"pred": mask})["pred"]
    np.testing.assert_array_equal(np.asarray(done.affine), np.asarray(mask.affine))
    assert int(mask.sum()) == 60


def test_a_negative_volume_is_refused():
    with pytest.raises(ValueError, match="smallest_ml must be 0 or more"):
        RemoveSpecksd("pred", smallest_ml=-1)
