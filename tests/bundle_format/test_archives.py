import gzip
import io
import tarfile
import time
import tracemalloc
import zipfile

import pytest

from monai_unet.bundle_format import archives
from monai_unet.bundle_format.archives import Limits, unpack
from monai_unet.errors import InputError

MIB = 1 << 20


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


def zip_of(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("configs/metadata.json", "{}")
        for name, size in members.items():
            with packed.open(name, "w", force_zip64=True) as file:
                for _ in range(size // MIB):
                    file.write(bytes(MIB))
    return path


def tar_of(path, **members):
    with gzip.open(path, "wb", compresslevel=1) as stream, tarfile.open(fileobj=stream, mode="w") as packed:
        for name, size in {"configs/metadata.json": 2, **members}.items():
            member = tarfile.TarInfo(name)
            member.size = size
            packed.addfile(member, io.BytesIO(bytes(size)))
    return path


@pytest.mark.parametrize("made", [zip_of, tar_of])
def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path, made):
    archive = made(tmp_path / "bundle.archive", bomb=256 * MIB)
    assert archive.stat().st_size < 2 * MIB
    with pytest.raises(InputError, match="would grow more than 100 times"):
        unpack(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize("made", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("limits", "sentence"),
    [(Limits(members=2), "more than 2 files"), (Limits(gib=2 / 1024), r"more than 0\.00195312 GiB")],
)
def test_each_limit_refuses_and_can_be_raised(tmp_path, made, limits, sentence):
    archive = made(tmp_path / "bundle.archive", one=MIB, two=MIB, three=MIB)
    with pytest.raises(InputError, match=sentence):
        unpack(archive, tmp_path / "unpacked", limits=limits)
    made(tmp_path / "large.archive", bomb=80 * MIB)
    found = unpack(tmp_path / "large.archive", tmp_path / "unpacked", limits=Limits(ratio=2000))
    assert (found / "bomb").stat().st_size == 80 * MIB


def test_a_tar_that_states_a_huge_file_is_refused_at_its_header(tmp_path):
    member = tarfile.TarInfo("huge")
    member.size = 1 << 50
    with gzip.open(tmp_path / "bundle.tar.gz", "wb") as stream:
        stream.write(member.tobuf())
        for _ in range(8):
            stream.write(bytes(MIB))
    begun = time.monotonic()
    with pytest.raises(InputError, match="GiB unpacked"):
        unpack(tmp_path / "bundle.tar.gz", tmp_path / "unpacked")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_tar_header_that_is_itself_the_bomb_is_not_taken_into_memory(tmp_path, kind):
    member = tarfile.TarInfo("header")
    member.type, member.size = kind, 512 * MIB
    with gzip.open(tmp_path / "bundle.tar.gz", "wb", compresslevel=1) as stream:
        stream.write(member.tobuf(tarfile.GNU_FORMAT))
        for _ in range(512):
            stream.write(bytes(MIB))
    tracemalloc.start()
    with pytest.raises(InputError, match="header"):
        unpack(tmp_path / "bundle.tar.gz", tmp_path / "unpacked")
    assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    tracemalloc.stop()


def test_more_than_the_disk_has_is_refused(tmp_path, monkeypatch):
    archive = zip_of(tmp_path / "bundle.zip", weights=8 * MIB)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: archives.shutil._ntuple_diskusage(1, 1, MIB))
    with pytest.raises(InputError, match="make room"):
        unpack(archive, tmp_path / "unpacked")


@pytest.mark.parametrize("place", [0, 30, 60, -30, -200])
def test_a_damaged_archive_is_a_sentence_and_leaves_nothing(tmp_path, place):
    archive = zip_of(tmp_path / "bundle.zip", weights=MIB)
    content = bytearray(archive.read_bytes())
    content[place : (place + 8) or None] = b"\xff" * 8
    archive.write_bytes(content)
    try:
        unpack(archive, tmp_path / "unpacked")
    except InputError as error:
        said = str(error)
    else:
        return  # damage that a zip does not notice
    assert str(archive) in said
    assert not list(tmp_path.glob("unpacked/*"))


def test_one_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as packed:
        packed.writestr("configs/metadata.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("configs/metadata.json", "[]")
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(tmp_path / "bundle.zip", tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").iterdir())


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_every_usual_tar_is_unpacked(tmp_path, suffix):
    mode = "w" if suffix == "tar" else f"w:{suffix.rpartition('.')[2]}"
    (tmp_path / "metadata.json").write_text("{}")
    with tarfile.open(tmp_path / f"brain.{suffix}", mode) as packed:
        packed.add(tmp_path / "metadata.json", "brain_v1/configs/metadata.json")
        long = tarfile.TarInfo("brain_v1/" + "long" * 60 + "/file")
        packed.addfile(long, io.BytesIO())
    found = unpack(tmp_path / f"brain.{suffix}", tmp_path / "unpacked")
    assert found == tmp_path / "unpacked" / "brain" / "brain_v1"
    assert (found / "configs" / "metadata.json").read_text() == "{}"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"])
def test_what_is_no_archive_is_a_sentence(tmp_path, content):
    (tmp_path / "bundle.zip").write_bytes(content)
    with pytest.raises(InputError, match="not a zip or tar archive"):
        unpack(tmp_path / "bundle.zip", tmp_path / "unpacked")
