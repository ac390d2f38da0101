"""What a user relies on: strokes, locks, split and merge, interpolation, listeners, and undo of each."""

from __future__ import annotations

import time

import numpy as np
import pytest
from editing_cases import AFFINE, box, grid_of_shape, session_of
from scipy import ndimage

from monai_unet.errors import InputError
from monai_unet.interaction import Change, EditSession, SegmentObject
from monai_unet.interaction.session.shape_edits import ball


def test_a_stroke_changes_its_voxels_only_and_says_where() -> None:
    session = session_of(6, 8, 8)
    lesion = session.add_object("lesion 1", "tumour", (1, 2, 3))
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, :2] = True
    change = session.paint(lesion, box((1, 4), (1, 4), (1, 4)), mask)
    assert np.argwhere(session.labels).tolist() == [[2, 2, 1], [2, 2, 2]]
    assert change.box == box((2, 3), (2, 3), (1, 3))
    assert change.values == (lesion,)
    assert session.objects == (SegmentObject(lesion, "lesion 1", "tumour", (1, 2, 3)),)


def test_painting_what_is_there_already_is_no_step() -> None:
    session = session_of(4, 4, 4)
    value = session.add_object("a")
    session.paint(value, box((0, 2), (0, 2), (0, 2)))
    before = session.undo_text
    assert session.paint(value, box((0, 1), (0, 1), (0, 1))) == Change("brush on a")
    session.undo()
    assert before == "brush on a"
    assert session.undo_text == "add a"


def test_the_label_array_is_the_same_for_the_whole_session() -> None:
    session = session_of(4, 4, 4)
    shared = session.labels
    value = session.add_object("a")
    session.paint(value, box((0, 2), (0, 2), (0, 2)))
    session.undo()
    session.redo()
    session.delete_object(value)
    session.import_labels(np.ones((4, 4, 4), int), [SegmentObject(1, "b")])
    assert session.labels is shared
    assert shared.dtype == np.uint16


def test_the_labels_given_are_copied_and_named() -> None:
    given = np.zeros((3, 3, 3), np.uint8)
    given[0, 0, 0], given[1, 1, 1] = 4, 9
    session = session_of(3, 3, 3, labels=given, objects=[SegmentObject(9, "node")])
    session.write(box((0, 1), (0, 1), (0, 1)), np.zeros((1, 1, 1)))
    assert given[0, 0, 0] == 4
    assert [item.name for item in session.objects] == ["object 4", "node"]
    assert session.label_table()[9].name == "node"


def test_no_operation_overwrites_a_locked_object() -> None:
    session = session_of(5, 6, 6)
    safe, other = session.add_object("safe"), session.add_object("other")
    session.paint(safe, box((1, 4), (2, 4), (2, 4)))
    session.paint(other, box((0, 1), (0, 6), (0, 6)))
    session.update_object(safe, locked=True)
    kept = session.mask(safe)
    change = session.paint(other, box((0, 5), (0, 6), (0, 6)))
    assert change.notes == ("12 voxels were left as they are: safe is locked.",)
    session.erase(box((0, 5), (0, 6), (0, 6)))
    session.fill(other, (0, 0, 0))
    session.import_labels(np.full((5, 6, 6), other), [SegmentObject(other, "other")])
    assert np.array_equal(session.mask(safe), kept)
    for refused in (
        lambda: session.paint(safe, box((0, 1), (0, 1), (0, 1))),
        lambda: session.delete_object(safe),
        lambda: session.merge([safe], into=other),
        lambda: session.merge([other], into=safe),
        lambda: session.split_plane(safe, (0, 0, 0), (0, 0, 1)),
        lambda: session.fill_holes(safe),
        lambda: session.import_labels(np.full((5, 6, 6), safe), [SegmentObject(safe, "x")]),
    ):
        with pytest.raises(InputError, match=r"safe.*locked.*unlock"):
            refused()


def test_components_become_objects_by_falling_size_and_keep_their_class() -> None:
    session = session_of(4, 9, 9)
    value = session.add_object("lesion", "tumour")
    session.paint(value, box((0, 1), (0, 2), (0, 1)))
    session.paint(value, box((0, 3), (4, 9), (4, 9)))
    session.paint(value, box((3, 4), (0, 3), (0, 1)))
    change = session.split_components(value)
    sizes = {item.name: int(session.mask(item.value).sum()) for item in session.objects}
    assert sizes == {"lesion": 75, "lesion.2": 3, "lesion.3": 2}
    assert {item.class_name for item in session.objects} == {"tumour"}
    assert change.box == box((0, 4), (0, 3), (0, 1))
    with pytest.raises(InputError, match="in one piece"):
        session.split_components(value)


