"""A listener in a process of its own, with a stand-in for what segments: who may send, what becomes of what comes, and
that a kill at any moment loses nothing and sends nothing twice."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from dicom_phantom import Phantom, write_phantom
from listening import ListenerProcess, listening
from orthanc import Orthanc, bad_link, needs_orthanc, orthanc

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.generators import drain

pytest.importorskip("pynetdicom")
pytest.importorskip("fcntl")

from monai_unet.io.dicom.network import WebServer, open_archive, send_files

RULE = {"name": "ct", "when": {"Modality": "^CT$"}, "bundle": "stand_in"}


def _send(listener: ListenerProcess, folder: Path, title: str = "SENDER", port: int | None = None) -> int:
    archive = open_archive(listener.server(title, port))
    return len(drain(send_files(archive, [folder], attempts=8, wait_s=0.05)).uids)


@pytest.fixture
def phantom(tmp_path: Path) -> Phantom:
    return write_phantom(tmp_path / "ct", shape=(16, 16, 6))


def test_nothing_leaves_unless_a_rule_says_so_and_strangers_may_not_send(tmp_path: Path, phantom: Phantom) -> None:
    with listening(tmp_path / "l", [RULE]) as listener:
        with pytest.raises(InputError, match="does not know us as STRANGER"):
            _send(listener, phantom.folder, "STRANGER")
        assert _send(listener, phantom.folder) == 6
        listener.wait_until(lambda: bool(listener.events("done")))
        (done,) = listener.events("done")
        assert done["sent"] == 0
        assert listener.events("rejected")
        results = list(listener.queue.rglob("results/*/*.dcm"))
        assert len(results) == 3
        # sent again: doubles, and no second round
        assert _send(listener, phantom.folder) == 6
        assert len(listener.events("duplicate")) == 6
        time.sleep(1.5)
        assert len(listener.events("done")) == 1
        health = listener.health()
        assert (health["status"], health["studies"], health["studies_waiting"]) == ("ok", 1, 0)
        metrics = listener.metrics()
        assert 'events_total{event="received"} 6' in metrics
        memory = next(line for line in metrics.splitlines() if "memory_bytes" in line)
        assert int(memory.split()[1]) < 300 * 2**20
        text = (listener.queue / "audit.jsonl").read_text()
        assert "Doe" not in text
        assert "MRN" not in text


def test_stow_is_answered_image_by_image(tmp_path: Path, phantom: Phantom) -> None:
    listen = {"http_token": "secret"}
    with listening(tmp_path / "l", [RULE], listen=listen) as listener:
        address = f"http://127.0.0.1:{listener.http}"
        archive = open_archive(WebServer("stow", address, token="secret"))
        outcomes = list(
            archive.send(__import__("monai_unet.io.dicom.network.sending", fromlist=["x"]).items_of([phantom.folder]))
        )
        assert [outcome.error for outcome in outcomes] == [""] * 6
        listener.wait_until(lambda: bool(listener.events("done")))
        for token in ("", "wrong"):
            request = urllib.request.Request(
                f"{address}/studies", data=b"x", headers={"Authorization": f"Bearer {token}"}
            )
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, timeout=10)
        kind = {"Authorization": "Bearer secret", "Content-Type": 'multipart/related; boundary="b"'}
        for body, code in ((b"--b\r\n\r\nnonsense\r\n--b--", "409"), (b"--b\r\n\r\ncut", "400"), (b"nonsense", "400")):
            request = urllib.request.Request(f"{address}/studies", data=body, headers=kind)
            with pytest.raises(urllib.error.HTTPError, match=code):
                urllib.request.urlopen(request, timeout=10)
        assert listener.health()["studies"] == 1


def test_late_images_make_a_new_round_and_a_half_series_is_not_sent(tmp_path: Path, phantom: Phantom) -> None:
    """Images that come while a series is segmented make what comes out stale."""
    files = sorted(phantom.folder.iterdir())
    late = tmp_path / "late"
    late.mkdir()
    for file in files[3:]:
        file.rename(late / file.name)
    with listening(tmp_path / "l", [RULE], seconds=1.5) as listener:
        _send(listener, phantom.folder)
        listener.wait_until(lambda: bool(listener.events("complete")))
        _send(listener, late)
        listener.wait_until(lambda: bool(listener.events("done")))
        assert len(listener.events("stale")) == 1
        assert [event["images"] for event in listener.events("complete")] == [3, 6]
        (done,) = listener.events("done")
        assert done["round"] == 2


def test_limits_are_kept_and_said(tmp_path: Path, phantom: Phantom) -> None:
    for name, listen, reason in (
        ("disk", {"min_free_gib": 1e6}, "the disk is full"),
        ("rate", {"max_per_minute": 4}, "more images a minute"),
    ):
        with listening(tmp_path / name, [RULE], listen=listen) as listener:
            with pytest.raises(InputError, match="no room"):
                drain(send_files(open_archive(listener.server()), [phantom.folder], attempts=2, wait_s=0.01))
            assert reason in listener.events("refused")[0]["reason"]
            assert len(listener.events("received")) == (4 if name == "rate" else 0)
    big = write_phantom(tmp_path / "big", shape=(900, 900, 1))
    with listening(tmp_path / "size", [RULE], listen={"max_instance_mb": 1}) as listener:
        with pytest.raises(InputError):
            drain(send_files(open_archive(listener.server()), [big.folder], attempts=2, wait_s=0.01))
        assert listener.events("too large")
        assert _send(listener, phantom.folder) == 6


def test_what_cannot_be_segmented_is_a_dead_letter_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(tmp_path / "l", [RULE]) as listener:
        for number, name in enumerate(("DAMAGED", "CRASH"), start=1):
            phantom = write_phantom(tmp_path / name, shape=(8, 8, 2), seed=number)
            for path in phantom.folder.iterdir():
                image = pydicom.dcmread(path)
                image.PatientID = name
                image.save_as(path)
            _send(listener, phantom.folder)
        listener.wait_until(lambda: len(listener.events("dead")) == 2)
        reasons = sorted(event["reason"] for event in listener.events("dead"))
        assert "slices are missing" in reasons[0]
        assert "ended by itself (3), 3 times" in reasons[1]
        assert listener.health()["studies_dead"] == 2
        dead = listener.events("dead")[0]["study"]
        assert main(["listen", str(listener.config), "--again", dead]) == 1
        assert "another listener works" in capsys.readouterr().err
        listener.stop()
        assert main(["listen", str(listener.config), "--again", "1.2.3"]) == 1
        assert main(["listen", str(listener.config), "--again", dead]) == 0
        listener.start()
        listener.wait_until(lambda: len(listener.events("dead")) == 3)
        assert listener.events("dead")[-1]["study"] == dead


@needs_orthanc
def test_a_study_is_complete_when_the_pacs_says_so(tmp_path: Path, phantom: Phantom, pacs: Orthanc) -> None:
    """Half a series that came and then nothing more: no round; the rest comes: one."""
    pacs.clear()
    pacs.put(phantom.folder)
    late = tmp_path / "late"
    late.mkdir()
    for file in sorted(phantom.folder.iterdir())[2:]:
        file.rename(late / file.name)
    servers = {"pacs": _orthanc_at(pacs.dicom)}
    with listening(tmp_path / "l", [RULE], servers=servers, listen={"complete_by": "pacs"}) as listener:
        _send(listener, phantom.folder)
        listener.wait_until(lambda: bool(listener.events("incomplete")))
        assert not listener.events("complete")
        _send(listener, late)
        listener.wait_until(lambda: bool(listener.events("done")))
        assert [event["images"] for event in listener.events("complete")] == [6]
    phantom_2 = write_phantom(tmp_path / "ct2", shape=(16, 16, 3), seed=5)
    pacs.put(phantom_2.folder)
    next(iter(phantom_2.folder.iterdir())).unlink()
    with listening(
        tmp_path / "l2", [RULE], servers=servers, listen={"complete_by": "pacs", "give_up_after": 2}
    ) as listener:
        _send(listener, phantom_2.folder)
        listener.wait_until(lambda: bool(listener.events("dead")))
        assert "2 of 3 images" in listener.events("dead")[0]["reason"]


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc"), peers={"LISTEN": ("127.0.0.1", 4242)}) as server:
        yield server


@needs_orthanc
def test_a_kill_at_any_moment_loses_nothing_and_sends_nothing_twice(tmp_path: Path, pacs: Orthanc) -> None:
    pacs.clear()
    phantoms = [write_phantom(tmp_path / f"ct{n}", shape=(12, 12, 8), seed=n) for n in range(3)]
    with bad_link(pacs.dicom) as link:
        # results are cut off on their way now and then
        link.cut_after = lambda number: 1500 if number % 3 == 1 else None
        servers = {
            "pacs": {
                "host": "127.0.0.1",
                "port": link.port,
                "ae_title": "ORTHANC",
                "our_ae_title": "LISTEN",
                "timeout": 5,
            }
        }
        rule = {**RULE, "send": ["seg", "sr", "sc"], "to": ["pacs"]}
        listener = ListenerProcess(tmp_path / "l", [rule], servers=servers, seconds=0.3)
        rng = random.Random(7)
        listener.start()
        try:
            senders = [threading.Thread(target=_until_sent, args=(listener, one.folder)) for one in phantoms]
            for sender in senders:
                sender.start()
            for _ in range(5):
                time.sleep(rng.uniform(0.2, 2.0))
                listener.kill()
                listener.start()
            for sender in senders:
                sender.join()
            listener.wait_until(
                lambda: listener.health()["studies_waiting"] == 0 and listener.health()["studies"] == 3, 120
            )
        finally:
            listener.stop()
    sent = Counter(one["MainDicomTags"]["Modality"] for one in pacs.get("series?expand"))
    # a study whose images came in two parts, with a kill between, may rightly have two rounds; each is whole
    rounds = sum(
        len([e for e in _journal(path) if e["event"] == "done"]) for path in listener.queue.rglob("journal.jsonl")
    )
    assert sent == {"SEG": rounds, "SR": rounds, "SC": rounds}
    assert len(pacs.uids()) == 3 * rounds
    for phantom in phantoms:
        uid = str(phantom.headers()[0].StudyInstanceUID)
        there = {path.stem for path in (listener.queue / "studies" / uid / "images").iterdir()}
        assert there == {str(header.SOPInstanceUID) for header in phantom.headers()}
        last = _journal(listener.queue / "studies" / uid / "journal.jsonl")[-1]
        assert last["event"] == "done"


def _orthanc_at(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": port, "ae_title": "ORTHANC", "our_ae_title": "LISTEN", "timeout": 5}


def _all_done(listener: ListenerProcess, studies: int) -> bool:
    health = listener.health()
    return health["studies"] == studies and health["studies_waiting"] == 0


def _journal(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _until_sent(listener: ListenerProcess, folder: Path) -> None:
    """A sender as a scanner is: it goes on until all its images were answered."""
    for _ in range(100):
        try:
            _send(listener, folder)
            return
        except InputError:
            time.sleep(0.2)
    raise AssertionError("never sent")
