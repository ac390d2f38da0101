"""Consent is for every file that could be read, and what was agreed to is what runs."""

import json
import os
import py_compile
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bundles_made_here import CONFIG, METADATA, runs_command, write_bundle, write_weights

from monai_unet.bundle_format import content, private_copy
from monai_unet.bundle_format.catalogue import Bundle, find_bundle
from monai_unet.bundle_format.content import folder_hash
from monai_unet.bundle_format.parts import build_parts
from monai_unet.bundle_format.trust import is_trusted, require_trust, trusted_copy, trusted_file
from monai_unet.errors import InputError
from monai_unet.segmentation import Segmenter

NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path


def load(root, **options):
    return Segmenter.load(root, device="cpu", **options)


def of_links(place, name, inference):
    """A bundle whose folders are links into a store, as on a cluster."""
    stored = place / "store" / name
    for folder in ("configs", "models"):
        (stored / folder).mkdir(parents=True)
        (place / name).mkdir(exist_ok=True)
        (place / name / folder).symlink_to(stored / folder)
    (stored / "configs" / "metadata.json").write_text("{}")
    (stored / "configs" / "inference.json").write_text(json.dumps(inference))
    return place / name


@links
def test_consent_for_one_bundle_of_links_is_none_for_another(place):
    harmless = of_links(place, "A", {"network_def": "$None"})
    hostile = of_links(place, "B", {"network_def": runs_command(place / "PWNED")})
    with pytest.raises(InputError):
        load(harmless, trust=True)  # it is agreed to, and has no sound network
    assert is_trusted(find_bundle(harmless))
    with pytest.raises(InputError, match="--trust"):
        load(hostile)
    assert not (place / "PWNED").exists()
    assert folder_hash(harmless) != folder_hash(hostile)


@links
@pytest.mark.parametrize("changed", ["linked folder", "linked file", "link turned", "link in a linked folder"])
def test_a_change_behind_a_link_asks_anew(place, changed):
    root = write_bundle(place / "bundle")
    elsewhere = write_bundle(place / "elsewhere")
    (root / "scripts" / "net.py").unlink()
    (root / "scripts" / "net.py").symlink_to(elsewhere / "scripts" / "net.py")
    (root / "more").symlink_to(elsewhere / "scripts")
    (elsewhere / "scripts" / "deep").symlink_to(elsewhere / "configs")
    load(root, trust=True)
    load(root)
    if changed == "linked folder":
        (elsewhere / "scripts" / "late.py").write_text("WHO = 'changed'")
    elif changed == "linked file":
        (elsewhere / "scripts" / "net.py").write_text(runs_command(place / "PWNED")[1:])
    elif changed == "link turned":
        (root / "scripts" / "net.py").unlink()
        (root / "scripts" / "net.py").symlink_to(elsewhere / "scripts" / "late.py")
    else:
        (elsewhere / "configs" / "new.json").write_text("{}")
    assert not is_trusted(find_bundle(root))
    with pytest.raises(InputError, match="--trust"):
        load(root)
    assert not (place / "PWNED").exists()


@links
def test_links_are_followed_so_that_a_linked_copy_of_the_same_files_hashes_the_same(place):
    root = write_bundle(place / "bundle")
    (place / "linked").mkdir()
    for folder in ("configs", "models", "scripts"):
        (place / "linked" / folder).symlink_to(root / folder)
    (place / "whole").symlink_to(root)
    assert folder_hash(place / "linked") == folder_hash(root) == folder_hash(place / "whole")
    load(root, trust=True)
    assert load(place / "linked").parts.network.who == "nobody"


@links
def test_links_in_a_circle_are_refused_and_such_that_lead_nowhere_hold_nothing(place):
    root = write_bundle(place / "bundle")
    before = folder_hash(root)
    (root / "models" / "annexed").symlink_to(place / "not fetched")
    assert folder_hash(root) == before
    (root / "scripts" / "again").symlink_to(root)
    with pytest.raises(InputError, match="link to a folder that it lies in"):
        load(root, trust=True)
    assert not is_trusted(find_bundle(root))


def test_an_empty_folder_has_no_hash_and_the_hash_of_nothing_is_no_consent(place):
    (place / "empty" / "configs").mkdir(parents=True)
    (place / "empty" / "scripts" / "__pycache__").mkdir(parents=True)
    (place / "empty" / "scripts" / "__pycache__" / "net.cpython-311.pyc").write_bytes(b"code")
    with pytest.raises(InputError, match="holds no file"):
        folder_hash(place / "empty")
    trusted_file().parent.mkdir(parents=True)
    trusted_file().write_text(json.dumps({NOTHING: "A"}))
    bundle = Bundle("empty", place / "empty", built_in=False)
    assert not is_trusted(bundle)
    for consent in (False, True):
        with pytest.raises(InputError, match="holds no file"):
            require_trust(bundle, consent=consent)


