import pytest
import torch
from monai.transforms import Compose

from monai_unet.training import ct_intensities, mr_intensities, patch_of_a_class

PATCH = (16, 12, 20)


def _case():
    label = torch.zeros(1, 40, 30, 25)
    label[0, 2:5, 3:6, 4:7] = 1
    label[0, 30:36, 20:26, 15:20] = 2
    return {"image": label * 100.0, "label": label}


def _patches(count, **options):
    transform = Compose([patch_of_a_class(PATCH, 3, **options)])
    transform.set_random_state(seed=0)
    patches = [transform(_case()) for _ in range(count)]
    return [patch[0] if isinstance(patch, list) else patch for patch in patches]


def test_patches_have_the_size_that_was_asked_for_also_in_smaller_volumes():
    assert {tuple(p[key].shape) for p in _patches(10) for key in p} == {(1, *PATCH)}


def test_foreground_classes_are_drawn_equally_often_whatever_their_size():
    patches = _patches(120, background=0.0, prob=0.0)
    small = sum(bool((p["label"] == 1).any()) for p in patches)
    large = sum(bool((p["label"] == 2).any()) for p in patches)
    assert small + large >= 120
    assert 40 < small < 80


def test_a_structure_at_the_border_is_seen_whole():
    label = torch.zeros(1, 60, 30, 30)
    label[0, 0, 10:14, 10:14] = 1
    transform = Compose([patch_of_a_class(PATCH, 2, background=0.0, prob=0.0)])
    transform.set_random_state(seed=0)
    for _ in range(10):
        (patch,) = transform({"image": label, "label": label})
        assert bool((patch["label"][0, 0] == 1).any())


def test_image_and_label_are_deformed_alike():
    for patch in _patches(20, background=0.0, prob=1.0):
        organ, label = patch["image"] > 50, patch["label"] > 0
        assert bool(label.any())
        assert float((organ & label).sum()) / float((organ | label).sum()) > 0.6


@pytest.mark.parametrize("intensities", [mr_intensities, ct_intensities])
def test_intensities_leave_the_label_alone_and_stay_finite(intensities):
    transform = Compose([intensities()])
    transform.set_random_state(seed=3)
    image = torch.randn(1, *PATCH)
    outs = [transform({"image": image.clone(), "label": torch.ones(1, *PATCH)}) for _ in range(30)]
    assert all(bool((out["label"] == 1).all()) and bool(out["image"].isfinite().all()) for out in outs)
    assert sum(not torch.equal(out["image"].as_tensor(), image) for out in outs) > 20
