import numpy as np
import pytest
from decathlon_phantom import make_case
from nibabel import Nifti1Image, save

from monai_unet.errors import InputError
from monai_unet.io import LoadVolumed
from monai_unet.transforms import CheckPaird


def _pair(folder, *, label=None, affine=None):
    case = {key: str(folder / path) for key, path in make_case(folder, "a", seed=0).items()}
    if label is not None or affine is not None:
        shape = (20, 26, 18)
        data = np.zeros(shape, np.float32) if label is None else label
        save(Nifti1Image(data, np.eye(4) if affine is None else affine), case["label"])
    return LoadVolumed(["image", "label"])(case)


def test_a_matching_pair_passes(tmp_path):
    pair = _pair(tmp_path)
    assert CheckPaird(classes=3)(pair) is pair


def test_another_shape_is_named(tmp_path):
    pair = _pair(tmp_path, label=np.zeros((20, 26, 17), np.uint8))
    with pytest.raises(InputError, match=r"\(20, 26, 17\).*\(20, 26, 18\)"):
        CheckPaird(classes=3)(pair)


def test_a_shifted_label_is_named_with_the_distance(tmp_path):
    affine = np.eye(4)
    affine[0, 3] = 2.5
    with pytest.raises(InputError, match=r"2\.5 mm away"):
        CheckPaird(classes=3)(_pair(tmp_path, affine=affine))


@pytest.mark.parametrize("value", [3, 0.5, -1])
def test_a_value_that_is_no_class_is_named(tmp_path, value):
    label = np.zeros((20, 26, 18), np.float32)
    label[3, 3, 3] = value
    with pytest.raises(InputError, match=f"holds the value {value:g}, which is no class"):
        CheckPaird(classes=3)(_pair(tmp_path, label=label))
