"""A server answers as the same method does without one, whatever happened between two prompts; its faults are told."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from editing_cases import AFFINE, box, point, world

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction import Answerer, EditSession, Prompt, build_answerer
from monai_unet.interaction.remote import RemoteAnswerer, connection, pack_array
from monai_unet.interaction.serving import PromptServer, ServeSettings

pytest.importorskip("blosc2")

SHAPE = (16, 40, 44)
GRID = Grid(SHAPE, AFFINE)
KEY = "a key of many letters"


def image() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    for centre in ((8, 12, 12), (8, 28, 30)):
        places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
        noise[np.linalg.norm((places - centre) * (3, 1, 1), axis=-1) < 8] += 12
    return noise


IMAGE = image()


@contextmanager
def served(port: int = 0, **settings: object) -> Iterator[PromptServer]:
    with PromptServer(ServeSettings(port=port, bundle="classical", **settings)).running() as server:  # type: ignore[arg-type]
        server.use(build_answerer("classical"), licence="CC BY-NC-SA 4.0")
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[PromptServer]:
    with served() as made:
        yield made


@pytest.fixture
def remote(server: PromptServer) -> Iterator[RemoteAnswerer]:
    made = build_answerer(server.address)
    assert isinstance(made, RemoteAnswerer)
    made.start(IMAGE, GRID)
    yield made
    made.close()


@pytest.fixture
def local() -> Answerer:
    made = build_answerer("classical")
    made.start(IMAGE, GRID)
    return made


def story(session: EditSession, answerer: Answerer) -> Iterator[np.ndarray]:
    """Prompts of all kinds, a removed one, strokes, undo and redo, and a second lesion; the labels after each."""
    one = session.add_object("lesion 1")
    for prompt in (
        point(8, 12, 12),
        point(8, 28, 30),
        point(8, 12, 17, positive=False),
        Prompt("scribble", True, np.concatenate([world(8, 20, 10), world(8, 26, 16)]), axis=0, radius=1.5),
        Prompt("box", False, np.concatenate([world(8, 5, 8), world(8, 9, 12)]), axis=0),
    ):
        session.add_prompt(one, prompt, answerer)
        yield session.labels.copy()
    session.remove_prompt(2, answerer)
    yield session.labels.copy()
    session.undo()
    yield session.labels.copy()
    session.paint(one, box((6, 9), (30, 34), (5, 9)))
    session.add_prompt(one, point(8, 12, 5), answerer)
    yield session.labels.copy()
    two = session.add_object("lesion 2")
    session.add_prompt(two, point(8, 28, 30), answerer)
    session.add_prompt(one, point(2, 36, 38), answerer)
    yield session.labels.copy()


def test_a_whole_session_is_as_without_a_server(remote: RemoteAnswerer, local: Answerer) -> None:
    here, there = EditSession(IMAGE, GRID), EditSession(IMAGE, GRID)
    steps = list(zip(story(here, local), story(there, remote), strict=True))
    assert len(steps) == 9
    for ours, theirs in steps:
        np.testing.assert_array_equal(ours, theirs)
    assert steps[-1][0].any()


def test_only_the_newest_prompt_is_sent_where_nothing_else_has_changed(
    remote: RemoteAnswerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    post = connection.Connection.post

    def listed(self: connection.Connection, path: str, *words: object, **named: object) -> object:
        asked.append(path)
        return post(self, path, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(connection.Connection, "post", listed)
    session = EditSession(IMAGE, GRID)
    one = session.add_object("lesion")
    for prompt in (point(8, 12, 12), point(8, 28, 30)):
        session.add_prompt(one, prompt, remote)
    assert asked == ["/add_point_interaction"] * 2
    session.undo()
    session.add_prompt(one, point(8, 14, 14), remote)
    assert asked[2:] == ["/reset_interactions", "/add_initial_seg_interaction"] + ["/add_point_interaction"] * 2


def test_a_lost_lease_is_taken_anew_and_all_is_sent_again(
    server: PromptServer, remote: RemoteAnswerer, local: Answerer
) -> None:
    here, there = EditSession(IMAGE, GRID), EditSession(IMAGE, GRID)
    for session, answerer in ((here, local), (there, remote)):
        one = session.add_object("lesion")
        session.add_prompt(one, point(8, 12, 12), answerer)
        session.add_prompt(one, point(8, 12, 17, positive=False), answerer)
        server.leases.close()
        session.add_prompt(one, point(8, 28, 30), answerer)
        np.testing.assert_array_equal(session.labels, here.labels)


def test_a_server_that_goes_away_and_comes_back_costs_one_sentence(local: Answerer) -> None:
    session = EditSession(IMAGE, GRID)
    one = session.add_object("lesion")
    with served() as server:
        port = server.server_address[1]
        remote = RemoteAnswerer(server.address)
        remote.start(IMAGE, GRID)
        session.add_prompt(one, point(8, 12, 12), remote)
    before = session.labels.copy()
    for _ in range(2):
        with pytest.raises(InputError, match=r"cannot be reached .*nothing was changed"):
            session.add_prompt(one, point(8, 28, 30), remote)
        np.testing.assert_array_equal(session.labels, before)
        assert len(session.prompts(one)) == 1
    session.add_prompt(one, point(8, 30, 32), local)  # another method goes on meanwhile
    with served(port):
        session.add_prompt(one, point(8, 28, 30), remote)
        remote.close()
    assert len(session.prompts(one)) == 3
    assert session.labels[8, 28, 30] == one


def test_the_licence_is_known_before_anything_is_sent(server: PromptServer) -> None:
    before = len(server.leases)
    remote = RemoteAnswerer(server.address)
    assert remote.facts.licence == "CC BY-NC-SA 4.0"
    assert "under the licence CC BY-NC-SA 4.0; images are sent to it" in remote.facts.sentence
    assert len(server.leases) == before


def test_a_lease_goes_back_when_nobody_holds_the_answerer(server: PromptServer) -> None:
    before = len(server.leases)
    remote = RemoteAnswerer(server.address)
    remote.start(IMAGE, GRID)
    assert len(server.leases) == before + 1
    del remote
    gc.collect()
    until = time.monotonic() + 20
    while len(server.leases) > before and time.monotonic() < until:
        time.sleep(0.02)
    assert len(server.leases) == before


def test_a_lease_is_kept_alive_while_nobody_clicks() -> None:
    with served(alive_seconds=1.5) as server:
        remote = RemoteAnswerer(server.address)
        remote.start(IMAGE, GRID)
        time.sleep(3)
        server.leases.sweep()
        assert len(server.leases) == 1
        remote.close()


def test_the_key_is_sent_and_a_wrong_one_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NN_INTERACTIVE_API_KEY", KEY)
    with served() as server:
        assert RemoteAnswerer(server.address).facts.licence
        for wrong in ("", "another key of letters"):
            with pytest.raises(InputError, match=r"wants another key; set it in \$NN_INTERACTIVE_API_KEY"):
                RemoteAnswerer(server.address, key=wrong)


@pytest.mark.parametrize(
    "address", ["http://", "ftp://host", "http://host:99999", "http://a:b@host", "http://host?x=1", "host:1527"]
)
def test_what_is_no_address_is_a_sentence(address: str) -> None:
    with pytest.raises(InputError, match="is no server's address"):
        RemoteAnswerer(address)


def test_a_full_server_is_a_sentence() -> None:
    with served(sessions=1) as server:
        one, other = RemoteAnswerer(server.address), RemoteAnswerer(server.address)
        one.start(IMAGE, GRID)
        with pytest.raises(InputError, match=r"is full .*try again later"):
            other.start(IMAGE, GRID)
        one.close()
        other.start(IMAGE, GRID)
        other.close()


Answers = Callable[[str], tuple[int, dict, bytes]]


@contextmanager
def lying_server(answers: Answers) -> Iterator[str]:
    """A server whose answer to a prompt is `answers(path)`; the rest is as it should be."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._say(200, {"supported_interactions": {"points": True}, "license": "MIT"}, b"")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            usual = {
                "/claim": {"lease_token": "t", "liveness_timeout_seconds": 0},
                "/set_image": {"original_image_shape": [1, *SHAPE]},
            }
            if "interaction" in self.path and "reset" not in self.path:
                self._say(*answers(self.path))
            else:
                self._say(200, usual.get(self.path, {}), b"")

        def _say(self, status: int, meta: dict, body: bytes) -> None:
            content = body or json.dumps(meta).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if body:
                self.send_header("X-Meta", json.dumps(meta))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def said(bbox: object, mask: np.ndarray, ran: object = True) -> tuple[int, dict, bytes]:
    return 200, {"ran_prediction": ran, "bbox": bbox}, pack_array(mask)


