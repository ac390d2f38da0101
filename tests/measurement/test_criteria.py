"""RECIST 1.1 and RANO on lesions whose diameters are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_unet.measurement import (
    Lesion,
    Target,
    bidimensional_product,
    is_node,
    measure_structure,
    rano_measurable,
    recist_objections,
    sum_of_diameters,
)


def bar(long: int, short: int, *, mm: float = 1.0, slice_mm: float = 5.0) -> Lesion:
    """A rectangle of so many voxels of `mm` in one slice; of a row its length is the longest diameter."""
    mask = np.zeros((1, short + 2, long + 2), bool)
    mask[0, 1 : 1 + short, 1 : 1 + long] = True
    found = measure_structure(mask, np.diag([slice_mm, mm, mm, 1.0]), normal_axis=0)
    assert found is not None
    return found


def test_product_is_that_of_the_two_perpendicular_diameters() -> None:
    # a row of 20 voxels of 1 mm: 20 mm long, 1 mm across
    line = bar(20, 1)
    assert (line.long_axis.length_mm, line.short_axis.length_mm) == (20.0, pytest.approx(1.0))
    assert bidimensional_product(line) == pytest.approx(20.0)
    # the same shape with voxels of 2 mm: 40 mm by 2 mm
    assert bidimensional_product(bar(20, 1, mm=2.0)) == pytest.approx(80.0)


def test_the_sum_takes_long_axes_and_of_nodes_the_short_ones() -> None:
    lesion, node = bar(20, 1), bar(30, 1, mm=2.0)
    assert sum_of_diameters([Target("a", lesion, "liver"), Target("b", lesion)]) == 40.0
    assert sum_of_diameters([Target("a", lesion), Target("n", node, "axillary node")]) == pytest.approx(22.0)
    assert sum_of_diameters([]) == 0
    assert [is_node(name) for name in ("nodes", "Nodal, left", "nodule", "node-like", "lung")] == [
        *(True, True),
        *(False, False, False),
    ]


def test_a_target_must_be_large_enough_for_the_slices() -> None:
    at_ten, below = Target("a", bar(10, 1)), Target("b", bar(9, 1))
    assert recist_objections([at_ten], 5.0) == ()
    (said,) = recist_objections([below], 5.0)
    assert "b:" in said
    assert "10 mm" in said
    assert "9.0 mm" in said
    # slices of 7 mm: twice 7
    (said,) = recist_objections([at_ten], 7.0)
    assert "14 mm" in said
    assert recist_objections([Target("c", bar(14, 1))], 7.0) == ()
    # a node by its short axis of 15 mm, whatever its long one
    assert "15 mm" in recist_objections([Target("n", bar(40, 1), "lymph node")], 1.0)[0]
    wide = Target("n", bar(40, 40), "lymph node")
    assert wide.diameter_mm > 15
    assert recist_objections([wide], 1.0) == ()


def test_at_most_five_and_two_of_an_organ() -> None:
    lesion = bar(20, 1)
    organs = ["liver", "Liver ", "lung", "lung", "brain"]
    five = [Target(str(n), lesion, organ) for n, organ in enumerate(organs)]
    assert recist_objections(five, 1.0) == ()
    six = recist_objections([*five, Target("6", lesion, "spleen")], 1.0)
    assert len(six) == 1
    assert "five" in six[0]
    three = recist_objections([*five[:2], Target("3", lesion, "LIVER")], 1.0)
    assert len(three) == 1
    assert "two" in three[0]
    assert "liver" in three[0]
    # nodes are one organ wherever they lie
    big = bar(40, 40)
    nodes = [Target(str(n), big, f"node, {where}") for n, where in enumerate(("neck", "axilla", "groin"))]
    assert "lymph nodes" in recist_objections(nodes, 1.0)[0]
    # two of nobody-knows-where may be of one organ; three may break the rule
    assert recist_objections([Target(str(n), lesion) for n in range(2)], 1.0) == ()
    assert "organ" in recist_objections([Target(str(n), lesion) for n in range(3)], 1.0)[0]


def test_rano_asks_for_both_diameters() -> None:
    square = bar(12, 12)
    assert rano_measurable(square, 5.0)
    assert not rano_measurable(bar(30, 5), 5.0)
    # 12 voxels across: about 16 mm in both diagonals; slices of 10 mm ask for 20
    assert not rano_measurable(square, 10.0)
