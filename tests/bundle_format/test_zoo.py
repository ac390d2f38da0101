"""Bundles of the Model Zoo, from a zoo on this machine: list, download, licence; nothing half-installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoo_server import WEIGHTS, Zoo, archive, bundle_files, zoo_served

from monai_unet.bundle_format import is_trusted
from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.zoo import ZooAddresses, download, licence_of, list_models, split_version, web
from monai_unet.bundle_format.zoo.hub import find_revision
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.generators import drain

SPLEEN = "spleen_ct_segmentation"
PT = "models/model.pt"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """A good bundle in two versions on Hugging Face, an older one on NGC; no waits between tries."""
    monkeypatch.setenv("MONAI_UNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(web, "WAITS", (0.0, 0.0))
    older = archive(SPLEEN, bundle_files(weights=b"older"))
    found = Zoo(hub={SPLEEN: {"0.9.9": bundle_files(weights=b"old"), "0.10.0": bundle_files()}})
    found.ngc = {f"{SPLEEN}/0.5.9": older, "Liver_segmentation/0.1.0": archive("Liver_segmentation", bundle_files())}
    found.index = {
        f"{SPLEEN}_v0.5.9": {"checksum": hashlib.sha1(older).hexdigest(), "source": "https://ngc.invalid/spleen.zip"},
        "Liver_segmentation_v0.1.0": {"checksum": "", "source": ""},
        "lung_nodule_ct_detection_v0.1.0": {"checksum": "0", "source": ""},
    }
    return found


@pytest.fixture
def addresses(zoo: Zoo) -> Iterator[ZooAddresses]:
    with zoo_served(zoo) as found:
        yield found


def nothing_installed(folder: Path) -> bool:
    return not folder.exists() or list(folder.iterdir()) == []


def test_list_is_of_both_hosts_and_of_what_segments(addresses: ZooAddresses) -> None:
    assert [(m.name, m.version, m.licence) for m in list_models(addresses)] == [
        ("Liver_segmentation", "0.1.0", ""),
        (SPLEEN, "", "apache-2.0"),
    ]


def test_one_host_that_is_down_leaves_the_list_of_the_other(zoo: Zoo, addresses: ZooAddresses) -> None:
    zoo.down = {"hub"}
    assert [m.version for m in list_models(addresses) if m.name == SPLEEN] == ["0.5.9"]
    zoo.down = {"index"}
    assert [m.name for m in list_models(addresses)] == [SPLEEN]
    zoo.down = {"hub", "index"}
    with pytest.raises(InputError, match=r"cannot be reached at 127\.0\.0\.1.*check the network"):
        list_models(addresses)


def test_newest_version_comes_from_hugging_face_pinned_and_may_not_run_yet(
    zoo: Zoo, addresses: ZooAddresses, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    fetched = drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses), steps.append)
    # 0.10.0 is newer than 0.9.9, though not in the order of letters
    commit = zoo.commit(SPLEEN, "0.10.0")
    assert fetched.version == "0.10.0"
    assert fetched.source.endswith(f"/MONAI/{SPLEEN}/tree/{commit}")
    files = zoo.hub[SPLEEN]["0.10.0"]
    for path, content in files.items():
        assert (fetched.bundle.root / path).read_bytes() == content
    assert steps[-1] == (sum(map(len, files.values())),) * 2
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert not is_trusted(fetched.bundle)
    assert json.loads((fetched.bundle.root / "monai_unet_source.json").read_text())["commit"] == commit
    # every file was asked for by the commit, which cannot move, and not by the tag
    assert all(commit in path for path, _ in zoo.asked if "resolve" in path)
    licence = licence_of(fetched.bundle)
    assert "Copyright (c) somebody" in licence
    assert "Apache License 2.0, in full" in licence
    assert list((tmp_path / "bundles").iterdir()) == [fetched.bundle.root]
    with pytest.raises(InputError, match="is there already"):
        drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))


def test_a_version_or_a_commit_is_what_is_fetched(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    for wanted in ("0.9.9", zoo.commit(SPLEEN, "0.9.9")):
        folder = tmp_path / wanted
        fetched = drain(download(f"{SPLEEN}@{wanted}", folder, addresses=addresses))
        assert (fetched.bundle.root / PT).read_bytes() == b"old"


def test_what_hugging_face_does_not_have_comes_from_ngc(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    fetched = drain(download(f"{SPLEEN}@0.5.9", tmp_path / "bundles", addresses=addresses))
    assert (fetched.bundle.root / PT).read_bytes() == b"older"
    assert fetched.source == addresses.archive(SPLEEN, "0.5.9")
    assert fetched.notes == ()
    # NGC's address is in small letters; no hash is stated of this one, which is said
    fetched = drain(download("Liver_segmentation", tmp_path / "bundles", addresses=addresses))
    assert fetched.version == "0.1.0"
    assert "No hash is stated" in fetched.notes[0]
    assert nothing_installed(tmp_path / "cache" / "zoo")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nobody_knows", "Neither Hugging Face nor NGC has a bundle called 'nobody_knows'"),
        (f"{SPLEEN}@7.7.7", "in version 7.7.7; leave the version out"),
        ("../evil", "names no bundle"),
        ("spleen@", "names no bundle"),
        ("a/b", "names no bundle"),
    ],
)
def test_what_nobody_has_is_a_sentence(addresses: ZooAddresses, tmp_path: Path, wanted: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        drain(download(wanted, tmp_path / "bundles", addresses=addresses))
    assert nothing_installed(tmp_path / "bundles")


def test_a_download_that_stops_goes_on_where_it_stopped(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    zoo.cut = {PT: 300_000}
    steps = download(SPLEEN, tmp_path / "bundles", addresses=addresses)
    with pytest.raises(InputError, match=r"stopped at 0\.9 MB.*goes on there"):
        drain(steps)
    assert nothing_installed(tmp_path / "bundles")
    assert zoo.fetched(f"{PT}")[-1] == "bytes=600000-"
    zoo.cut, zoo.asked = {}, []
    fetched = drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert (fetched.bundle.root / PT).read_bytes() == WEIGHTS
    assert set(zoo.fetched(PT)) == {"bytes=900000-"}


def test_a_download_that_a_user_stops_goes_on_too(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    steps = download(SPLEEN, tmp_path / "bundles", addresses=addresses)
    while next(steps)[0] < 300_000:
        pass
    steps.close()
    assert nothing_installed(tmp_path / "bundles")
    zoo.asked = []
    drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert zoo.fetched(PT)[-1].startswith("bytes=")


def test_an_archive_that_was_changed_meanwhile_is_fetched_anew(
    zoo: Zoo, addresses: ZooAddresses, tmp_path: Path
) -> None:
    """Its first half would be the old archive's, its second the new one's."""
    name = "Liver_segmentation"
    steps = download(name, tmp_path / "bundles", addresses=addresses)
    while next(steps)[0] < 300_000:
        pass
    steps.close()
    new = archive(name, bundle_files(weights=WEIGHTS[::-1]))
    zoo.ngc[f"{name}/0.1.0"] = new
    fetched = drain(download(name, tmp_path / "bundles", addresses=addresses))
    assert (fetched.bundle.root / PT).read_bytes() == WEIGHTS[::-1]
    assert hashlib.sha256(new).hexdigest() in fetched.notes[0]


def test_a_host_without_ranges_sends_it_from_the_beginning(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    steps = download(SPLEEN, tmp_path / "bundles", addresses=addresses)
    while next(steps)[0] < 300_000:
        pass
    steps.close()
    zoo.no_ranges = True
    fetched = drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert (fetched.bundle.root / PT).read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", [PT, "LICENSE"])
def test_another_content_than_the_hash_says_is_not_installed(
    zoo: Zoo, addresses: ZooAddresses, tmp_path: Path, path: str
) -> None:
    """One file of Git LFS (SHA-256), and one of git itself (its SHA-1 of a blob)."""
    right = zoo.hub[SPLEEN]["0.10.0"][path]
    zoo.swapped = {path: right[:-1] + b"?"}
    with pytest.raises(InputError, match="is not the file that Hugging Face states"):
        drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert nothing_installed(tmp_path / "bundles")
    zoo.swapped = {}
    fetched = drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert (fetched.bundle.root / path).read_bytes() == right


def test_a_longer_file_than_stated_is_left(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    zoo.swapped = {PT: WEIGHTS + b"more"}
    with pytest.raises(InputError, match="states"):
        drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert nothing_installed(tmp_path / "bundles")


def test_an_archive_of_another_hash_is_not_installed(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    zoo.index[f"{SPLEEN}_v0.5.9"]["checksum"] = "0" * 40
    with pytest.raises(InputError, match="not the file that the Model Zoo states"):
        drain(download(f"{SPLEEN}@0.5.9", tmp_path / "bundles", addresses=addresses))
    assert nothing_installed(tmp_path / "bundles")


@pytest.mark.parametrize("host", ["hub", "ngc"])
@pytest.mark.parametrize(
    ("metadata", "words"),
    [(None, "no MONAI bundle"), ({"network_data_format": 1}, "configs/metadata.json: 'network_data_format' must")],
)
def test_what_is_no_bundle_is_not_installed(
    zoo: Zoo, addresses: ZooAddresses, tmp_path: Path, host: str, metadata: object, words: str
) -> None:
    files = bundle_files(metadata)
    if host == "hub":
        zoo.hub = {"odd": {"1.0": files}}
    else:
        zoo.ngc["odd/1.0"] = archive("odd", files)
    with pytest.raises(InputError, match=words):
        drain(download("odd@1.0", tmp_path / "bundles", addresses=addresses))
    assert nothing_installed(tmp_path / "bundles")


def test_a_file_outside_the_folder_is_refused_before_anything_is_fetched(
    zoo: Zoo, addresses: ZooAddresses, tmp_path: Path
) -> None:
    for path in ("../../evil", "/etc/evil", "a/../b", "C:evil", "a\\b"):
        zoo.hub[SPLEEN]["0.10.0"] = bundle_files() | {path: b"evil"}
        with pytest.raises(InputError, match="outside its folder"):
            drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))
    assert not zoo.fetched("evil")


def test_a_host_that_answers_otherwise_is_a_sentence(zoo: Zoo, tmp_path: Path) -> None:
    zoo.index = []  # type: ignore[assignment]
    with zoo_served(zoo) as addresses:
        with pytest.raises(InputError, match="not a list of bundles"):
            drain(download("other", tmp_path / "bundles", addresses=addresses))
        wrong = ZooAddresses(addresses.index, addresses.ngc, addresses.index)
        with pytest.raises(InputError, match=r"Neither|not a list"):
            drain(download("other", tmp_path / "bundles", addresses=wrong))
    with pytest.raises(InputError, match="cannot be reached"):
        drain(download(SPLEEN, tmp_path / "bundles", addresses=addresses))


def test_the_command_shows_the_licence_and_says_that_nothing_has_run(
    addresses: ZooAddresses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("HF_ENDPOINT", addresses.hugging_face)
    assert main(["bundles", "get", SPLEEN]) == 0
    said = capsys.readouterr().out
    assert said.index("Apache License 2.0, in full") < said.index("Nothing of it has run")
    root = home / ".monai-unet" / "bundles" / SPLEEN
    assert not is_trusted(Bundle(SPLEEN, root, built_in=False))
    assert main(["bundles", "get", SPLEEN]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["bundles", "get"]) == 1
    assert "bundles get NAME" in capsys.readouterr().err


def test_trust_may_be_given_at_once(
    addresses: ZooAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("HF_ENDPOINT", addresses.hugging_face)
    assert main(["bundles", "get", SPLEEN, "--trust", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["source"].startswith(addresses.hugging_face)
    assert is_trusted(Bundle(SPLEEN, Path(said["folder"]), built_in=False))


def test_the_zoo_here_answers_as_hugging_face_does(zoo: Zoo, addresses: ZooAddresses, tmp_path: Path) -> None:
    """The judge is Hugging Face's own client, where it is installed."""
    hub = pytest.importorskip("huggingface_hub")
    api = hub.HfApi(endpoint=addresses.hugging_face)
    assert [ref.name for ref in api.list_repo_refs(f"MONAI/{SPLEEN}").tags] == ["0.9.9", "0.10.0"]
    there = api.model_info(f"MONAI/{SPLEEN}", revision="0.10.0", files_metadata=True)
    found = find_revision(SPLEEN, "", addresses)
    assert found is not None
    assert there.sha == found.commit
    assert {s.rfilename: (s.size, (s.lfs or {}).get("sha256", "")) for s in there.siblings} == {
        f.path: (f.size, f.sha256) for f in found.files
    }
    root = api.snapshot_download(f"MONAI/{SPLEEN}", revision="0.10.0", local_dir=tmp_path / "theirs")
    assert (Path(root) / PT).read_bytes() == WEIGHTS
    with pytest.raises(hub.errors.RevisionNotFoundError):
        api.model_info(f"MONAI/{SPLEEN}", revision="7.7.7")
    with pytest.raises(hub.errors.RepositoryNotFoundError):
        api.model_info("MONAI/nobody_knows")


def test_bundle_without_a_licence_says_so(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    assert "states no licence" in licence_of(Bundle("b", tmp_path, built_in=False))


def test_a_mirror_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    assert ZooAddresses().file("a", "c", "b c").startswith("https://mirror.example/MONAI/a/resolve/c/b%20c")
    assert split_version("a@0.1.0") == ("a", "0.1.0")