ONE = np.ones((1, 1, 1), np.uint8)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said([[0, 2], [0, 2], [0, 2]], ONE), r"sends a mask of \(1, 1, 1\) voxels for a box of \(2, 2, 2\)"),
        (said([[0, 2], [0, 2], [0, 99]], np.ones((2, 2, 99), np.uint8)), "no answer that fits the image"),
        (said([[-1, 1], [0, 2], [0, 2]], np.ones((2, 2, 2), np.uint8)), "no answer that fits the image"),
        (said([[0, 1], [0, 1], [0, True]], ONE), "no answer that fits the image"),
        (said([[0, 1], [0, 1]], ONE), "no answer that fits the image"),
        (said(None, ONE), "no answer that fits the image"),
        (said([[0, 1], [0, 1], [0, 1]], ONE.astype(np.float32)), "sends a mask of"),
        (said([[0, 1], [0, 1], [0, 1]], np.zeros((200, 200, 200), np.uint8)), "sends a damaged mask"),
        ((200, {"ran_prediction": True, "bbox": [[0, 1], [0, 1], [0, 1]]}, b"NNIA"), "sends a damaged mask"),
        ((200, {}, b""), "no answer that fits the image"),
        ((500, {"detail": "oh"}, b""), r"failed \(oh\)"),
        ((200, {"ran_prediction": True}, b"x" * 10_000_000), "larger than any that fits"),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(answer: tuple[int, dict, bytes], words: str) -> None:
    with lying_server(lambda path: answer) as address:
        remote = RemoteAnswerer(address)
        remote.start(IMAGE, GRID)
        session = EditSession(IMAGE, GRID)
        one = session.add_object("lesion")
        with pytest.raises(InputError, match=words):
            session.add_prompt(one, point(8, 12, 12), remote)
        assert not session.labels.any()
        with pytest.raises(InputError, match="takes no scribble; mark it by points"):
            session.add_prompt(one, Prompt("scribble", True, np.concatenate([world(8, 1, 1), world(8, 5, 5)])), remote)


