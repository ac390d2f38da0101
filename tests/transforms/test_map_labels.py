"""Values of label maps as class indices, and back."""

from __future__ import annotations

import pytest
import torch

from monai_unet.errors import InputError
from monai_unet.transforms import IGNORED, LabelsOfMasksd, LabelValuesd, MapLabelsd, MasksOfLabelsd


def test_gaps_are_closed_and_opened_again() -> None:
    given = torch.tensor([[[[0, 1, 4, 9]]]], dtype=torch.float32)
    indices = MapLabelsd("label", values=[1, 4, 9])({"label": given})["label"]
    assert indices.flatten().tolist() == [0, 1, 2, 3]
    back = LabelValuesd("label", values=[1, 4, 9])({"label": indices})["label"]
    assert torch.equal(back, given)


def test_several_values_of_one_class_and_voxels_that_nobody_annotated() -> None:
    given = torch.tensor([[[[0, 1, 2, 7]]]])
    indices = MapLabelsd("label", values=[[1, 2]], ignore=7)({"label": given})["label"]
    assert indices.flatten().tolist() == [0, 1, 1, IGNORED]


def test_all_unknown_values_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"holds the values 3, 5, which the plan does not know \(it knows 0, 1\)"):
        MapLabelsd("label", values=[1])({"label": torch.tensor([[[[0, 3, 5, 1]]]])})


def test_regions_overlap_and_are_painted_in_their_order() -> None:
    indices = torch.tensor([[[[0, 1, 2, 3]]]], dtype=torch.uint8)
    masks = MasksOfLabelsd("label", regions=[[1, 2, 3], [2, 3], [3]])({"label": indices})["label"]
    assert masks[:, 0, 0].tolist() == [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    assert torch.equal(LabelsOfMasksd("label", values=[1, 2, 3])({"label": masks})["label"].byte(), indices)
