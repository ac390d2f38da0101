import torch
from monai.transforms import Compose

from monai_unet.transforms import RandMirrorSidesd


def _case():
    """A right organ (3) at low R, a left one (4) at high R, a midline one (1)."""
    label = torch.zeros(1, 2, 2, 6)
    label[..., 0], label[..., 2], label[..., 5] = 3, 1, 4
    image = torch.arange(6.0).expand(1, 2, 2, 6).clone()
    return {"image": image, "label": label}


def test_a_mirrored_patient_keeps_right_on_the_right():
    case = _case()
    out = RandMirrorSidesd(["image", "label"], pairs=[[3, 4]], prob=1.0)(case)
    assert out["label"][0, 0, 0].tolist() == [3, 0, 0, 1, 0, 4]
    assert out["image"][0, 0, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert case["label"][0, 0, 0].tolist() == [3, 0, 1, 0, 0, 4], "the cached case must stay as it was"


def test_without_pairs_it_is_a_plain_flip():
    out = RandMirrorSidesd(["image", "label"], prob=1.0)(_case())
    assert out["label"][0, 0, 0].tolist() == [4, 0, 0, 1, 0, 3]


def test_half_of_the_cases_are_mirrored_and_the_seed_says_which():
    def mirrored(seed):
        transform = Compose([RandMirrorSidesd(["image", "label"], pairs=[[3, 4]], prob=0.5)])
        transform.set_random_state(seed=seed)
        return [float(transform(_case())["image"][0, 0, 0, 0]) == 5 for _ in range(200)]

    assert mirrored(1) == mirrored(1) != mirrored(2)
    assert 70 < sum(mirrored(1)) < 130
