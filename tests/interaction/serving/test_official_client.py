"""nnInteractive's own client drives our server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from served_editor import SPACING, served_editor, two_balls

from monai_unet.geometry import Grid
from monai_unet.interaction import Prompt, build_answerer
from monai_unet.interaction.serving import PromptServer

remote = pytest.importorskip("nnInteractive.inference.remote", reason="needs nninteractive-client")
httpx = pytest.importorskip("httpx")
IMAGE = two_balls()
GRID = Grid(IMAGE.shape, np.diag([*SPACING, 1.0]))  # type: ignore[arg-type]
FIRST, SECOND = (10, 20, 20), (10, 40, 45)


@pytest.fixture(scope="module")
def server() -> Iterator[PromptServer]:
    with served_editor() as made:
        yield made


@pytest.fixture
def client(server: PromptServer) -> Iterator[Any]:
    with remote.nnInteractiveRemoteInferenceSession(server.address) as session:
        session.set_image(IMAGE[None], {"spacing": np.array(SPACING)})
        session.set_target_buffer(np.zeros(IMAGE.shape, np.uint8))
        yield session


def in_process(*prompts: tuple[tuple[int, int, int], bool], mask: Any = None) -> np.ndarray:
    """The same clicks, answered without a server."""
    answerer = build_answerer("classical")
    answerer.start(IMAGE, GRID)
    mask = np.zeros(IMAGE.shape, bool) if mask is None else mask.copy()
    said: list[Prompt] = []
    for place, positive in prompts:
        said.append(Prompt("point", positive, GRID.to_world([place])))
        answer = answerer.answer(tuple(said), mask)
        mask[answer.box] = answer.mask
    return mask


def test_clicks_give_what_they_give_without_a_server(client: Any) -> None:
    for count, (place, positive) in enumerate([(FIRST, True), (SECOND, True), ((10, 20, 24), False)], start=1):
        client.add_point_interaction(place, include_interaction=positive)
        asked = [(FIRST, True), (SECOND, True), ((10, 20, 24), False)][:count]
        np.testing.assert_array_equal(client.target_buffer, in_process(*asked))
    assert client.target_buffer[FIRST] == 1
    assert client.target_buffer[10, 20, 24] == 0


def test_undo_takes_back_one_step_after_the_other(client: Any) -> None:
    client.add_point_interaction(FIRST, include_interaction=True)
    one = client.target_buffer.copy()
    client.add_point_interaction(SECOND, include_interaction=True)
    assert (client.target_buffer != one).any()
    assert client.undo()
    np.testing.assert_array_equal(client.target_buffer, one)
    client.add_point_interaction((10, 20, 24), include_interaction=False)
    np.testing.assert_array_equal(client.target_buffer, in_process((FIRST, True), ((10, 20, 24), False)))
    assert client.undo()
    assert client.undo()
    assert not client.target_buffer.any()
    assert not client.undo()


def test_prompts_may_wait_for_one_prediction(client: Any) -> None:
    client.add_point_interaction(FIRST, include_interaction=True, run_prediction=False)
    client.add_point_interaction(SECOND, include_interaction=True, run_prediction=False)
    assert not client.target_buffer.any()
    assert client._predict() is not None
    np.testing.assert_array_equal(client.target_buffer, in_process((FIRST, True), (SECOND, True)))
    assert client._predict() is None


def test_a_mask_to_begin_with_is_corrected_and_comes_back_by_undo(client: Any) -> None:
    given = np.zeros(IMAGE.shape, np.uint8)
    given[8:12, 15:25, 15:25] = 1
    client.add_initial_seg_interaction(given)
    np.testing.assert_array_equal(client.target_buffer, given)
    client.add_point_interaction(SECOND, include_interaction=True)
    np.testing.assert_array_equal(client.target_buffer, in_process((SECOND, True), mask=given > 0))
    assert client.undo()
    np.testing.assert_array_equal(client.target_buffer, given)
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        client.add_initial_seg_interaction(given, run_prediction=True)


def test_boxes_lines_and_lassos_are_answered(client: Any) -> None:
    client.add_bbox_interaction([[10, 11], [10, 31], [10, 31]], include_interaction=True)
    assert client.target_buffer[FIRST] == 1
    assert client.target_buffer[SECOND] == 0
    lasso = np.zeros(IMAGE.shape, np.uint8)
    lasso[10, 33:48, 38:53] = 1
    client.add_lasso_interaction(lasso, include_interaction=True)
    assert client.target_buffer[SECOND] == 1
    line = np.zeros((1, 12, 3), np.uint8)
    line[0, :, 1] = 1
    box = [[10, 11], [14, 26], [19, 22]]
    client.add_scribble_interaction(line, include_interaction=False, interaction_bbox=box)
    assert not client.target_buffer[10, 14:26, 20].any()
    assert client.target_buffer[SECOND] == 1
    client.reset_interactions()
    assert not client.target_buffer.any()
    client.add_bbox_interaction([[6, 15], [10, 31], [10, 31]], include_interaction=True)
    assert client.target_buffer[FIRST] == 1


def test_what_the_server_says_of_itself(client: Any) -> None:
    assert client.license == "Apache-2.0"
    assert client.supports_undo
    assert client.supports_initial_label
    assert not client.supports_zero_shot_label_refinement
    assert client.channel_mapping["points"] == (3, 4)
    assert client.ping()
    assert 590 < client.lease_status()["remaining_seconds"] <= 600
    assert 590 < client.heartbeat() <= 600
    client.set_do_autozoom(False)


@pytest.mark.parametrize("dtype", ["bool", "int16", "int64"])
def test_the_mask_has_the_type_that_the_client_wants(client: Any, dtype: str) -> None:
    client.set_target_buffer(np.zeros(IMAGE.shape, dtype))
    client.add_point_interaction(FIRST, include_interaction=True)
    assert client.target_buffer.dtype == dtype
    np.testing.assert_array_equal(client.target_buffer > 0, in_process((FIRST, True)))


def test_two_clients_do_not_see_each_other(server: PromptServer, client: Any) -> None:
    client.add_point_interaction(FIRST, include_interaction=True)
    before = client.target_buffer.copy()
    with remote.nnInteractiveRemoteInferenceSession(server.address) as other:
        other.set_image(IMAGE[None, ::-1].copy())
        other.set_target_buffer(np.zeros(IMAGE.shape, np.uint8))
        other.add_point_interaction((9, 40, 45), include_interaction=True)
        assert other.target_buffer.any()
    client.add_point_interaction(SECOND, include_interaction=True)
    assert (client.target_buffer >= before).all()
    np.testing.assert_array_equal(client.target_buffer, in_process((FIRST, True), (SECOND, True)))


def test_the_key_is_asked_for_of_everything_but_whether_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NN_INTERACTIVE_API_KEY", "a key of many letters")
    with served_editor() as server:
        with remote.nnInteractiveRemoteInferenceSession(server.address) as session:
            assert session.license == "Apache-2.0"
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            remote.nnInteractiveRemoteInferenceSession(server.address, api_key="another key of letters")
        assert httpx.get(f"{server.address}/healthz").json() == {"ok": True}
        assert httpx.get(f"{server.address}/readyz").json() == {"ready": True}
        assert httpx.get(f"{server.address}/capabilities").status_code == 401


def test_a_session_too_many_is_told_so_and_one_that_ended_too() -> None:
    with served_editor(sessions=1) as server:
        first = remote.nnInteractiveRemoteInferenceSession(server.address)
        with pytest.raises(remote.ServerAtCapacityError, match="1 sessions"):
            remote.nnInteractiveRemoteInferenceSession(server.address)
        server.leases.close()
        with pytest.raises(remote.SessionExpiredError, match="connect again"):
            first.set_image(IMAGE[None])
        remote.nnInteractiveRemoteInferenceSession(server.address).close()
        first.close()
