import pytest

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.trust import folder_hash, is_trusted, require_trust
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
    for name in ("scripts/net.py", "configs/other.json", "models/model.pt"):
        before = folder_hash(bundle.root)
        path = bundle.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
        assert folder_hash(bundle.root) != before
        assert not is_trusted(bundle)
    for name in ("scripts/net.py", "configs/other.json", "models/model.pt"):
        (bundle.root / name).unlink()
    assert is_trusted(bundle)
