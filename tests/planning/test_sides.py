"""Left and right by name: what changes places when a patient is mirrored, and what must not be mirrored."""

from __future__ import annotations

import pytest

from monai_unet.planning.sides import Sides, sides_of


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["right parotid", "left parotid"], ((2, 1),)),
        (["Parotid_L", "Parotid_R"], ((1, 2),)),
        (["kidneyLeft", "kidneyRight"], ((1, 2),)),
        (["lh-hippocampus", "rh-hippocampus"], ((1, 2),)),
        (["Niere links", "Niere rechts"], ((1, 2),)),
        (["left lateral ventricle", "right lateral ventricle"], ((1, 2),)),
        (["femur_left", "hip_right", "femur_right", "hip_left"], ((1, 3), (4, 2))),
    ],
)
def test_partners_by_name(names: list[str], pairs: tuple[tuple[int, int], ...]) -> None:
    assert sides_of(names) == Sides(pairs=pairs)


@pytest.mark.parametrize(
    ("names", "alone"),
    [
        (["left kidney", "spleen"], (1,)),
        # a mirrored heart is no heart
        (["right ventricle", "myocardium", "left ventricle"], (1, 3)),
        (["left atrium", "right atrium"], (1, 2)),
        (["lung_upper_lobe_left", "lung_upper_lobe_right"], (1, 2)),
    ],
)
def test_sided_without_a_mirror_image(names: list[str], alone: tuple[int, ...]) -> None:
    assert sides_of(names) == Sides(alone=alone)


@pytest.mark.parametrize(
    "names", [["liver", "tumour"], ["region L", "lesion"], ["anterior", "posterior"], ["L1", "L2"]]
)
def test_names_without_a_side(names: list[str]) -> None:
    assert sides_of(names) == Sides()
