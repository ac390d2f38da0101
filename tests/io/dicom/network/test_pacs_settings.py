"""The file that says which PACS there are: private, and each fault in it one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_unet.errors import InputError
from monai_unet.io.dicom.network import DimseServer, StudyQuery, WebServer, one_of, read_servers

GOOD = """
default: clinic
servers:
  clinic: {host: 127.0.0.1, port: 104, ae_title: PACS, retrieve: move, receive_port: 11112}
  web: {url: "https://127.0.0.1/dicom-web", user: reader, password: "secret", tls: {ca: ca.pem}}
"""


def _written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "pacs.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_servers_of_both_kinds_are_read_and_one_is_the_default(tmp_path: Path) -> None:
    servers, default = read_servers(_written(tmp_path, GOOD))
    clinic = one_of(servers, default, None)
    assert clinic == DimseServer("clinic", "127.0.0.1", 104, "PACS", retrieve="move", receive_port=11112)
    web = one_of(servers, default, "web")
    assert isinstance(web, WebServer)
    assert web.tls is not None
    assert web.tls.ca == tmp_path / "ca.pem"
    assert "secret" not in repr(web)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InputError, match="chmod 600"):
        read_servers(_written(tmp_path, GOOD, mode))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", "holds no settings"),
        ("servers: {a: {host: h, port: 104, ae_title: P", "is not YAML"),
        ("servers: {}", "names no server"),
        ("server: {}", "is servers meant"),
        ("servers: {a: {host: h, port: 104}}", "ae_title is missing"),
        ("servers: {a: {host: h, port: '104', ae_title: P}}", "port must be a whole number"),
        ("servers: {a: {host: h, port: true, ae_title: P}}", "port must be a whole number"),
        ("servers: {a: {host: h, port: 70000, ae_title: P}}", "from 1 to 65535"),
        ("servers: {a: {host: h, port: 104, ae_title: SEVENTEENLETTERSX}}", "1 to 16 letters"),
        ("servers: {a: {host: h, port: 104, ae_titel: P}}", "is ae_title meant"),
        ("servers: {a: {host: h, port: 104, ae_title: P, retrieve: move}}", "needs receive_port"),
        ("servers: {a: {host: h, port: 104, ae_title: P, timeout: 0}}", "more than 0 seconds"),
        ("servers: {a: {url: ftp://x}}", "http:// or https://"),
        ("servers: {a: {url: 'https://x', password: 1234}}", "put it in quotes"),
        ("servers: {a: {url: 'https://x', tls: {key: k.pem}}}", "a key without a certificate"),
        ("default: b\nservers: {a: {url: 'https://x'}}", "none of the servers"),
    ],
)
def test_a_fault_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_servers(_written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none_is_answered_with_those_that_are(tmp_path: Path) -> None:
    servers, _ = read_servers(_written(tmp_path, GOOD))
    with pytest.raises(InputError, match="known are clinic, web"):
        one_of(servers, "", "clinik")
    with pytest.raises(InputError, match="--pacs NAME"):
        one_of(servers, "", None)


@pytest.mark.parametrize("query", [{"date": "2024-01-01"}, {"study_uid": "../../etc"}, {"study_uid": "1." * 40 + "1"}])
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InputError):
        StudyQuery(**query)
