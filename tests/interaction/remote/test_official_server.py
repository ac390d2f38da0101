"""Our client against the official server's own application: every kind of prompt, undo, a removed prompt, a lost lease.

The stub network adds what lies within 3 voxels of a positive mark and takes away what lies near a negative one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from editing_cases import AFFINE, box, point, world
from official_server import LICENCE, official_server

from monai_unet.geometry import Grid
from monai_unet.interaction import EditSession, Prompt, build_answerer
from monai_unet.interaction.remote import RemoteAnswerer

pytest.importorskip("blosc2")

pytestmark = pytest.mark.slow
SHAPE = (40, 60, 64)
GRID = Grid(SHAPE, AFFINE)
IMAGE = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with official_server() as found:
        yield found


def test_a_session_on_the_official_server(address: str) -> None:
    remote = build_answerer(address)
    assert isinstance(remote, RemoteAnswerer)
    assert remote.facts.licence == LICENCE
    assert remote.facts.marks == {"points", "bbox2d", "scribble", "lasso"}
    assert remote.facts.version.startswith("2.6")
    remote.start(IMAGE, GRID)
    session = EditSession(IMAGE, GRID)
    one = session.add_object("lesion")

    def has(*voxel: int) -> bool:
        return bool(session.labels[voxel] == one)

    session.add_prompt(one, point(20, 20, 20), remote)
    assert has(20, 20, 20)
    assert has(22, 22, 22)
    assert not has(20, 20, 28)
    session.add_prompt(one, point(20, 40, 40), remote)
    assert has(20, 20, 20)
    assert has(20, 42, 40)
    session.add_prompt(one, point(20, 20, 26, positive=False), remote)
    assert has(20, 20, 20)
    assert not has(20, 20, 23)
    both = session.labels.copy()
    session.remove_prompt(2, remote)
    assert not has(20, 40, 40)
    assert has(20, 20, 20)
    assert not has(20, 20, 23)
    session.undo()
    np.testing.assert_array_equal(session.labels, both)
    session.paint(one, box((10, 12), (50, 52), (50, 52)))
    session.add_prompt(one, Prompt("scribble", True, np.concatenate([world(30, 20, 20), world(30, 30, 20)])), remote)
    assert has(11, 51, 51)
    assert has(30, 25, 20)
    assert has(30, 25, 22)
    session.add_prompt(one, Prompt("box", True, np.concatenate([world(8, 8, 8), world(8, 14, 14)]), axis=0), remote)
    assert has(8, 11, 11)
    corners = [world(34, 40, 10), world(34, 50, 10), world(34, 50, 20), world(34, 40, 20)]
    session.add_prompt(one, Prompt("lasso", True, np.concatenate(corners), axis=0), remote)
    assert has(34, 45, 15)
    assert has(20, 42, 40)
    remote.close()


def test_a_lease_that_the_official_server_has_forgotten_is_taken_anew(address: str) -> None:
    remote = RemoteAnswerer(address)
    remote.start(IMAGE, GRID)
    session = EditSession(IMAGE, GRID)
    one = session.add_object("lesion")
    session.add_prompt(one, point(20, 20, 20), remote)
    lease = remote._connection._lease
    assert lease is not None
    remote._connection.ask_with(lease.token, "/release", 10)
    session.add_prompt(one, point(20, 40, 40), remote)
    assert session.labels[20, 20, 20] == session.labels[20, 40, 40] == one
    remote.close()
