"""The answer without weights: sensible from one click, obedient to every prompt, defined on odd input."""

from __future__ import annotations

import time

import numpy as np
import pytest
from editing_cases import grid_of_shape, point, world
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction import Answer, Prompt
from monai_unet.interaction.answering.classical import ClassicalAnswerer


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def full(answer: Answer, current: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask = current.copy()
    mask[answer.box] = answer.mask
    return mask


def ball_image(radius_mm: float, shape: tuple[int, int, int] = (25, 70, 70)) -> tuple[NDArray[np.float32], NDArray]:
    """A ball of 100 in noise around 0, in the middle of a grid of 3×1×1 mm."""
    offsets = [(np.arange(n) - n // 2) * s for n, s in zip(shape, (3, 1, 1), strict=True)]
    distance = np.sqrt(offsets[0][:, None, None] ** 2 + offsets[1][:, None] ** 2 + offsets[2] ** 2)
    inside = distance <= radius_mm
    noise = np.random.default_rng(0).normal(0, 10, shape)
    return (100 * inside + noise).astype(np.float32), inside


def ask(image: NDArray, grid: Grid, *prompts: Prompt, current: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    answerer = ClassicalAnswerer()
    answerer.start(image, grid)
    mask = np.zeros(grid.shape, bool) if current is None else current
    for count in range(1, len(prompts) + 1):
        mask = full(answerer.answer(prompts[:count], mask), mask)
    return mask


@pytest.mark.parametrize("radius", [6.0, 12.0, 28.0])
def test_one_click_finds_an_object_of_any_size(radius: float) -> None:
    image, inside = ball_image(radius)
    assert dice(ask(image, grid_of_shape(25, 70, 70), point(12, 35, 35)), inside) > 0.8


def test_an_affine_change_of_intensities_changes_nothing() -> None:
    image, _ = ball_image(12.0)
    grid = grid_of_shape(25, 70, 70)
    expected = ask(image, grid, point(12, 35, 35))
    assert dice(ask(image * 1e-4 + 3, grid, point(12, 35, 35)), expected) > 0.99
    assert dice(ask(-500 * image, grid, point(12, 35, 35)), expected) > 0.99


def test_an_excluding_click_takes_away_what_is_wrong_and_leaves_the_rest() -> None:
    image, inside = ball_image(12.0)
    wrong = inside.copy()
    wrong[10:15, 50:60, 30:40] = True
    corrected = ask(image, grid_of_shape(25, 70, 70), point(12, 55, 35, positive=False), current=wrong)
    assert dice(corrected, inside) > dice(wrong, inside)
    assert (corrected & inside).sum() > 0.9 * inside.sum()


def test_an_including_click_adds_what_is_missing() -> None:
    image, inside = ball_image(12.0)
    half = inside.copy()
    half[:, :, 35:] = False
    added = ask(image, grid_of_shape(25, 70, 70), point(12, 35, 41), current=half)
    assert dice(added, inside) > dice(half, inside) + 0.1


def marks_hold(mask: NDArray[np.bool_], marks: dict[tuple[int, int, int], bool]) -> bool:
    return all(mask[voxel] == positive for voxel, positive in marks.items())


def test_a_voxel_that_was_marked_is_what_it_was_marked_as() -> None:
    random = np.random.default_rng(3)
    image, _ = ball_image(10.0)
    answerer, grid = ClassicalAnswerer(), grid_of_shape(25, 70, 70)
    answerer.start(image, grid)
    mask, prompts, marks = np.zeros(grid.shape, bool), [], {}
    for _ in range(12):
        voxel = tuple(int(v) for v in random.integers(0, grid.shape))
        positive = bool(random.integers(2))
        prompts.append(point(*voxel, positive=positive))
        marks[voxel] = positive
        mask = full(answerer.answer(prompts, mask), mask)
        assert marks_hold(mask, marks)


def test_of_contradictory_prompts_the_newer_holds() -> None:
    image, _ = ball_image(10.0)
    grid = grid_of_shape(25, 70, 70)
    assert not ask(image, grid, point(12, 35, 35), point(12, 35, 35, positive=False))[12, 35, 35]
    assert ask(image, grid, point(12, 35, 35, positive=False), point(12, 35, 35))[12, 35, 35]


def test_a_scribble_is_in_the_answer_and_grows_along_its_length() -> None:
    image = np.random.default_rng(0).normal(0, 5, (25, 70, 70)).astype(np.float32)
    image[10:15, 30:40, 5:65] += 100
    line = Prompt("scribble", True, np.concatenate([world(12, 35, 8), world(12, 35, 62)]), axis=0)
    mask = ask(image, grid_of_shape(25, 70, 70), line)
    assert mask[12, 35, 8:63].all()
    assert dice(mask, image > 50) > 0.7


def test_a_lasso_or_box_around_an_object_gives_about_the_object() -> None:
    image, inside = ball_image(12.0)
    grid = grid_of_shape(25, 70, 70)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = [world(12, 35 + 12.5 * np.sin(a), 35 + 12.5 * np.cos(a)) for a in angles]
    corners = np.concatenate([world(8, 23, 23), world(16, 47, 47)])
    flat = np.concatenate([world(12, 23, 23), world(12, 47, 47)])
    for prompt in (
        Prompt("lasso", True, np.concatenate(circle), axis=0),
        Prompt("box", True, corners),
        Prompt("box", True, flat, axis=0),
    ):
        assert dice(ask(image, grid, prompt), inside) > 0.85


def test_a_negative_box_clears_its_voxels_and_no_other() -> None:
    image, inside = ball_image(12.0)
    corners = np.concatenate([world(0, 0, 0), world(24, 34, 69)])
    cleared = ask(image, grid_of_shape(25, 70, 70), Prompt("box", False, corners), current=inside)
    assert not cleared[:, :35].any()
    assert np.array_equal(cleared[:, 35:], inside[:, 35:])


def odd_inputs() -> list[tuple[str, NDArray, Grid]]:
    random = np.random.default_rng(0)
    coarse = np.array([[0, 0, 0.5, 0], [0, 0.5, 0, 0], [5, 0, 0, 0], [0, 0, 0, 1]])
    holes = random.normal(size=(9, 30, 30)).astype(np.float32)
    holes[:, ::2] = np.nan
    holes[4, 15, 15], holes[0, 0, 0] = np.nan, np.inf
    return [
        ("5×5×5", random.normal(size=(5, 5, 5)).astype(np.float32), grid_of_shape(5, 5, 5)),
        ("one voxel", np.zeros((1, 1, 1), np.float32), grid_of_shape(1, 1, 1)),
        ("one slice", random.normal(size=(1, 40, 40)).astype(np.float32), grid_of_shape(1, 40, 40)),
        ("anisotropy 10:1", random.normal(size=(7, 60, 60)).astype(np.float32), Grid((7, 60, 60), coarse)),
        ("constant", np.full((9, 30, 30), 7, np.int16), grid_of_shape(9, 30, 30)),
        ("NaN and infinity", holes, grid_of_shape(9, 30, 30)),
    ]


@pytest.mark.parametrize(("image", "grid"), [p[1:] for p in odd_inputs()], ids=[p[0] for p in odd_inputs()])
@pytest.mark.parametrize("start", ["empty", "full"])
@pytest.mark.parametrize("positive", [True, False])
def test_odd_input_has_a_defined_answer(image: NDArray, grid: Grid, start: str, positive: bool) -> None:
    answerer = ClassicalAnswerer()
    answerer.start(image, grid)
    current = np.full(grid.shape, start == "full")
    middle = tuple(n // 2 for n in grid.shape)
    place = (grid.affine[:3, :3] @ middle + grid.affine[:3, 3])[None]
    mask = full(answerer.answer([Prompt("point", positive, place)], current), current)
    assert mask[middle] == positive
    if positive == (start == "full"):
        assert np.array_equal(mask, current)  # nothing was wrong


def test_a_sphere_stays_a_sphere_in_millimetres_at_ten_to_one() -> None:
    affine = np.diag([0.0, 0, 0, 1])
    affine[0, 2] = affine[1, 1] = 0.5
    affine[2, 0] = 5.0
    grid = Grid((13, 120, 120), affine)
    offsets = [(np.arange(n) - n // 2) * s for n, s in zip(grid.shape, (5, 0.5, 0.5), strict=True)]
    inside = offsets[0][:, None, None] ** 2 + offsets[1][:, None] ** 2 + offsets[2] ** 2 <= 15**2
    image = (100 * inside + np.random.default_rng(0).normal(0, 5, grid.shape)).astype(np.float32)
    assert dice(ask(image, grid, Prompt("point", True, np.array([[30.0, 30.0, 30.0]]))), inside) > 0.85


def test_what_cannot_be_answered_is_one_sentence() -> None:
    answerer, grid = ClassicalAnswerer(), grid_of_shape(5, 6, 7)
    with pytest.raises(InputError, match="no finite voxel"):
        answerer.start(np.full((5, 6, 7), np.nan), grid)
    with pytest.raises(InputError, match="one channel"):
        answerer.start(np.zeros((2, 5, 6, 7)), grid)
    answerer.start(np.zeros((5, 6, 7)), grid)
    with pytest.raises(InputError, match="outside the image"):
        answerer.answer([point(9, 0, 0)], np.zeros((5, 6, 7), bool))


def test_a_click_on_a_brain_sized_volume_costs_less_than_a_second() -> None:
    shape = (155, 240, 240)
    grid = Grid(shape, np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]))
    image = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    image[40:110, 60:150, 60:150] += 8
    answerer = ClassicalAnswerer()
    answerer.start(image, grid)
    mask, prompts = np.zeros(shape, bool), []
    for place, positive in (((105.0, 105.0, 75.0), True), ((65.0, 65.0, 45.0), True), ((155.0, 105.0, 75.0), False)):
        prompts.append(Prompt("point", positive, np.array([place])))
        started = time.process_time()
        mask = full(answerer.answer(prompts, mask), mask)
        assert time.process_time() - started < 1.0
    assert mask[40:110, 60:150, 60:150].mean() > 0.5