def test_a_plane_in_millimetres_cuts_where_the_affine_says() -> None:
    session = session_of(6, 4, 4)
    value = session.add_object("lesion")
    session.paint(value, box((0, 6), (0, 4), (0, 4)))
    # superior of z = 5 + 3 * 3.5 lie the slices 4 and 5
    session.split_plane(value, (0, 0, AFFINE[2, 3] + 3 * 3.5), (0, 0, 2))
    assert np.unique(session.labels[:4]).tolist() == [1]
    assert np.unique(session.labels[4:]).tolist() == [2]
    with pytest.raises(InputError, match="does not cut"):
        session.split_plane(value, (0, 0, 1000), (0, 0, 1))


def test_merged_objects_are_one_and_undo_brings_them_back() -> None:
    session = session_of(4, 4, 4)
    first, second = session.add_object("a"), session.add_object("b")
    session.paint(first, box((0, 1), (0, 4), (0, 4)))
    session.paint(second, box((3, 4), (0, 4), (0, 4)))
    before, objects = session.labels.copy(), session.objects
    session.merge([first, second], into=first)
    assert session.mask(first).sum() == 32
    assert [item.value for item in session.objects] == [first]
    session.undo()
    assert np.array_equal(session.labels, before)
    assert session.objects == objects


def test_slices_between_two_discs_are_interpolated_as_a_cone() -> None:
    shape = (9, 41, 41)
    session = EditSession(np.zeros(shape, np.float32), grid_of_shape(*shape))
    value = session.add_object("cone")
    radius = np.hypot(*(np.indices(shape[1:]) - 20))
    for place, size in ((0, 16.5), (8, 8.5)):
        session.paint(value, box((place, place + 1), (0, 41), (0, 41)), (radius <= size)[None])
    session.fill_between_slices(value, axis=0)
    for place in range(9):
        expected = radius <= 16.5 - place
        drawn = session.labels[place] == value
        assert 2 * (drawn & expected).sum() / (drawn.sum() + expected.sum()) > 0.97
    with pytest.raises(InputError, match="no empty slice"):
        session.fill_between_slices(value, axis=0)


def test_discs_that_do_not_overlap_are_joined_by_an_oblique_cylinder() -> None:
    session = session_of(5, 12, 40)
    value = session.add_object("vessel")
    disc = np.hypot(*(np.indices((12, 12)) - 5.5)) < 4
    session.paint(value, box((0, 1), (0, 12), (0, 12)), disc[None])
    session.paint(value, box((4, 5), (0, 12), (28, 40)), disc[None])
    session.fill_between_slices(value, axis=0)
    for place in range(5):
        centre = ndimage.center_of_mass(session.labels[place] == value)
        assert centre == pytest.approx((5.5, 5.5 + 7 * place), abs=0.6)
        assert (session.labels[place] == value).sum() == pytest.approx(disc.sum(), rel=0.1)


def test_interpolation_and_holes_leave_other_objects() -> None:
    session = session_of(5, 7, 7)
    shell, core = session.add_object("shell"), session.add_object("core")
    session.paint(shell, box((0, 5), (0, 7), (0, 7)))
    session.erase(box((1, 4), (1, 6), (1, 6)))
    session.paint(core, box((2, 3), (3, 4), (3, 4)))
    session.fill_holes(shell)
    assert session.mask(shell).sum() == 5 * 49 - 1
    assert session.mask(core).sum() == 1


def test_holes_are_filled_slice_by_slice_when_an_axis_is_named() -> None:
    session = session_of(3, 7, 7)
    tube = session.add_object("tube")
    session.paint(tube, box((0, 3), (0, 7), (0, 7)))
    session.erase(box((0, 3), (2, 5), (2, 5)))
    assert session.fill_holes(tube).box is None
    session.fill_holes(tube, axis=0)
    assert session.mask(tube).all()


def test_fill_stays_in_its_slice_or_takes_the_connected_volume() -> None:
    session = session_of(3, 5, 5)
    wall, lake = session.add_object("wall"), session.add_object("lake")
    session.paint(wall, box((0, 3), (2, 3), (0, 5)))
    session.fill(lake, (1, 0, 0), axis=0)
    assert session.mask(lake).sum() == 10
    session.fill(lake, (0, 4, 4))
    assert session.mask(lake).sum() == 10 + 30
    with pytest.raises(InputError, match="outside the image"):
        session.fill(lake, (3, 0, 0))


