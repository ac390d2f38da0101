"""The mean Dice by which weights are chosen says the truth for any set of classes."""

from __future__ import annotations

import math

import pytest
import torch

from monai_unet.errors import InputError
from monai_unet.training import LabelDice


def maps(*rows: list[int]) -> torch.Tensor:
    """Label maps (N, 1, 1, 1, voxels)."""
    return torch.tensor(rows, dtype=torch.float32)[:, None, None, None]


def dice(metric: LabelDice, drawn: torch.Tensor, true: torch.Tensor) -> float:
    metric.reset()
    metric(y_pred=drawn, y=true)
    return float(metric.aggregate())


def test_a_class_that_exists_nowhere_is_no_success() -> None:
    """Of two classes only the first exists; it is missed. Before, the mean was 0.5."""
    assert dice(LabelDice([1, 2]), maps([0, 0, 0]), maps([1, 1, 0])) == 0
    half = dice(LabelDice([1, 2]), maps([1, 0, 0, 0]), maps([1, 1, 1, 0]))
    assert half == pytest.approx(0.5)


def test_a_class_that_exists_nowhere_and_is_drawn_counts() -> None:
    assert dice(LabelDice([1, 2]), maps([1, 1, 2]), maps([1, 1, 0])) == pytest.approx(0.5)


def test_a_case_without_a_class_that_others_have_counts_as_right_where_nothing_was_drawn() -> None:
    assert dice(LabelDice([1]), maps([0, 0], [1, 1]), maps([0, 0], [1, 1])) == 1
    assert dice(LabelDice([1]), maps([0, 1], [1, 1]), maps([0, 0], [1, 1])) == pytest.approx(0.5)


def test_a_value_that_is_no_class_is_refused() -> None:
    with pytest.raises(InputError, match="holds the value 3"):
        dice(LabelDice([1, 2]), maps([1, 1]), maps([1, 3]))


def test_ignored_voxels_count_for_nothing() -> None:
    assert dice(LabelDice([1], ignore=9), maps([1, 1, 1]), maps([1, 9, 9])) == 1


def test_regions_of_several_values() -> None:
    assert dice(LabelDice([[1, 2], [2]]), maps([1, 1, 1]), maps([1, 2, 0])) == pytest.approx((0.8 + 0) / 2)


def test_no_class_at_all_is_no_number() -> None:
    assert math.isnan(dice(LabelDice([1]), maps([0, 0]), maps([0, 0])))