def test_a_server_that_answers_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.Connection.post, "__kwdefaults__", {"seconds": 0.3, "most": 1 << 20})

    def late(path: str) -> tuple[int, dict, bytes]:
        time.sleep(1.5)
        return said([[0, 1]] * 3, ONE)

    with lying_server(late) as address:
        remote = RemoteAnswerer(address)
        remote.start(IMAGE, GRID)
        with pytest.raises(InputError, match=r"did not answer within 0\.3 s; nothing was changed"):
            remote.answer((point(8, 12, 12),), np.zeros(SHAPE, bool))


def test_interact_measures_a_server_and_shows_its_licence_first(
    server: PromptServer, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    import nibabel

    affine = AFFINE[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(IMAGE.transpose(2, 1, 0), affine), tmp_path / "i.nii.gz")
    nibabel.save(nibabel.Nifti1Image((IMAGE > 8).astype(np.uint8).transpose(2, 1, 0), affine), tmp_path / "r.nii.gz")
    words = ["interact", "--image", str(tmp_path / "i.nii.gz"), "--reference", str(tmp_path / "r.nii.gz"), "--json"]
    found = {}
    for method in ("classical", server.address):
        assert main([*words, "--clicks", "3", "--method", method]) == 0
        printed = capsys.readouterr()
        found[method] = json.loads(printed.out)["dice"]
    assert "licence CC BY-NC-SA 4.0; images are sent to it" in printed.err
    assert found[server.address] == found["classical"]
    assert main([*words, "--method", "http://127.0.0.1:9"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
