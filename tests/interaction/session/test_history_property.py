"""Any sequence of operations, undone and redone, gives the same bits; a journal of it gives the same session."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from editing_cases import box, cubes, point, session_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_unet.errors import InputError
from monai_unet.interaction import EditSession, SegmentObject

SHAPE = (5, 9, 9)

Operation = Callable[[EditSession], object]

values = st.integers(1, 3)
axes = st.integers(0, 2)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[slice, slice, slice]:
    spans = []
    for n in SHAPE:
        low = draw(st.integers(0, n - 1))
        spans.append((low, draw(st.integers(low + 1, n))))
    return box(*spans)


@st.composite
def voxels(draw: st.DrawFn) -> tuple[int, int, int]:
    a, b, c = (draw(st.integers(0, n - 1)) for n in SHAPE)
    return a, b, c


def external(part: tuple[slice, slice, slice], value: int) -> Operation:
    def paint(session: EditSession) -> None:
        old = session.labels[part].copy()
        session.labels[part] = value
        session.record_external_change([(part, None, old, value)])

    return paint


def remove(index: int) -> Operation:
    def run(session: EditSession) -> None:
        numbers = [prompt.number for item in session.objects for prompt in session.prompts(item.value)]
        session.remove_prompt(numbers[index % len(numbers)] if numbers else 99, cubes(session))

    return run


def imported(seed: int) -> Operation:
    labels = np.random.default_rng(seed).integers(0, 4, SHAPE)
    return lambda s: s.import_labels(labels, [SegmentObject(1, "new")])


operations = st.one_of(
    st.builds(lambda v, b: lambda s: s.paint(v, b), values, boxes()),
    st.builds(lambda b: lambda s: s.erase(b), boxes()),
    st.builds(lambda v, p: lambda s: s.fill(v, p), values, voxels()),
    st.builds(external, boxes(), st.integers(0, 4)),
    st.builds(lambda: lambda s: s.add_object()),
    st.builds(lambda v, n: lambda s: s.update_object(v, name=n), values, st.sampled_from("xyz")),
    st.builds(lambda v, lock: lambda s: s.update_object(v, locked=lock), values, st.booleans()),
    st.builds(lambda v: lambda s: s.delete_object(v), values),
    st.builds(lambda v, w: lambda s: s.merge([v], into=w), values, values),
    st.builds(lambda v: lambda s: s.split_components(v), values),
    st.builds(lambda v, p: lambda s: s.split_plane(v, point(*p).world[0], (1, 2, 3)), values, voxels()),
    st.builds(lambda v, a: lambda s: s.fill_between_slices(v, a), values, axes),
    st.builds(lambda v, a: lambda s: s.fill_holes(v, axis=a), values, axes),
    st.builds(
        lambda v, p, sign, c: lambda s: s.add_prompt(v, point(*p, positive=sign), cubes(s), candidate=c),
        values,
        voxels(),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(remove, st.integers(0, 9)),
    st.builds(lambda v: lambda s: s.clear_prompts(v), values),
    st.builds(lambda: lambda s: s.accept()),
    st.builds(lambda: lambda s: s.drop()),
    st.builds(imported, st.integers(0, 3)),
    st.builds(lambda: lambda s: s.undo()),
    st.builds(lambda: lambda s: s.redo()),
)


def state(session: EditSession) -> tuple[object, ...]:
    """All that a user can see of a session, comparable."""
    prompts = [
        (item.value, p.kind, p.positive, p.world.tobytes(), p.number)
        for item in session.objects
        for p in session.prompts(item.value)
    ]
    candidate = session.candidate
    shown = None if candidate is None else (candidate[0], candidate[1], candidate[2].tobytes())
    return session.labels.tobytes(), session.objects, prompts, shown


def run(session: EditSession, operation: Operation) -> None:
    """Run an operation; one that the session refuses must leave it as it is."""
    before = state(session)
    try:
        operation(session)
    except InputError:
        assert state(session) == before


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, min_size=1, max_size=14), st.sampled_from([2000, 2**20]))
def test_every_sequence_can_be_undone_and_redone_to_the_bit(sequence: list[Operation], limit: int) -> None:
    session = session_of(*SHAPE, memory_limit=limit)
    for value in (1, 2):
        session.add_object(value=value)
    for operation in sequence:
        run(session, operation)
    while session.redo():
        pass
    states = [state(session)]
    while session.undo():
        states.append(state(session))
    assert not session.labels.any()
    assert session.objects == ()
    for expected in states[-2::-1]:
        session.redo()
        assert state(session) == expected
    assert session.redo() is None
    session.close()


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operations, min_size=1, max_size=10), st.lists(operations, max_size=4))
def test_a_recovered_session_is_the_session_with_its_history(first: list[Operation], later: list[Operation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.journal"
        session = session_of(*SHAPE)
        session.add_object(value=1)
        run(session, first[0])
        session.start_journal(path)
        for operation in first[1:]:
            run(session, operation)
        recovered, notes = EditSession.recover(path, session.image, session.grid)
        assert notes == ()
        for operation in later:
            run(session, operation)
            run(recovered, operation)
        assert state(recovered) == state(session)
        recovered.close()
        again, _ = EditSession.recover(path, session.image, session.grid)
        while again.undo_text:
            assert again.undo_text == session.undo_text
            again.undo()
            session.undo()
            assert state(again) == state(session)
        again.close()
        session.close()
