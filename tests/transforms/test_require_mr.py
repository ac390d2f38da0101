"""CT is refused by what DICOM states, or by its air."""

import pytest
import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.transforms import RequireMRd


def _image(lowest, **meta):
    return {"image": MetaTensor(torch.full((1, 3, 3, 3), float(lowest)), meta=meta)}


def test_mr_passes_untouched():
    for case in (_image(0), _image(-40), _image(-900, modality="MR")):
        assert RequireMRd("image")(case) is case


@pytest.mark.parametrize(
    ("case", "said"), [(_image(-1024), "-1024, as in CT"), (_image(0, modality="CT"), "the volume is CT")]
)
def test_ct_is_refused(case, said):
    with pytest.raises(InputError, match=said):
        RequireMRd("image")(case)
