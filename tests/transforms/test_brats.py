"""Conventions of the label values and the regions that overlap, as the challenges define them."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.transforms import ConvertBratsLabelsd, LabelsOfRegionsd
from monai_unet.transforms.brats import convert_labels, regions_of


@pytest.mark.parametrize(
    ("convention", "stored"),
    [
        ("BraTS 2013", [0, 1, 2, 3, 4]),
        ("BraTS 2018", [0, 1, 2, 1, 4]),
        ("BraTS 2023", [0, 1, 2, 1, 3]),
        ("Decathlon", [0, 2, 1, 2, 3]),
    ],
)
def test_every_convention_gives_the_same_parts(convention, stored):
    """Background, necrosis, oedema, non-enhancing, enhancing."""
    converted = convert_labels(np.array(stored)[None, None], convention)
    assert converted.ravel().tolist() == [0, 1, 2, 1, 3]


def test_a_value_that_the_convention_does_not_have_is_refused_by_name():
    with pytest.raises(InputError, match=r"case_7 holds the value 4, which 'BraTS 2023' does not have"):
        convert_labels(np.array([[[0, 4]]]), "BraTS 2023", name="case_7")
    with pytest.raises(InputError, match="no label convention 'BraTS 1999'"):
        convert_labels(np.zeros((1, 1, 1)), "BraTS 1999")


def test_regions_are_those_of_the_challenge():
    """Whole tumour: all; core: all but oedema; enhancing (Menze et al. 2015, table III)."""
    masks = regions_of(torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    assert masks.tolist() == [[0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]]


def test_labels_and_regions_are_each_others_inverse():
    labels = torch.randint(0, 4, (1, 6, 5, 4), generator=torch.Generator().manual_seed(0)).float()
    back = LabelsOfRegionsd("pred")({"pred": regions_of(labels)})["pred"]
    assert torch.equal(back, labels)


def test_parts_below_the_volume_are_removed():
    masks = torch.zeros(3, 20, 20, 20)
    masks[0, 2:4, 2:4, 2:4] = 1
    masks[:2, 10:16, 10:16, 10:16] = 1
    volume = MetaTensor(masks, affine=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
    # 8 voxels of 8 mm³ are 0.064 ml, 216 are 1.7 ml
    kept = LabelsOfRegionsd("pred", smallest_ml=0.1)({"pred": volume})["pred"]
    assert int((kept > 0).sum()) == 216
    assert int((LabelsOfRegionsd("pred", smallest_ml=0.05)({"pred": volume})["pred"] > 0).sum()) == 224


def test_a_case_states_its_convention():
    data = {"label": torch.tensor([[[[0.0, 4.0]]]]), "convention": "BraTS 2015"}
    assert ConvertBratsLabelsd("label")(data)["label"].ravel().tolist() == [0, 3]
