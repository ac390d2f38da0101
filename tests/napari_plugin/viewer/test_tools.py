"""Strokes as napari hands them out, on `ViewerModel`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from monai_unet.geometry import Grid
from monai_unet.interaction.prompts import Prompt
from napari_plugin.viewer.hanging import placed, show_plane
from napari_plugin.viewer.tools import PromptTool, outline_of

GRID = Grid((20, 30, 40), np.array([[0, 0, 1.5, -10], [0, 2.0, 0, 5], [2.5, 0, 0, 7], [0, 0, 0, 1.0]]))


def drawn(
    tool: PromptTool, viewer: Any, world: list[tuple[float, float, float]], modifiers: tuple[str, ...] = ()
) -> None:
    """Press at the first place, move over the others, release at the last."""
    event = SimpleNamespace(button=1, modifiers=modifiers, position=world[0], type="mouse_press")
    stroke = tool._on_press(viewer, event)
    if stroke is None:
        return
    next(stroke)
    for place in world[1:]:
        event.position, event.type = place, "mouse_move"
        next(stroke)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(stroke)


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.add_image(np.zeros(GRID.shape), **placed(GRID))
    show_plane(made, "axial")
    return made


@pytest.fixture
def given(viewer: ViewerModel) -> tuple[PromptTool, list[Prompt]]:
    prompts: list[Prompt] = []
    tool = PromptTool(lambda: GRID, prompts.append)
    tool.attach(viewer)
    return tool, prompts


def test_point_is_where_the_button_went_down(viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]) -> None:
    tool, prompts = given
    tool.choose("point")
    drawn(tool, viewer, [(5 * 2.5, 6 * 2.0, 7 * 1.5), (5 * 2.5, 6 * 2.0, 9 * 1.5)])
    # R mm = -10 + 1.5 · 7, A mm = 5 + 2 · 6, S mm = 7 + 2.5 · 5
    np.testing.assert_allclose(prompts[0].world, [[0.5, 17.0, 19.5]])
    assert prompts[0].positive


def test_shift_turns_the_sign_for_one_stroke(viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]) -> None:
    tool, prompts = given
    tool.choose("point")
    drawn(tool, viewer, [(10.0, 10.0, 10.0)], ("Shift",))
    drawn(tool, viewer, [(10.0, 10.0, 10.0)])
    assert [prompt.positive for prompt in prompts] == [False, True]


@pytest.mark.parametrize(("plane", "axis"), [("axial", 0), ("coronal", 1), ("sagittal", 2)])
def test_lasso_and_box_hold_in_the_plane_they_were_drawn_in(
    viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]], plane: str, axis: int
) -> None:
    tool, prompts = given
    show_plane(viewer, plane)
    corners = [(10.0, 10.0, 10.0), (12.0, 14.0, 10.0), (12.0, 14.0, 20.0)]
    for kind in ("lasso", "box"):
        tool.choose(kind)  # type: ignore[arg-type]
        drawn(tool, viewer, corners)
    assert [(prompt.kind, prompt.axis, len(prompt.world)) for prompt in prompts] == [
        ("lasso", axis, 3),
        ("box", axis, 2),
    ]


def test_mere_click_is_no_box(viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]) -> None:
    tool, prompts = given
    tool.choose("box")
    drawn(tool, viewer, [(10.0, 10.0, 10.0)])
    assert prompts == []


def test_box_for_a_region_goes_there_and_not_to_the_session(
    viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]
) -> None:
    tool, prompts = given
    regions: list[Any] = []
    tool.choose("box")
    tool.region = regions.append
    drawn(tool, viewer, [(10.0, 10.0, 10.0), (10.0, 20.0, 30.0)])
    assert prompts == []
    assert regions[0].shape == (2, 3)
    drawn(tool, viewer, [(10.0, 10.0, 10.0), (10.0, 20.0, 30.0)])
    assert len(prompts) == 1


def test_tool_holds_the_camera_and_gives_it_back(viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]) -> None:
    tool, _ = given
    tool.choose("scribble")
    assert not viewer.scene.camera.mouse_pan
    tool.detach()
    assert viewer.scene.camera.mouse_pan
    assert tool._on_press not in viewer.mouse_drag_callbacks


def test_other_buttons_and_3d_draw_nothing(viewer: ViewerModel, given: tuple[PromptTool, list[Prompt]]) -> None:
    tool, prompts = given
    tool.choose("point")
    right = SimpleNamespace(button=2, modifiers=(), position=(1.0, 1.0, 1.0), type="mouse_press")
    assert tool._on_press(viewer, right) is None
    viewer.dims.ndisplay = 3
    drawn(tool, viewer, [(1.0, 1.0, 1.0)])
    assert prompts == []


def test_outline_of_a_box_is_its_four_corners_in_the_plane() -> None:
    outline = outline_of("box", np.array([[3.0, 1.0, 2.0], [3.0, 5.0, 8.0]]), 0)
    assert outline[:, 1:].tolist() == [[1, 2], [5, 2], [5, 8], [1, 8], [1, 2]]
    assert (outline[:, 0] == 3.0).all()
