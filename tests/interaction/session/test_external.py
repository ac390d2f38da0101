"""Strokes that napari has already written into the shared array become steps, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from editing_cases import box, session_of
from numpy.typing import NDArray

from monai_unet.errors import InputError


def index_atom(labels: NDArray[np.uint16], where: NDArray[np.bool_], value: int) -> tuple[object, ...]:
    """What napari's `data_setitem` records, with the change made."""
    index = np.nonzero(where)
    old = labels[index].copy()
    labels[index] = value
    return index, old, value


def mask_atom(labels: NDArray[np.uint16], part: tuple[slice, ...], mask: NDArray[np.bool_] | None, value: int) -> tuple:
    """What napari's brush records (`_MaskedPaintAtom`), with the change made."""
    old = labels[part].copy() if mask is None else labels[part][mask].copy()
    labels[part] = value if mask is None else np.where(mask, value, labels[part])
    return part, mask, old, value


def test_overlapping_dabs_of_one_stroke_are_one_step() -> None:
    session = session_of(4, 12, 12)
    value, other = session.add_object("a"), session.add_object("b")
    session.paint(other, box((0, 4), (0, 6), (0, 12)))
    before, random = session.labels.copy(), np.random.default_rng(1)
    atoms = [
        mask_atom(session.labels, box((1, 2), (2, 8), (2, 8)), random.random((1, 6, 6)) < 0.5, value),
        mask_atom(session.labels, box((1, 2), (4, 10), (3, 9)), None, value),
        index_atom(session.labels, random.random((4, 12, 12)) < 0.1, 0),
    ]
    after = session.labels.copy()
    change = session.record_external_change(atoms)
    assert np.array_equal(session.labels, after)
    assert change.box is not None
    session.undo()
    assert np.array_equal(session.labels, before)
    session.redo()
    assert np.array_equal(session.labels, after)


def test_a_new_value_becomes_an_object_in_the_same_step() -> None:
    session = session_of(3, 3, 3)
    atom = mask_atom(session.labels, box((0, 1), (0, 2), (0, 2)), None, 7)
    session.record_external_change([atom])
    assert session.object(7).name == "object 7"
    session.undo()
    assert session.objects == ()


def test_locked_voxels_that_the_viewer_painted_over_are_put_back_and_drawn_again() -> None:
    session = session_of(3, 6, 6)
    safe, other = session.add_object("safe"), session.add_object("other")
    session.paint(safe, box((0, 1), (0, 3), (0, 6)))
    session.update_object(safe, locked=True)
    painted = box((0, 1), (0, 6), (0, 6))
    change = session.record_external_change([mask_atom(session.labels, painted, None, other)])
    assert session.mask(safe)[0, :3].all()
    assert session.mask(other)[0, 3:].all()
    assert change.box == painted
    assert "safe is locked" in change.notes[0]


def test_a_stroke_wholly_on_locked_voxels_is_no_step_but_is_drawn_again() -> None:
    session = session_of(3, 3, 3)
    safe = session.add_object("safe")
    session.paint(safe, box((0, 1), (0, 3), (0, 3)))
    session.update_object(safe, locked=True)
    change = session.record_external_change([mask_atom(session.labels, box((0, 1), (0, 2), (0, 2)), None, 0)])
    assert change.box == box((0, 1), (0, 2), (0, 2))
    assert session.mask(safe).sum() == 9
    assert session.undo_text == "lock safe"


def test_an_atom_of_another_form_is_refused() -> None:
    session = session_of(3, 3, 3)
    for atom in (("what",), ((np.array([5]),) * 3, np.array([0]), 1), ((np.array([0]),) * 2, np.array([0]), 1)):
        with pytest.raises(InputError, match="cannot be read"):
            session.record_external_change([atom])
    assert session.record_external_change([]).box is None
