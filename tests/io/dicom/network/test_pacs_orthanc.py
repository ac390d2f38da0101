"""Found, fetched whole or not at all, sent and looked for again: a real Orthanc and dcmtk, on links that break."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from dicom_phantom import Phantom, write_phantom
from orthanc import (
    Orthanc,
    bad_link,
    certificate,
    free_port,
    needs_dcmtk,
    needs_orthanc,
    orthanc,
    running,
    wait_for_port,
)

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.io.dicom.network import (
    DimseServer,
    Server,
    StudyQuery,
    Tls,
    WebServer,
    fetch_study,
    open_archive,
    send_files,
)

pytest.importorskip("pynetdicom")
pytestmark = needs_orthanc

MOVE_PORT = free_port()


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    peers = {"MONAI-UNET": ("127.0.0.1", MOVE_PORT)}
    with orthanc(tmp_path_factory.mktemp("orthanc"), peers=peers) as server:
        yield server


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return write_phantom(tmp_path_factory.mktemp("phantom"), shape=(40, 32, 12))


@pytest.fixture
def stored(pacs: Orthanc, phantom: Phantom) -> Iterator[Phantom]:
    pacs.clear()
    pacs.put(phantom.folder)
    yield phantom
    pacs.clear()


def _server(kind: str, pacs: Orthanc, port: int | None = None, **more: object) -> Server:
    if kind == "web":
        address = pacs.web if port is None else f"http://127.0.0.1:{port}/dicom-web"
        return WebServer("web", address, **{"timeout": 10, **more})  # type: ignore[arg-type]
    given = {"retrieve": kind, "receive_port": MOVE_PORT, "timeout": 10, **more}
    return DimseServer(kind, "127.0.0.1", port or pacs.dicom, "ORTHANC", **given)  # type: ignore[arg-type]


def _study(phantom: Phantom) -> str:
    return str(phantom.headers()[0].StudyInstanceUID)


def _pixels(folder: Path) -> dict[str, str]:
    """SOPInstanceUID → hash of the pixels, of all files below a folder."""
    read = [pydicom.dcmread(path) for path in folder.rglob("*") if path.is_file()]
    return {str(one.SOPInstanceUID): hashlib.sha256(one.PixelData).hexdigest() for one in read}


KINDS = ["get", "move", "web"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_is_found_and_fetched_whole(pacs: Orthanc, stored: Phantom, tmp_path: Path, kind: str) -> None:
    archive = open_archive(_server(kind, pacs))
    (found,) = archive.find(StudyQuery(patient_id="MRN-12345", date="20240101-20241231", modality="CT"))
    assert (found.uid, found.date, found.modalities) == (_study(stored), "20240229", ("CT",))
    assert found.images == 12
    assert archive.find(StudyQuery(patient_name="Doe*"))[0].patient_name == "Doe^Jané"
    assert archive.find(StudyQuery(patient_id="MRN-1")) == []
    steps = list(fetch_study(archive, found.uid, tmp_path / "study"))
    assert steps[-1].done == steps[-1].total == 12
    assert _pixels(tmp_path / "study") == _pixels(stored.folder)


@pytest.mark.parametrize("kind", ["get", "web"])
def test_sent_files_are_found_in_the_pacs(pacs: Orthanc, phantom: Phantom, kind: str) -> None:
    pacs.clear()
    archive = open_archive(_server(kind, pacs))
    for _ in range(2):  # sent again, nothing is there twice
        sent = drain(send_files(archive, [phantom.folder]))
        assert sent.verified
        assert not sent.refused
        assert len(sent.uids) == 12
        assert sorted(pacs.uids()) == sorted(sent.uids)


@pytest.mark.parametrize("kind", ["get", "web"])
def test_a_link_that_is_cut_costs_nothing_but_time(pacs: Orthanc, stored: Phantom, tmp_path: Path, kind: str) -> None:
    """Cut after some images the first two times, both ways."""
    port = pacs.http if kind == "web" else pacs.dicom
    with bad_link(port) as link:
        # the queries before come first; each connection carries some of the images
        link.cut_after = lambda number: 14_000 if number < 6 else None
        archive = open_archive(_server(kind, pacs, link.port))
        assert drain(fetch_study(archive, _study(stored), tmp_path / "in", attempts=9, wait_s=0.01)) == 12
        assert link.connections > 3
        assert _pixels(tmp_path / "in") == _pixels(stored.folder)
        pacs.clear()
        first = link.connections
        link.cut_after = lambda number: 9_000 if number < first + 3 else None
        sent = drain(send_files(archive, [stored.folder], attempts=9, wait_s=0.01))
        assert sent.verified
        assert sorted(pacs.uids()) == sorted(sent.uids)


@pytest.mark.parametrize("kind", ["get", "web"])
def test_a_link_that_stays_broken_leaves_no_half_study(
    pacs: Orthanc, stored: Phantom, tmp_path: Path, kind: str
) -> None:
    port = pacs.http if kind == "web" else pacs.dicom
    with bad_link(port) as link:
        link.cut_after = lambda number: 9_000
        archive = open_archive(_server(kind, pacs, link.port))
        with pytest.raises(InputError):
            drain(fetch_study(archive, _study(stored), tmp_path / "study", attempts=2, wait_s=0.01))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["get", "web"])
def test_nonsense_is_one_sentence(pacs: Orthanc, tmp_path: Path, phantom: Phantom, kind: str) -> None:
    port = pacs.http if kind == "web" else pacs.dicom
    with bad_link(port) as link:
        link.nonsense = b"\x07\xff<html>nonsense" * 50
        archive = open_archive(_server(kind, pacs, link.port, timeout=2))
        with pytest.raises(InputError) as caught:
            archive.find(StudyQuery(patient_id="1"))
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError):
            drain(send_files(archive, [phantom.folder], attempts=2, wait_s=0.01))


@pytest.mark.parametrize("kind", ["get", "web"])
def test_a_fetch_that_is_stopped_leaves_nothing(pacs: Orthanc, stored: Phantom, tmp_path: Path, kind: str) -> None:
    steps = fetch_study(open_archive(_server(kind, pacs)), _study(stored), tmp_path / "study")
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_a_slow_link_is_waited_for(pacs: Orthanc, stored: Phantom, tmp_path: Path) -> None:
    with bad_link(pacs.dicom) as link:
        link.delay_s = 0.02
        archive = open_archive(_server("get", pacs, link.port))
        assert drain(fetch_study(archive, _study(stored), tmp_path / "study")) == 12


def test_a_pacs_that_does_not_know_us_says_so(pacs: Orthanc, stored: Phantom) -> None:
    """Orthanc breaks off where a stranger asks."""
    archive = open_archive(_server("get", pacs, our_ae_title="STRANGER"))
    with pytest.raises(InputError, match="STRANGER"):
        archive.find(StudyQuery(patient_id="MRN-12345"))


def test_a_wrong_ae_title_and_a_port_where_nobody_listens_are_named(pacs: Orthanc) -> None:
    wrong = DimseServer("wrong", "127.0.0.1", pacs.dicom, "NOBODY", timeout=5)
    with pytest.raises(InputError, match="nobody there is called NOBODY"):
        open_archive(wrong).find(StudyQuery(patient_id="1"))
    for server in (
        DimseServer("gone", "127.0.0.1", free_port(), "X", timeout=5),
        WebServer("w", "http://127.0.0.1:9/"),
    ):
        with pytest.raises(InputError, match="refused"):
            open_archive(server).find(StudyQuery(patient_id="1"))


def test_a_study_that_is_not_there_and_a_folder_that_is(pacs: Orthanc, stored: Phantom, tmp_path: Path) -> None:
    for kind in KINDS:
        with pytest.raises(InputError, match="has no"):
            drain(fetch_study(open_archive(_server(kind, pacs)), "1.2.3", tmp_path / "study", wait_s=0.01))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="is there already"):
        drain(fetch_study(open_archive(_server("get", pacs)), _study(stored), tmp_path / "mine"))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_a_study_of_two_patients_is_not_kept(pacs: Orthanc, stored: Phantom, tmp_path: Path) -> None:
    other = pydicom.dcmread(sorted(stored.folder.iterdir())[0])
    other.PatientID, other.PatientName = "MRN-999", "Roe^Richard"
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    (tmp_path / "other").mkdir()
    other.save_as(tmp_path / "other" / "1.dcm")
    pacs.put(tmp_path / "other")
    archive = open_archive(_server("get", pacs))
    with pytest.raises(InputError, match="several patients"):
        drain(fetch_study(archive, _study(stored), tmp_path / "study", attempts=1, wait_s=0.01))
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("kind", ["get", "web"])
def test_tls_and_a_certificate_that_expired(pacs: Orthanc, stored: Phantom, tmp_path: Path, kind: str) -> None:
    port = pacs.http if kind == "web" else pacs.dicom
    for name, expired in (("good", False), ("old", True)):
        crt, key = certificate(tmp_path / "keys", name, expired=expired)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(crt, key)
        with bad_link(port, context) as link:
            server = _server(kind, pacs, link.port, tls=Tls(ca=crt))
            if isinstance(server, WebServer):
                server = WebServer("web", server.url.replace("http:", "https:"), tls=server.tls)
            archive = open_archive(server)
            if expired:
                with pytest.raises(InputError, match="expired"):
                    archive.find(StudyQuery(patient_id="MRN-12345"))
            else:
                assert len(archive.find(StudyQuery(patient_id="MRN-12345"))) == 1


@needs_dcmtk
def test_dcmtk_finds_what_we_sent_and_takes_what_we_send(pacs: Orthanc, phantom: Phantom, tmp_path: Path) -> None:
    """storescp answers no queries: what it took cannot be looked for, and that is said."""
    folder, port = tmp_path / "received", free_port()
    folder.mkdir()
    with running(["storescp", "-od", str(folder), str(port)]) as process:
        wait_for_port(port, process)
        archive = open_archive(DimseServer("dcmtk", "127.0.0.1", port, "ANY", timeout=10))
        sent = drain(send_files(archive, [phantom.folder]))
    assert len(sent.uids) == 12
    assert not sent.verified
    assert _pixels(folder) == _pixels(phantom.folder)
    pacs.clear()
    drain(send_files(open_archive(_server("web", pacs)), [phantom.folder]))
    words = ["findscu", "-S", "-aet", "MONAI-UNET", "-aec", "ORTHANC", "127.0.0.1", str(pacs.dicom)]
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={_study(phantom)}", "-k", "SOPInstanceUID"]
    series = ["-k", f"SeriesInstanceUID={phantom.headers()[0].SeriesInstanceUID}"]
    done = subprocess.run([*words, *keys, *series, "-v"], capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert all(uid in text for uid in sent.uids), text


def test_the_command_finds_fetches_and_sends(
    pacs: Orthanc, phantom: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pacs.clear()
    config = tmp_path / "pacs.yaml"
    config.write_text(
        f"default: web\nservers:\n  web: {{url: '{pacs.web}'}}\n"
        f"  clinic: {{host: 127.0.0.1, port: {pacs.dicom}, ae_title: ORTHANC}}\n"
    )
    config.chmod(0o600)
    of = ["--config", str(config)]
    assert main(["pacs", "send", str(phantom.folder), *of]) == 0
    assert "12 files sent" in capsys.readouterr().out
    assert main(["pacs", "find", *of, "--patient", "MRN-12345", "--pacs", "clinic"]) == 0
    listed = capsys.readouterr().out
    assert _study(phantom) in listed
    assert "Jan" not in listed
    assert "MRN" not in listed
    assert main(["pacs", "find", *of, "--date", "20240229", "--identity"]) == 0
    assert "Doe^Jané" in capsys.readouterr().out
    assert main(["pacs", "find", _study(phantom), *of]) == 0
    assert str(phantom.headers()[0].SeriesInstanceUID) in capsys.readouterr().out
    assert main(["pacs", "fetch", _study(phantom), *of, "-o", str(tmp_path / "studies")]) == 0
    assert _pixels(tmp_path / "studies" / _study(phantom)) == _pixels(phantom.folder)
    assert main(["pacs", "find", *of]) == 1
    assert "say what to look for" in capsys.readouterr().err