def test_the_round_brush_is_round_in_millimetres() -> None:
    grid = grid_of_shape(21, 61, 61)
    place = AFFINE[:3, :3] @ (10, 30, 30) + AFFINE[:3, 3]
    part, mask = ball(grid, place, 9.0)
    assert part == box((6, 15), (20, 41), (20, 41)) or mask.any(axis=(1, 2)).sum() == 7
    assert mask.sum() * 3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)
    flat, disc = ball(grid, place, 9.0, axis=0)
    assert flat[0] == slice(10, 11)
    assert disc.sum() == pytest.approx(np.pi * 81, rel=0.05)
    assert ball(grid, place, 0.0)[1].sum() == 1


def test_listeners_hear_every_change_until_they_leave() -> None:
    session, heard = session_of(3, 3, 3), []
    leave = session.subscribe(heard.append)
    value = session.add_object("a")
    change = session.paint(value, box((0, 1), (0, 1), (0, 1)))
    session.set_visible(value, False)
    session.undo()
    leave()
    session.redo()
    assert [item.what for item in heard] == ["add a", "brush on a", "hide a", "undo brush on a"]
    assert heard[1] == change
    assert not heard[1].objects
    assert heard[0].objects


def test_hiding_is_kept_through_undo() -> None:
    session = session_of(3, 3, 3)
    value = session.add_object("a")
    session.update_object(value, name="b")
    session.set_visible(value, False)
    session.undo()
    assert session.object(value) == SegmentObject(value, "a", color=session.object(value).color, visible=False)


def test_undo_of_four_megavoxels_is_quick() -> None:
    session = session_of(100, 200, 200)
    value = session.add_object("a")
    session.paint(value, box((0, 100), (0, 200), (0, 200)))
    costs = []
    for _ in range(3):
        started = time.process_time()
        session.undo()
        costs.append(time.process_time() - started)
        assert not session.labels.any()
        session.redo()
        assert session.labels.all()
    assert min(costs) < 0.05


def test_beyond_the_memory_limit_undo_data_goes_to_disk_and_undo_stays_exact() -> None:
    random = np.random.default_rng(0)
    session = session_of(20, 40, 40, memory_limit=20_000)
    for value in range(1, 6):
        session.add_object(value=value)
    states = [session.labels.copy()]
    for _ in range(12):
        session.write(box((0, 20), (0, 40), (0, 40)), random.integers(0, 6, (20, 40, 40)))
        states.append(session.labels.copy())
        assert session.undo_bytes <= 20_000
    for state in states[-2::-1]:
        session.undo()
        assert np.array_equal(session.labels, state)
    for state in states[1:]:
        session.redo()
        assert np.array_equal(session.labels, state)


def test_a_failing_listener_does_not_tear_the_session() -> None:
    session = session_of(3, 3, 3)
    value = session.add_object("a")

    def fail(change: Change) -> None:
        raise RuntimeError("viewer closed")

    leave = session.subscribe(fail)
    with pytest.raises(RuntimeError):
        session.paint(value, box((0, 2), (0, 2), (0, 2)))
    leave()
    assert session.mask(value).sum() == 8
    session.undo()
    assert not session.labels.any()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.zeros((3, 3, 4)), r"\(3, 3, 4\).*\(3, 3, 3\)"),
        (np.full((3, 3, 3), 0.5), "whole numbers"),
        (np.full((3, 3, 3), 70000), "whole numbers from 0 to 65535"),
        (np.full((3, 3, 3), -1), "whole numbers"),
    ],
)
def test_labels_that_are_none_are_refused(labels: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        session_of(3, 3, 3, labels=labels)


def test_wrong_calls_are_one_sentence() -> None:
    session = session_of(3, 3, 3)
    value = session.add_object("a")
    for wrong, sentence in (
        (lambda: session.object(7), "no object with label 7"),
        (lambda: session.add_object(value=value), "belongs to a"),
        (lambda: session.add_object(value=70000), "1 to 65535"),
        (lambda: session.update_object(value, name=" "), "needs a name"),
        (lambda: session.write(box((0, 4), (0, 1), (0, 1)), np.zeros((4, 1, 1))), "does not lie in the image"),
        (lambda: session.write(box((0, 1), (0, 1), (0, 1)), np.zeros((2, 1, 1))), "one for each"),
        (lambda: session.merge([value], into=value), "another object"),
        (lambda: session.fill_holes(value), "no voxels yet"),
        (lambda: session.accept(), "No candidate"),
        (lambda: EditSession(np.zeros((2, 2, 2)), session.grid), "read the image again"),
    ):
        with pytest.raises(InputError, match=sentence):
            wrong()
