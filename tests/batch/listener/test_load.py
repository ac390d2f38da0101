"""Fifty studies of 200 slices from three senders at once, on links that break, while a processor is kept busy."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from dicom_phantom import Phantom, write_phantom
from listening import ListenerProcess, listening
from orthanc import bad_link, needs_orthanc, orthanc

pytest.importorskip("pynetdicom")
pytest.importorskip("fcntl")

from monai_unet.io.dicom.network import LinkError, SendItem, item_of, open_archive

pytestmark = [needs_orthanc, pytest.mark.slow]

STUDIES, SLICES, SENDERS = 50, 200, 3
RULE = {"name": "ct", "when": {"Modality": "^CT$"}, "bundle": "stand_in", "send": ["seg", "sr", "sc"], "to": ["pacs"]}


def _send(listener: ListenerProcess, port: int, phantoms: list[Phantom], seconds: list[float]) -> None:
    """Send each study until all of it was answered; how long each image took is added to `seconds`."""
    archive = open_archive(listener.server(port=port))
    for phantom in phantoms:
        left: list[SendItem] = [item for path in phantom.folder.iterdir() if (item := item_of(path)) is not None]
        while left:
            try:
                outcomes = archive.send(left)
                answered = set()
                before = 0.0
                for outcome in outcomes:
                    assert not outcome.error, outcome.error
                    answered.add(outcome.item.uid)
                    if before:  # not the first of a connection, which waits for it to stand
                        seconds.append(time.perf_counter() - before)
                    before = time.perf_counter()
            except LinkError:
                time.sleep(0.05)
            left = [item for item in left if item.uid not in answered]


def test_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    phantoms = [
        write_phantom(tmp_path / f"ct{n}", shape=(16, 16, SLICES), seed=n, spacing=(1, 1, 1)) for n in range(STUDIES)
    ]
    with orthanc(tmp_path / "orthanc", peers={"LISTEN": ("127.0.0.1", 4242)}) as pacs:
        servers = {"pacs": {"host": "127.0.0.1", "port": pacs.dicom, "ae_title": "ORTHANC", "our_ae_title": "LISTEN"}}
        listen = {"quiet_seconds": 5}
        with (
            listening(tmp_path / "l", [RULE], servers=servers, listen=listen, seconds=1.0) as listener,
            bad_link(listener.port) as link,
        ):
            link.cut_after = lambda number: 60_000 + 31_000 * (number % 4) if number % 3 == 0 else None
            seconds: list[float] = []
            start = time.monotonic()
            senders = [
                threading.Thread(target=_send, args=(listener, link.port, phantoms[n::SENDERS], seconds))
                for n in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            most = 0
            while any(sender.is_alive() for sender in senders):
                time.sleep(1.0)
                memory = next(line for line in listener.metrics().splitlines() if "memory_bytes" in line)
                most = max(most, int(memory.split()[1]))
            received = time.monotonic() - start
            listener.wait_until(lambda: listener.health()["studies_waiting"] == 0, 600)
            assert listener.health()["studies_dead"] == 0
            last = time.monotonic() - start
        p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1000
        print(
            f"{len(seconds)} images timed: median {p50:.1f} ms, 95th percentile {p95:.1f} ms, 99th {p99:.1f} ms; "
            f"received in {received:.0f} s over {link.connections} connections, all done after {last:.0f} s; "
            f"listener at most {most / 2**20:.0f} MiB"
        )
        kinds = Counter(one["MainDicomTags"]["Modality"] for one in pacs.get("series?expand&since=0&limit=10000"))
        studies, uids = pacs.get("studies?expand&since=0&limit=10000"), pacs.uids()
    folders = listener.queue.glob("studies/*/images")
    there = {folder.parent.name: len(list(folder.iterdir())) for folder in folders}
    assert there == {str(p.headers()[0].StudyInstanceUID): SLICES for p in phantoms}
    lines = [line for path in listener.queue.rglob("journal.jsonl") for line in path.read_text().splitlines()]
    events = [json.loads(line) for line in lines]
    rounds = Counter(event["event"] for event in events)["done"]
    # a study whose sender was held up for longer than the quiet time has a second round
    assert STUDIES <= rounds <= STUDIES + 5
    assert kinds == {"SEG": rounds, "SR": rounds, "SC": rounds}
    assert len(set(uids)) == len(uids) == 3 * rounds
    assert len(studies) == STUDIES
    assert most < 300 * 2**20
