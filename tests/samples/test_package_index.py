import hashlib
import io
import tarfile
import zipfile

import pytest
from local_server import served

from monai_unet.errors import InputError
from monai_unet.samples import package_index


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index on this machine that holds one wheel of `brains`."""
    root = tmp_path / "index"
    (root / "simple" / "some-brains").mkdir(parents=True)
    (root / "files").mkdir()
    with zipfile.ZipFile(root / "files" / "some_brains-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("brains/data.txt", "grey matter")
    page = '<a href="../../files/some_brains-1.0-py3-none-any.whl#sha256=abc">some_brains-1.0-py3-none-any.whl</a>'
    (root / "simple" / "some-brains" / "index.html").write_text(page)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setattr(package_index, "_pip_config", dict)
    monkeypatch.setenv("MONAI_UNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(root) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
        yield root


def _hash(root):
    return hashlib.sha256((root / "files" / "some_brains-1.0-py3-none-any.whl").read_bytes()).hexdigest()


def test_a_file_is_found_on_the_index_and_kept(index):
    name, sha256 = "some_brains-1.0-py3-none-any.whl", _hash(index)
    path = package_index.fetch("Some_Brains", name, sha256=sha256)
    assert package_index.member(path, "brains/data.txt") == b"grey matter"
    (index / "files" / name).unlink()
    assert package_index.fetch("Some_Brains", name, sha256=sha256) == path


def test_another_hash_is_refused_and_nothing_kept(index):
    with pytest.raises(InputError, match="has sha256"):
        package_index.fetch("some-brains", "some_brains-1.0-py3-none-any.whl", sha256="0" * 64)
    assert not list(package_index.cache_folder().glob("*"))


def test_a_missing_file_is_named(index):
    with pytest.raises(InputError, match=r"other-2\.0\.tar\.gz could not be fetched .*no configured index has it"):
        package_index.fetch("other", "other-2.0.tar.gz", sha256="0" * 64)


def test_settings_come_in_pips_order(monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setattr(package_index, "_pip_config", dict)
    (default,) = package_index.index_urls()
    assert default.startswith("https://")
    monkeypatch.setattr(
        package_index,
        "_pip_config",
        lambda: {"index-url": "https://a/simple/", "extra-index-url": "https://b https://c"},
    )
    assert package_index.index_urls() == ["https://a/simple", "https://b", "https://c"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://d/simple")
    assert package_index.index_urls()[0] == "https://d/simple"


def test_an_index_out_of_reach_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MONAI_UNET_CACHE", str(tmp_path))
    monkeypatch.setattr(package_index, "index_urls", lambda: ["http://127.0.0.1:9/simple"])
    with pytest.raises(InputError, match="check the network"):
        package_index.fetch("some-brains", "x.whl", sha256="0" * 64)


def _sources(folder, **kind):
    path = folder / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("thing-1.0/data/volume.nrrd")
        for name, value in kind.items():
            setattr(info, name, value)
        info.size = 0 if kind else 4
        archive.addfile(info, None if kind else io.BytesIO(b"NRRD"))
    return path


def test_one_file_comes_out_of_a_source_distribution(tmp_path):
    assert package_index.member(_sources(tmp_path), "thing-1.0/data/volume.nrrd") == b"NRRD"


@pytest.mark.parametrize("kind", [{"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, {"type": tarfile.CHRTYPE}])
def test_what_is_no_plain_file_in_a_source_distribution_is_refused(tmp_path, kind):
    with pytest.raises(InputError, match="plain file"):
        package_index.member(_sources(tmp_path, **kind), "thing-1.0/data/volume.nrrd")


def test_a_missing_file_of_a_source_distribution_is_named(tmp_path):
    with pytest.raises(InputError, match=r"other\.nrrd"):
        package_index.member(_sources(tmp_path), "thing-1.0/data/other.nrrd")
