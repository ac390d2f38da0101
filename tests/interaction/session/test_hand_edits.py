"""Growing, shrinking, smoothing by millimetres, and painting where a range allows it; counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction.session import EditSession

GRID = Grid((20, 40, 40), np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0]]))


@pytest.fixture
def session() -> EditSession:
    made = EditSession(np.zeros(GRID.shape, np.float32), GRID)
    made.paint(made.add_object("one"), np.s_[8:12, 10:20, 10:20])
    return made


def extent(session: EditSession, value: int = 1) -> list[tuple[int, int]]:
    found = np.argwhere(session.labels == value)
    return [(int(low), int(high)) for low, high in zip(found.min(axis=0), found.max(axis=0), strict=True)]


def test_millimetres_are_those_of_the_grid(session: EditSession) -> None:
    session.grow(1, 4)
    assert extent(session) == [(6, 13), (6, 23), (6, 23)]
    session.undo()
    session.grow(1, -2)
    assert extent(session) == [(9, 10), (12, 17), (12, 17)]


def test_the_edge_of_the_image_shrinks_nothing(session: EditSession) -> None:
    value = session.add_object("at the edge")
    session.paint(value, np.s_[0:6, 30:40, 30:40])
    session.grow(value, -2)
    assert extent(session, value) == [(0, 4), (32, 39), (32, 39)]
    session.grow(value, 100)
    assert (session.labels == value).sum() + (session.labels == 1).sum() == session.labels.size


def test_other_and_locked_objects_stay(session: EditSession) -> None:
    other = session.add_object("other")
    session.paint(other, np.s_[8:12, 20:24, 10:20])
    before = session.labels == other
    session.grow(1, 3)
    np.testing.assert_array_equal(session.labels == other, before)
    assert session.labels[10, 24, 15] == 0 or session.labels[10, 24, 15] == other
    session.update_object(1, locked=True)
    with pytest.raises(InputError, match="locked"):
        session.grow(1, 3)


def test_a_flat_border_stays_where_a_corner_is_smoothed(session: EditSession) -> None:
    session.paint(1, np.s_[10:11, 14:15, 20:28])
    session.smooth(1, 2)
    labels = session.labels
    assert labels[10, 15, 10] == labels[10, 15, 19] == 1
    assert labels[8, 10, 10] == 0
    assert labels[10, 14, 25] == 0, "a thread of one voxel goes"
    with pytest.raises(InputError, match="would be left"):
        session.grow(1, -30)


def test_only_what_is_allowed_is_painted_and_all_is_erased(session: EditSession) -> None:
    allowed = np.zeros(GRID.shape, bool)
    allowed[:, :, :20] = True
    # what a brush has written already, over the border of what it may
    old = session.labels[10, 5:8, 15:25].copy()
    session.labels[10, 5:8, 15:25] = 1
    change = session.record_external_change(
        [((10, slice(5, 8), slice(15, 25)), None, old, 1)], allowed=lambda box: allowed[box]
    )
    assert session.labels[10, 6, 19] == 1
    assert session.labels[10, 6, 20] == 0
    assert change.box is not None, "what was put back is drawn again"
    old = session.labels[10, 10:12, 10:20].copy()
    session.labels[10, 10:12, 10:20] = 0
    session.record_external_change(
        [((10, slice(10, 12), slice(10, 20)), None, old, 0)], allowed=lambda box: np.zeros_like(allowed[box])
    )
    assert not session.labels[10, 10:12, 10:20].any()


def test_a_threshold_takes_free_voxels_only(session: EditSession) -> None:
    value = session.add_object("two")
    box = (slice(8, 12), slice(15, 30), slice(10, 20))
    session.paint_where(value, box, np.ones((4, 15, 10), bool))
    assert extent(session, value) == [(8, 11), (20, 29), (10, 19)]
    with pytest.raises(InputError, match="grey range"):
        session.paint_where(value, box, np.zeros((4, 15, 10), bool))
