"""Which classes are scored lesion by lesion."""

from __future__ import annotations

import pytest

from monai_unet.errors import InputError
from monai_unet.evaluation.lesion_classes import lesion_values

LABELS = {0: "background", 1: "Liver", 2: "Liver tumour", 3: "Metastases"}


@pytest.mark.parametrize(
    ("chosen", "values"),
    [
        (None, (2, 3)),
        (["all"], (1, 2, 3)),
        (["none"], ()),
        (["liver"], (1,)),
        (("METASTASES", "liver"), (3, 1)),
    ],
)
def test_by_their_names_or_as_chosen(chosen: list[str] | None, values: tuple[int, ...]) -> None:
    assert lesion_values(LABELS, chosen) == values


def test_a_class_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="names spleen, and the classes are liver, liver tumour, metastases"):
        lesion_values(LABELS, ["spleen"])