def test_a_pipe_is_refused_and_not_waited_for(place):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    root = write_bundle(place / "bundle")
    os.mkfifo(root / "configs" / "pipe.json")
    with pytest.raises(InputError, match=r"pipe\.json is neither a file nor a folder"):
        load(root, trust=True)


def test_a_folder_without_end_is_refused(place, monkeypatch):
    root = write_bundle(place / "bundle")
    monkeypatch.setattr(content, "MOST_FILES", 3)
    with pytest.raises(InputError, match="is no bundle's folder"):
        folder_hash(root)


@pytest.mark.parametrize(
    "name",
    ["models/model.pt", "models/other.ckpt", "lib.zip", "a.egg", "b.pkl", "notes.txt", "c.toml", "d.so.1", ".hidden",
     "scripts/net.pyc", "docs/README.md", "no_suffix", "scripts/__pycache__.py"],
)  # fmt: skip
def test_every_file_counts_whatever_its_name(place, name):
    root = write_bundle(place / "bundle")
    require_trust(find_bundle(root), consent=True)
    (root / name).parent.mkdir(exist_ok=True)
    with (root / name).open("ab") as file:
        file.write(b"x")
    assert not is_trusted(find_bundle(root))
    with pytest.raises(InputError, match="--trust"):
        build_parts(find_bundle(root), device="cpu")


def test_bytes_moved_from_one_file_to_the_next_count(place):
    for name, (first, second) in {"one": ("ab", "c"), "other": ("a", "bc")}.items():
        (place / name).mkdir()
        (place / name / "1").write_text(first)
        (place / name / "2").write_text(second)
    assert folder_hash(place / "one") != folder_hash(place / "other")


def test_swapped_weights_ask_anew(place):
    root = write_bundle(place / "bundle")
    load(root, trust=True)
    write_weights(root, seed=1)
    with pytest.raises(InputError, match="--trust"):
        load(root)


@pytest.mark.parametrize("when", ["before consent", "after consent"])
def test_byte_code_in_a_cache_never_runs(place, when):
    root = write_bundle(place / "bundle", "source")
    (place / "evil.py").write_text((root / "scripts" / "net.py").read_text().replace("'source'", "'RAN_PYC'"))
    if when == "after consent":
        load(root, trust=True)
    cache = root / "scripts" / "__pycache__" / f"net.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(place / "evil.py"), cfile=str(cache), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    script = "import sys; from monai_unet.segmentation import Segmenter; "
    script += "print(Segmenter.load(sys.argv[1], device='cpu', trust=sys.argv[2] == 'yes').parts.network.who)"
    consent = "yes" if when == "before consent" else "no"
    said = subprocess.run([sys.executable, "-c", script, root, consent], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["source"]
    assert [path.name for path in (root / "scripts" / "__pycache__").iterdir()] == [cache.name]


@pytest.mark.parametrize("what", ["scripts/net.py", "configs/inference.json", "models/model.pt"])
def test_what_changes_between_the_question_and_the_use_does_not_run(place, monkeypatch, what):
    root = write_bundle(place / "bundle")
    load(root, trust=True)
    # the package's face gives the function `trust` for the module
    module = sys.modules[require_trust.__module__]
    asked = module.is_trusted

    def then_changed(bundle):
        answer = asked(bundle)
        if what == "scripts/net.py":
            (root / what).write_text(f"import pathlib; pathlib.Path({str(place / 'PWNED')!r}).touch()")
        elif what == "configs/inference.json":
            (root / what).write_text(json.dumps(CONFIG | {"network_def": runs_command(place / "PWNED")}))
        else:
            write_weights(root, seed=1)
        return answer

    monkeypatch.setattr(module, "is_trusted", then_changed)
    with pytest.raises(InputError, match="--trust"):
        load(root)
    assert not (place / "PWNED").exists()


def test_what_changes_after_loading_does_not_run_either(place, tmp_path):
    root = write_bundle(place / "bundle", "agreed")
    segmenter = load(root, trust=True)
    (root / "scripts" / "late.py").write_text("WHO = 'changed'")
    (root / "configs" / "metadata.json").write_text(json.dumps(METADATA | {"version": "9"}))
    segmenter.parts.network(__import__("torch").zeros(1, 1, 4, 4, 4))
    assert set(segmenter.parts.network.asked) == {"agreed"}
    assert segmenter.parts.bundle.description.version == "1.0.0"


def test_a_worker_that_loads_a_changed_bundle_is_refused(place):
    from monai_unet.evaluation.segment_work import load_model

    root = write_bundle(place / "bundle")
    require_trust(find_bundle(root), consent=True)
    (root / "scripts" / "late.py").write_text("WHO = 'changed'")
    load_model.cache_clear()
    with pytest.raises(InputError, match="--trust"):
        load_model(str(root), "cpu")


def test_the_hash_in_the_provenance_is_of_the_weights_that_were_loaded(place):
    root = write_bundle(place / "bundle")
    parts = load(root, trust=True).parts
    assert parts.weights == root / "models" / "model.pt"
    assert parts.weights_sha256 == __import__("hashlib").sha256(parts.weights.read_bytes()).hexdigest()
    assert folder_hash(parts.bundle.root) == folder_hash(root)


def test_errors_name_the_users_files_and_not_those_of_the_copy(place):
    root = write_bundle(place / "bundle", network_def={"_target_": "scripts.net.NoSuchNet"})
    with pytest.raises(InputError) as found:
        load(root, trust=True)
    assert str(root / "configs" / "inference.json") in str(found.value)
    assert private_copy.PREFIX not in str(found.value)
    (root / "configs" / "inference.json").write_text(json.dumps(CONFIG))
    (root / "models" / "model.pt").unlink()
    with pytest.raises(InputError, match=f"{root / 'models' / 'model.pt'} does not exist"):
        load(root, trust=True)


def test_a_copy_is_private_and_gone_with_its_process(place):
    root = write_bundle(place / "bundle")
    script = (
        "import sys; from monai_unet.segmentation import Segmenter; "
        "s = Segmenter.load(sys.argv[1], device='cpu', trust=True); print(s.parts.bundle.root)"
    )
    said = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True)
    assert not Path(said.stdout.strip()).exists()
    copy = load(root).parts.bundle.root
    assert load(root).parts.bundle.root == copy
    if os.name != "nt":
        assert copy.stat().st_mode & 0o777 == 0o700


