"""The simulated user clicks where a formula says, and the scores after each click are those of the masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from editing_cases import AFFINE, CubeAnswerer, grid_of_shape
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation.clicks.benchmark import SEED, Click, Curve, next_click, run_case
from monai_unet.evaluation.clicks.report import CaseCurve, reach, rows_of
from monai_unet.geometry import Grid
from monai_unet.geometry.boxes import whole_box
from monai_unet.interaction import Answer, Prompt


def finish(steps: Any) -> Curve:
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def click(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Click | None:
    return next_click(predicted, reference, grid_of_shape(*reference.shape), np.random.default_rng(SEED))


def block(*spans: tuple[int, int], shape: tuple[int, int, int] = (9, 21, 21)) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


def test_the_click_is_in_the_middle_of_the_largest_missing_part() -> None:
    reference = block((0, 9), (5, 14), (5, 14)) | block((0, 1), (18, 21), (18, 21))
    found = click(np.zeros_like(reference), reference)
    assert found is not None
    # 9 slices of 3 mm and 9 voxels of 1 mm: the middle line is 5 mm deep, at 3 mm per slice from slice 1 on
    assert found.voxel[1:] == (9, 9)
    assert 1 <= found.voxel[0] <= 7
    assert found.positive
    assert found.world == pytest.approx((AFFINE[:3, :3] @ found.voxel + AFFINE[:3, 3]).tolist())


def test_too_much_and_missing_are_told_apart_where_they_touch() -> None:
    reference, predicted = block((0, 9), (0, 21), (0, 8)), block((0, 9), (0, 21), (5, 19))
    found = click(predicted, reference)
    assert found is not None
    assert not found.positive
    assert found.voxel[2] == 13  # of 8 to 18


def test_depth_is_in_millimetres_and_the_edge_of_the_image_is_outside() -> None:
    reference = np.ones((4, 21, 21), bool)
    found = click(np.zeros_like(reference), reference)
    assert found is not None
    assert found.voxel[0] in (1, 2)
    assert click(reference, reference) is None


def test_the_seed_decides_between_equal_places_and_is_repeatable() -> None:
    reference = block((0, 9), (3, 6), (0, 21))
    places = [
        next_click(np.zeros_like(reference), reference, grid_of_shape(9, 21, 21), np.random.default_rng(seed))
        for seed in (1, 1, 2, 3, 4)
    ]
    assert places[0] == places[1]
    assert len({place.voxel for place in places if place}) > 1


class Oracle:
    """Gives the reference after the third click."""

    name = "oracle"

    def __init__(self, reference: NDArray[np.bool_]) -> None:
        self.reference = reference

    def start(self, image: NDArray[Any], grid: Grid) -> None:
        pass

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        return Answer(whole_box(current.shape), self.reference if len(prompts) >= 3 else current.copy())


def test_scores_stand_before_the_first_click_and_after_each() -> None:
    reference = block((0, 9), (5, 14), (5, 14))
    image = np.zeros(reference.shape, np.float32)
    curve = finish(run_case(image, grid_of_shape(9, 21, 21), reference, Oracle(reference), clicks=5))
    assert curve.dice == [0, 0, 0, 1, 1, 1]
    assert curve.nsd == [0, 0, 0, 1, 1, 1]
    assert len(curve.milliseconds) == 6
    assert curve.milliseconds[4:] == [0, 0]
    assert len(curve.clicks) == 3
    assert curve.clicks_to(0.9) == 3
    assert curve.clicks_to(1.1) is None
    assert curve.mask is not None
    assert np.array_equal(curve.mask, reference)


def test_an_initial_mask_is_what_the_first_score_is_of() -> None:
    reference, initial = block((0, 9), (5, 14), (5, 14)), block((0, 9), (5, 14), (5, 8))
    image = np.zeros(reference.shape, np.float32)
    grid = grid_of_shape(9, 21, 21)
    curve = finish(run_case(image, grid, reference, Oracle(reference), clicks=1, initial=initial))
    assert curve.dice[0] == pytest.approx(2 * 3 / (3 + 9))
    assert curve.clicks[0].voxel[2] in (10, 11)  # the two middle ones of the missing 8 to 13


def test_obeying_the_click_alone_earns_nothing_outside_the_ball() -> None:
    class Obedient(Oracle):
        def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
            mask = current.copy()
            mask[4, 9, 9] = True
            return Answer(whole_box(current.shape), mask)

    reference = block((3, 6), (5, 14), (5, 14))
    grid, image = grid_of_shape(9, 21, 21), np.zeros((9, 21, 21), np.float32)
    curve = finish(run_case(image, grid, reference, Obedient(reference), clicks=1))
    assert curve.dice[1] == pytest.approx(2 / (1 + 243))
    assert curve.dice_outside[1] == 0


def test_two_runs_click_the_same_places() -> None:
    reference = block((2, 7), (3, 15), (4, 18))
    image, grid = np.zeros(reference.shape, np.float32), grid_of_shape(9, 21, 21)
    first, second = (finish(run_case(image, grid, reference, CubeAnswerer(), clicks=6)) for _ in range(2))
    assert first.clicks == second.clicks
    assert first.dice == second.dice
    assert first.dice[6] > first.dice[1] > 0


def test_an_empty_or_other_reference_is_one_sentence_and_a_full_one_is_answered() -> None:
    grid, image = grid_of_shape(9, 21, 21), np.zeros((9, 21, 21), np.float32)
    with pytest.raises(InputError, match="reference is empty"):
        finish(run_case(image, grid, np.zeros((9, 21, 21), bool), CubeAnswerer()))
    with pytest.raises(InputError, match="voxels"):
        finish(run_case(image, grid, np.ones((9, 21, 20), bool), CubeAnswerer()))
    curve = finish(run_case(image, grid, np.ones((9, 21, 21), bool), CubeAnswerer(), clicks=1))
    assert curve.dice[1] == pytest.approx(2 * 125 / (125 + 9 * 21 * 21))


def test_means_over_cases_and_clicks_to_a_dice() -> None:
    curves = [
        Curve([0, 0.5, 0.9], [0, 0.4, 0.8], [0, 0.5, float("nan")], [1, 1, 1]),
        Curve([0.2, 0.7, 0.7], [0, 0.6, 0.6], [0, 0.7, 0.7], [1, 1, 1]),
    ]
    cases = [CaseCurve(str(n), "tumour", 1.0, curve) for n, curve in enumerate(curves)]
    rows = rows_of(cases)
    assert [row.dice.mean for row in rows] == pytest.approx([0.1, 0.6, 0.8])
    assert rows[2].outside.mean == pytest.approx(0.7)
    assert reach(cases, 0.85) == (1, 2.0)
    assert reach(cases, 0.95) == (0, None)
