"""A sequence in the wrong slot is noticed where intensities contradict it."""

import numpy as np
import pytest
import torch
from brain_phantom import sequences
from monai.data import MetaTensor

from monai_unet.io.datasets.sequence_check import sequence_warnings

NAMES = ("FLAIR", "T1", "T1c", "T2")


def _image(order):
    images, _ = sequences(tumour=False)
    channels = [images[name] if name else np.zeros_like(images["t1"]) for name in order]
    big = np.stack(channels).repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)
    return MetaTensor(torch.from_numpy(big.astype(np.float32)), affine=torch.eye(4))


def test_the_right_order_is_not_remarked_upon():
    assert sequence_warnings(_image(("flair", "t1", "t1c", "t2")), NAMES) == []
    assert sequence_warnings(_image(("flair", None, "t1c", None)), NAMES) == []


@pytest.mark.parametrize(
    ("order", "pair"),
    [
        (("flair", "t2", "t1c", "t1"), "T1 and T1c"),
        (("flair", "t1", "t1c", "t1"), "T1 and T2"),
        (("t1", None, "t1c", None), "FLAIR and T1c"),
        ((None, "t2", None, "t2"), "T1 and T2"),
    ],
)
def test_a_sequence_in_the_wrong_slot_is(order, pair):
    found = sequence_warnings(_image(order), NAMES)
    assert any(sentence.startswith(f"{pair} are ") for sentence in found)
    assert all("was one given in the place of another?" in sentence for sentence in found)
