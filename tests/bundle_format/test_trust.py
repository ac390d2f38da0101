import io
import tarfile
import zipfile

import pytest

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.trust import folder_hash, is_trusted, require_trust, unpack
from monai_unet.errors import InputError


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "metadata.json").write_text("{}")
    (root / "configs" / "inference.yaml").write_text("run: []")
    return Bundle("bundle", root, built_in=False)


def test_the_same_files_need_consent_unless_they_are_built_in(bundle):
    built_in = Bundle("bundle", bundle.root, built_in=True)
    require_trust(built_in)
    assert is_trusted(built_in)
    assert not is_trusted(bundle)


def test_consent_is_for_these_files_and_is_remembered(bundle):
    with pytest.raises(InputError, match="--trust"):
        require_trust(bundle)
    require_trust(bundle, consent=True)
    assert is_trusted(bundle)
    for name in ("scripts/net.py", "configs/other.json"):
        before = folder_hash(bundle.root)
        path = bundle.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
        assert folder_hash(bundle.root) != before
        assert not is_trusted(bundle)
    (bundle.root / "scripts/net.py").unlink()
    (bundle.root / "configs/other.json").unlink()
    assert is_trusted(bundle)


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "a/../../outside.txt", "C:\\outside.txt"])
def test_archives_that_reach_outside_are_refused_and_leave_nothing(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
        packed.writestr("configs/metadata.json", "{}")
        packed.writestr(name, "x")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as packed:
        member = tarfile.TarInfo(name)
        packed.addfile(member, io.BytesIO())
    for archive in ("bundle.zip", "other.tar.gz"):
        with pytest.raises(InputError, match="outside"):
            unpack(tmp_path / archive, tmp_path / "unpacked")
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path / "unpacked").exists()


def test_links_in_an_archive_are_refused(tmp_path):
    with tarfile.open(tmp_path / "bundle.tar", "w") as packed:
        link = tarfile.TarInfo("configs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        packed.addfile(link)
    with pytest.raises(InputError, match="outside"):
        unpack(tmp_path / "bundle.tar", tmp_path / "unpacked")


def test_a_sound_archive_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "brain.zip", "w") as packed:
        packed.writestr("brain_v1/configs/metadata.json", "{}")
    assert (unpack(tmp_path / "brain.zip", tmp_path / "unpacked") / "configs" / "metadata.json").is_file()