def test_copies_of_killed_processes_are_removed_when_old(place, monkeypatch):
    monkeypatch.setattr(private_copy.tempfile, "gettempdir", lambda: str(place))
    monkeypatch.setattr(private_copy.psutil, "pid_exists", lambda pid: pid == 1)
    for name in (f"{private_copy.PREFIX}999-a", f"{private_copy.PREFIX}1-b", f"{private_copy.PREFIX}999-c"):
        (place / name).mkdir()
        old = time.time() - 2 * private_copy._ABANDONED_SECONDS
        os.utime(place / name, (old, old) if not name.endswith("c") else None)
    private_copy._remove_abandoned()
    left = sorted(path.name.removeprefix(private_copy.PREFIX) for path in place.glob(f"{private_copy.PREFIX}*"))
    assert left == ["1-b", "999-c"]


def test_no_room_for_the_copy_is_a_sentence(place, monkeypatch):
    root = write_bundle(place / "bundle")
    require_trust(find_bundle(root), consent=True)

    def full(root, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_copy, "copy_folder", full)
    with pytest.raises(InputError, match=r"cannot be copied to .*No space left on device"):
        load(root)


@pytest.mark.parametrize("damaged", ["[1,2,3]", "{", "", "null", '{"a": "b"}', "\xff"])
def test_a_damaged_list_of_consents_trusts_nobody_and_says_so(place, damaged):
    root = write_bundle(place / "bundle")
    require_trust(find_bundle(root), consent=True)
    trusted_file().write_text(damaged, encoding="latin-1")
    assert not is_trusted(find_bundle(root))
    with pytest.raises(InputError, match=r"trusted\.json.* is damaged.*; if you know .*--trust"):
        load(root)
    load(root, trust=True)
    assert trusted_file().with_suffix(".damaged.json").read_text(encoding="latin-1") == damaged
    load(root)


def test_consents_are_private_to_the_user(place):
    require_trust(find_bundle(write_bundle(place / "bundle")), consent=True)
    if os.name != "nt":
        assert trusted_file().stat().st_mode & 0o777 == 0o600
        assert trusted_file().parent.stat().st_mode & 0o777 == 0o700


def test_consent_that_cannot_be_written_down_is_a_sentence(place):
    bundle = find_bundle(write_bundle(place / "bundle"))
    (place / "home").write_text("a file in the place of the home folder")
    with pytest.raises(InputError, match="cannot be remembered in"):
        require_trust(bundle, consent=True)


def test_the_question_reads_a_large_file_once_and_what_runs_is_read_again(place, monkeypatch):
    bundle = find_bundle(write_bundle(place / "bundle"))
    large = bundle.root / "models" / "large.bin"
    large.write_bytes(bytes(content._REMEMBERED_FROM))
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(content, "_SETTLED_SECONDS", -1.0)
    os.utime(large, (an_hour_ago, an_hour_ago))
    require_trust(bundle, consent=True)
    assert is_trusted(bundle)
    read = []
    stock = content._file
    monkeypatch.setattr(content, "_file", lambda path, *more: read.append(path.name) or stock(path, *more))
    assert is_trusted(bundle)
    assert "large.bin" not in read
    trusted_copy(bundle)
    assert "large.bin" in read


def test_a_large_file_written_a_moment_ago_is_read_again(place):
    bundle = find_bundle(write_bundle(place / "bundle"))
    large = bundle.root / "models" / "large.bin"
    large.write_bytes(bytes(content._REMEMBERED_FROM))
    require_trust(bundle, consent=True)
    assert is_trusted(bundle)
    state = large.stat()
    large.write_bytes(b"1" + bytes(content._REMEMBERED_FROM - 1))
    os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert not is_trusted(bundle)
