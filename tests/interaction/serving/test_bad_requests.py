"""What clients send that is wrong, too much or nothing: one sentence each, and the server and the others go on."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_editor import SPACING, served_editor, two_balls

from monai_unet.interaction.remote import pack_array
from monai_unet.interaction.serving import PromptServer, kept, leases, patience
from monai_unet.interaction.serving import server as server_module

pytest.importorskip("blosc2")

IMAGE = two_balls((12, 24, 24))


class Raw:
    """A client that may send anything."""

    def __init__(self, server: PromptServer) -> None:
        self.port = server.server_address[1]
        self.lease = self.ask("POST", "/claim")[1]["lease_token"]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if hasattr(self, "lease"):
            named.setdefault("X-Lease-Token", self.lease)
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        meta = response.headers.get("X-Meta")
        return response.status, json.loads(meta or content)

    def post(self, path: str, values: object) -> tuple[int, dict[str, Any]]:
        return self.ask("POST", path, json.dumps(values).encode())

    def image(self, image: np.ndarray = IMAGE[None], properties: object = None) -> tuple[int, dict[str, Any]]:
        meta = json.dumps({"image_properties": properties or {"spacing": SPACING}})
        return self.ask("POST", "/set_image", pack_array(image), X_Meta=meta)

    def click(self, *place: float) -> tuple[int, dict[str, Any]]:
        return self.post("/add_point_interaction", {"coordinates": list(place), "include_interaction": True})


@pytest.fixture(scope="module")
def server() -> Iterator[PromptServer]:
    with served_editor(image_mvoxel=0.02, memory_gib=0.01) as made:
        yield made


@pytest.fixture
def raw(server: PromptServer) -> Iterator[Raw]:
    made = Raw(server)
    yield made
    made.post("/release", {})


def test_an_image_over_the_limit_is_refused_before_it_is_unpacked(raw: Raw, server: PromptServer) -> None:
    taken = server.budget.taken
    status, said = raw.image(np.zeros((1, 100, 100, 100), np.float32))
    assert (status, "more than the 20000 that are allowed" in said["detail"]) == (400, True)
    status, said = raw.ask("POST", "/set_image", bytes(server.most_bytes + 1))
    assert (status, "more than the" in said["detail"]) == (413, True)
    assert server.budget.taken == taken


def test_memory_of_all_images_is_bounded_and_comes_back(server: PromptServer) -> None:
    clients = [Raw(server) for _ in range(4)]
    large = np.random.default_rng(0).normal(size=(1, 20, 30, 33)).astype(np.float64)
    try:
        for _ in range(3):
            assert clients[0].image(large)[0] == 200  # replacing an image takes no more
        assert [client.image(np.repeat(large, 1, 0))[0] for client in clients] == [200] * 4
        with server.budget.held(server.budget.most - server.budget.taken):
            status, said = clients[0].image(large)
            assert (status, "no memory left" in said["detail"]) == (503, True)
    finally:
        for client in clients:
            client.post("/release", {})
    assert server.budget.taken == 0


def lying(**changes: bytes) -> bytes:
    packed = bytearray(pack_array(IMAGE[None]))
    for place, content in changes.items():
        start = int(place.removeprefix("at"))
        packed[start : start + len(content)] = content
    return bytes(packed)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no packed array"),
        (b"NNIA", "no packed array"),
        (b"XXXX" + pack_array(IMAGE[None])[4:], "no packed array"),
        (pack_array(IMAGE[None])[:-100], "cut short"),
        (pack_array(IMAGE), "one channel"),
        (pack_array(np.zeros((2, 4, 4, 4), np.float32)), "one channel"),
        (pack_array(np.zeros((1, 4, 4, 4), np.complex64)), "no packed array"),
        (lying(at15=(2).to_bytes(8, "little")), "one channel"),
        (lying(at23=(13).to_bytes(8, "little")), "longer or shorter"),
        (lying(at23=(-13).to_bytes(8, "little", signed=True)), "no packed array"),
        (lying(at55=bytes(64)), "longer or shorter|cut short|damaged"),
    ],
)
def test_what_is_no_image_is_a_sentence(raw: Raw, body: bytes, words: str) -> None:
    import re

    status, said = raw.ask("POST", "/set_image", body)
    assert status == 400
    assert re.search(words, said["detail"])
    assert raw.click(1, 1, 1)[1]["detail"].startswith("no image was sent yet")


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        ("/add_point_interaction", {"coordinates": [1, 2], "include_interaction": True}, "must be 3 numbers"),
        ("/add_point_interaction", {"coordinates": [1, 2, 1e99], "include_interaction": True}, "must be 3 numbers"),
        ("/add_point_interaction", {"coordinates": [1, 2, "x"], "include_interaction": True}, "must be 3 numbers"),
        ("/add_point_interaction", {"coordinates": [1, 2, 3]}, "belongs to the object"),
        ("/add_point_interaction", {"coordinates": [99, 2, 3], "include_interaction": True}, "outside the image"),
        ("/add_bbox_interaction", {"bbox_coords": [[1, 1], [1, 5], [1, 5]], "include_interaction": True}, "no voxel"),
        ("/add_bbox_interaction", {"bbox_coords": [[1, 2]], "include_interaction": True}, "must be 2 numbers"),
        ("/set_target_buffer", {"shape": [1, 2, 3], "dtype": "uint8"}, "the target has"),
        ("/set_target_buffer", {"shape": list(IMAGE.shape), "dtype": "float32"}, "whole number"),
        ("/set_target_buffer", {"shape": list(IMAGE.shape), "dtype": "O"}, "whole number"),
    ],
)
def test_a_wrong_prompt_is_a_sentence_and_changes_nothing(
    raw: Raw, path: str, values: dict[str, Any], words: str
) -> None:
    assert raw.image()[0] == 200
    status, said = raw.post(path, values)
    assert (status, words in said["detail"]) == (400, True), said
    assert raw.post("/undo", {})[1]["ran_prediction"] is False


def test_a_prompt_that_cannot_be_answered_leaves_the_mask_as_it_was(raw: Raw) -> None:
    assert raw.image()[0] == 200
    assert raw.click(6, 12, 12)[1]["ran_prediction"]
    assert raw.click(99, 2, 3)[0] == 400
    assert raw.post("/predict", {})[1]["ran_prediction"] is False
    assert raw.post("/undo", {})[1]["ran_prediction"] is True
    assert raw.post("/undo", {})[1]["ran_prediction"] is False


def test_no_path_leads_anywhere_else(raw: Raw) -> None:
    for path in ("/../../etc/passwd", "/%2e%2e/etc/passwd", "/", "/docs", "/set_image/x", "http://elsewhere/claim"):
        for method in ("GET", "POST"):
            assert raw.ask(method, path)[0] == 404
    assert raw.ask("GET", "/claim")[0] == 404


def test_a_page_in_a_browser_may_not_ask(raw: Raw) -> None:
    assert raw.ask("POST", "/claim", Origin="https://example.org")[0] == 403


def test_no_json_and_an_unknown_lease(raw: Raw) -> None:
    assert raw.ask("POST", "/set_target_buffer", b"{")[0] == 400
    assert raw.ask("POST", "/set_target_buffer", b"[1]")[0] == 400
    assert raw.ask("POST", "/set_target_buffer", b"[" * 60000)[0] == 400
    assert raw.ask("POST", "/predict", b"{}", X_Lease_Token="0" * 32)[0] == 410
    assert raw.ask("POST", "/set_target_buffer", bytes(70_000))[0] == 413


def test_a_client_that_sends_drop_by_drop_is_left(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEADER_S", 0.5)
    monkeypatch.setattr(patience, "BODY_S", 0.5)
    for head in (b"POST /claim HT", b"POST /predict HTTP/1.1\r\nX-Lease-Token: %s\r\nContent-Length: 9\r\n\r\n{"):
        with socket.create_connection(("127.0.0.1", raw.port)) as slow:
            slow.sendall(head.replace(b"%s", raw.lease.encode()))
            slow.settimeout(10)
            assert slow.recv(1000) == b""
    assert raw.ask("POST", "/heartbeat")[0] == 200


def test_too_many_connections_are_closed() -> None:
    with served_editor(sessions=1) as made:
        address = ("127.0.0.1", made.server_address[1])
        held = [socket.create_connection(address) for _ in range(4 + server_module._UNASKED)]
        time.sleep(0.2)
        with socket.create_connection(address) as one_more:
            one_more.settimeout(10)
            assert one_more.recv(10) == b""
        for connection in held:
            connection.close()


def test_a_session_that_nobody_closes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP_S", 0.05)
    for limits in ({"alive_seconds": 0.4}, {"idle_seconds": 0.4}):
        with served_editor(**limits) as made:
            left = Raw(made)
            assert left.image()[0] == 200
            until = time.monotonic() + 20
            while len(made.leases) and time.monotonic() < until:
                left.ask("GET", "/lease_status")
                time.sleep(0.05)
            assert len(made.leases) == 0
            assert made.budget.taken == 0
            status, said = left.click(6, 12, 12)
            assert (status, said["detail"]) == (410, "the session has ended or is not known; connect again")


def test_a_resting_session_answers_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "REST_AFTER", 0.0)
    with served_editor() as made:
        one = Raw(made)
        assert one.image()[0] == 200
        first = one.click(6, 12, 12)
        one.post("/undo", {})
        made.leases.sweep()
        assert one.click(6, 12, 12) == first


def test_audit_lines_tell_what_was_done_and_nothing_of_whom(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    with served_editor(audit=str(audit)) as made:
        one = Raw(made)
        one.image(properties={"spacing": SPACING, "name": "Doe^Jane", "path": "/archive/doe.nii.gz"})
        one.click(6, 12, 12)
        one.ask("GET", "/doe^jane")
        one.post("/release", {})
    text = audit.read_text()
    assert "session=1 set_image 200" in text
    assert "session=1 add_point_interaction 200" in text
    assert "session=1 release 200" in text
    assert not any(word in text.lower() for word in ("doe", "jane", one.lease, "archive", "nii"))
    assert audit.stat().st_mode & 0o077 == 0


def test_images_lie_in_no_file_that_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.tempfile, "tempdir", str(tmp_path))
    array = kept.KeptArray((4, 5), np.int16, kept.MemoryBudget(1000), on_disk=True)
    array.array[...] = 7
    array.rest()
    assert (array.array == 7).all()
    assert list(tmp_path.iterdir()) == []
    array.close()
    with pytest.raises(kept.FullError):
        kept.KeptArray((4, 5, 100), np.int16, kept.MemoryBudget(1000), on_disk=True)
