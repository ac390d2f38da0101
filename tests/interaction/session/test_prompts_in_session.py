"""The prompt list: a prompt can be taken out again and all others count as if it had never been."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from editing_cases import box, cubes, point, session_of, world

from monai_unet.errors import InputError
from monai_unet.interaction import Prompt, StaleReplyError


def test_removing_a_prompt_gives_what_the_others_alone_would_have_given() -> None:
    clicks = [point(2, 4, 4), point(2, 4, 8), point(2, 4, 6, positive=False), point(4, 8, 8)]
    session, plain = session_of(8, 14, 14), session_of(8, 14, 14)
    value, same = session.add_object("a"), plain.add_object("a")
    for click in clicks:
        session.add_prompt(value, click, cubes(session))
    assert [prompt.number for prompt in session.prompts(value)] == [1, 2, 3, 4]
    before = session.labels.copy()
    session.remove_prompt(3, cubes(session))
    for click in (clicks[0], clicks[1], clicks[3]):
        plain.add_prompt(same, click, cubes(plain))
    assert np.array_equal(session.labels, plain.labels)
    assert [prompt.number for prompt in session.prompts(value)] == [1, 2, 4]
    session.undo()
    assert np.array_equal(session.labels, before)
    assert [prompt.number for prompt in session.prompts(value)] == [1, 2, 3, 4]


def test_hand_work_between_prompts_survives_the_removal_of_one() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    session.paint(value, box((7, 8), (13, 14), (13, 14)))
    session.add_prompt(value, point(2, 4, 4), cubes(session))
    session.paint(value, box((6, 7), (0, 2), (0, 2)))
    session.erase(box((2, 3), (4, 5), (4, 5)))
    session.add_prompt(value, point(2, 9, 9), cubes(session))
    session.remove_prompt(2, cubes(session))
    expected = np.zeros((8, 14, 14), bool)
    expected[7, 13, 13] = True
    expected[0:5, 2:7, 2:7] = True
    expected[6, :2, :2] = True
    expected[2, 4, 4] = False
    assert np.array_equal(session.mask(value), expected)
    session.remove_prompt(1, cubes(session))
    assert np.argwhere(session.labels).tolist() == [[6, 0, 0], [6, 0, 1], [6, 1, 0], [6, 1, 1], [7, 13, 13]]
    assert session.prompts(value) == ()


def test_the_answerer_is_told_the_prompts_so_far_oldest_first() -> None:
    session = session_of(8, 14, 14)
    value, answerer = session.add_object("a"), cubes(session)
    for click in (point(2, 4, 4), point(2, 4, 8), point(2, 8, 8)):
        session.add_prompt(value, click, answerer)
    session.remove_prompt(2, answerer)
    assert answerer.calls == [(1,), (1, 2), (1, 2, 3), (1,), (1, 3)]


def test_a_replay_says_how_far_it_is_and_can_be_stopped() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    for click in (point(2, 4, 4), point(2, 4, 8), point(2, 8, 8)):
        session.add_prompt(value, click, cubes(session))
    before = session.labels.copy()
    steps = session.question_without(1).steps(cubes(session))
    assert next(steps) == (1, 2)
    steps.close()
    assert np.array_equal(session.labels, before)


def test_a_candidate_changes_no_label_until_it_is_accepted() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    session.add_prompt(value, point(2, 4, 4), cubes(session), candidate=True)
    session.add_prompt(value, point(2, 9, 9), cubes(session), candidate=True)
    assert not session.labels.any()
    assert session.candidate is not None
    assert session.candidate[1] == box((0, 5), (2, 12), (2, 12))
    shown = session.candidate[2]
    session.accept()
    assert np.array_equal(session.mask(value)[0:5, 2:12, 2:12], shown)
    assert session.candidate is None
    assert len(session.prompts(value)) == 2
    session.undo()
    assert session.candidate is not None
    assert not session.labels.any()
    session.drop()
    assert session.candidate is None
    assert session.prompts(value) == ()


def test_removing_a_prompt_of_a_candidate_leaves_a_candidate() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    for click in (point(2, 4, 4), point(2, 9, 9)):
        session.add_prompt(value, click, cubes(session), candidate=True)
    session.remove_prompt(1, cubes(session))
    assert session.candidate is not None
    assert session.candidate[1] == box((0, 5), (7, 12), (7, 12))
    assert not session.labels.any()


def test_hand_work_while_a_candidate_is_open_is_in_what_is_accepted() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    session.add_prompt(value, point(2, 4, 4), cubes(session), candidate=True)
    session.paint(value, box((7, 8), (0, 1), (0, 1)))
    session.accept()
    assert session.mask(value).sum() == 126
    session.remove_prompt(1, cubes(session))
    assert np.argwhere(session.labels).tolist() == [[7, 0, 0]]


def test_a_candidate_of_one_object_bars_that_of_another() -> None:
    session = session_of(8, 14, 14)
    first, second = session.add_object("a"), session.add_object("b")
    session.add_prompt(first, point(2, 4, 4), cubes(session), candidate=True)
    with pytest.raises(InputError, match="accept or drop"):
        session.add_prompt(second, point(2, 9, 9), cubes(session), candidate=True)


def test_an_answer_leaves_other_objects_but_for_voxels_that_were_marked() -> None:
    session = session_of(8, 14, 14)
    first, second = session.add_object("a"), session.add_object("b")
    session.paint(second, box((0, 8), (4, 14), (0, 14)))
    change = session.add_prompt(first, point(2, 5, 5), cubes(session))
    assert session.labels[2, 5, 5] == first
    assert session.mask(first).sum() == 1 + 25
    assert change.notes == ("99 voxels of b were left to it.",)
    session.undo()
    session.answers_take_others = True
    session.add_prompt(first, point(2, 5, 5), cubes(session))
    assert session.mask(first).sum() == 125


def test_an_answer_never_takes_from_a_locked_object_even_where_it_was_marked() -> None:
    session = session_of(8, 14, 14)
    first, safe = session.add_object("a"), session.add_object("safe")
    session.paint(safe, box((2, 3), (5, 6), (5, 6)))
    session.update_object(safe, locked=True)
    session.answers_take_others = True
    change = session.add_prompt(first, point(2, 5, 5), cubes(session))
    assert session.labels[2, 5, 5] == safe
    assert session.mask(first).sum() == 124
    assert "safe is locked" in change.notes[0]


def test_a_reply_to_an_object_that_was_changed_meanwhile_is_refused() -> None:
    session = session_of(8, 14, 14)
    value, other = session.add_object("a"), session.add_object("b")
    for meanwhile, fresh in (
        (lambda: session.paint(value, box((2, 3), (4, 5), (4, 5))), False),
        (lambda: session.paint(other, box((7, 8), (0, 1), (0, 1))), True),
        (lambda: session.add_prompt(value, point(3, 9, 9), cubes(session)), False),
        (lambda: session.delete_object(value), False),
    ):
        reply = session.question(value, point(2, 4, 4)).solve(cubes(session))
        meanwhile()
        if fresh:
            session.take(reply)
        else:
            with pytest.raises(StaleReplyError):
                session.take(reply)


def test_clearing_prompts_keeps_the_mask_and_begins_anew() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    session.add_prompt(value, point(2, 4, 4), cubes(session))
    session.clear_prompts(value)
    assert session.prompts(value) == ()
    session.add_prompt(value, point(2, 9, 9), cubes(session))
    session.remove_prompt(session.prompts(value)[0].number, cubes(session))
    assert session.mask(value).sum() == 125


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (point(-4, 2, 2), "The point lies 12 mm outside the image"),
        (Prompt("point", True, np.array([[np.nan, 0, 0]])), "finite"),
        (Prompt("point", True, np.zeros((0, 3))), "three finite millimetres"),
        (Prompt("box", True, np.concatenate([world(20, 0, 0), world(25, 3, 3)])), "outside the image"),
        (Prompt("scribble", True, np.concatenate([world(2, -9, 0), world(2, -9, 9)]), radius=2.0), "outside the image"),
    ],
)
def test_a_prompt_that_is_not_in_the_image_is_one_sentence_and_no_step(prompt: Prompt, sentence: str) -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    with pytest.raises(InputError, match=sentence):
        session.add_prompt(value, prompt, cubes(session))
    assert session.undo_text == "add a"


def test_wrong_prompt_calls_are_one_sentence() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    with pytest.raises(InputError, match="no object with label 9"):
        session.question(9, point(1, 1, 1))
    with pytest.raises(InputError, match="no prompt number 3"):
        session.question_without(3)
    session.add_prompt(value, point(1, 1, 1), cubes(session))
    session.update_object(value, locked=True)
    with pytest.raises(InputError, match="a is locked"):
        session.add_prompt(value, point(1, 1, 1), cubes(session))
    with pytest.raises(InputError, match="a is locked"):
        session.remove_prompt(1, cubes(session))


def test_a_prompt_keeps_what_it_was_but_for_its_number() -> None:
    session = session_of(8, 14, 14)
    value = session.add_object("a")
    given = Prompt("scribble", True, np.concatenate([world(2, 2, 2), world(2, 8, 8)]), axis=0, radius=1.5)
    session.add_prompt(value, given, cubes(session))
    (kept,) = session.prompts(value)
    for field in fields(Prompt):
        if field.name != "number":
            assert np.array_equal(getattr(kept, field.name), getattr(given, field.name)), field.name
