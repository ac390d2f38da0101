"""The queue on the disk: what was answered is there, also after a kill; doubles, strangers, late images told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
import pytest
from dicom_phantom import Phantom, write_phantom
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from monai_unet.errors import InputError

pytest.importorskip("pynetdicom")
pytest.importorskip("fcntl")

from monai_unet.batch.listener import Spool, Stored


@pytest.fixture
def phantom(tmp_path: Path) -> Phantom:
    return write_phantom(tmp_path / "ct", shape=(8, 8, 3))


def _came(spool: Spool, source: Path, **changes: str) -> Stored:
    path = spool.incoming / "coming.dcm"
    shutil.copy(source, path)
    if changes:
        changed = pydicom.dcmread(path)
        for keyword, value in changes.items():
            setattr(changed, keyword, value)
        changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
        changed.save_as(path)
    found = spool.store(path, "CT1")
    assert not path.exists()
    return found


def test_each_image_is_told_from_doubles_strangers_and_our_own(tmp_path: Path, phantom: Phantom) -> None:
    spool = Spool(tmp_path / "queue", {"Modality"})
    first, second, third = sorted(phantom.folder.iterdir())
    assert _came(spool, first) == Stored.NEW
    assert _came(spool, first) == Stored.DUPLICATE
    assert _came(spool, first, StudyDescription="other content") == Stored.CONFLICT
    own = {"Manufacturer": "monai-unet", "SOPClassUID": SecondaryCaptureImageStorage, "SOPInstanceUID": generate_uid()}
    assert _came(spool, first, **own) == Stored.OWN
    (study,) = spool.studies.values()
    study.journal.add("round", round=1, images=sorted(study.images))
    assert _came(spool, second) == Stored.LATE
    assert not study.dead
    assert _came(spool, third, PatientID="MRN-9", PatientName="Roe^Richard") == Stored.OTHER_PATIENT
    assert "two patients" in study.dead
    (tmp_path / "bad.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    assert _came(spool, tmp_path / "bad.dcm") == Stored.UNREADABLE
    assert len(list((tmp_path / "queue" / "dead").glob("*.dcm"))) == 3
    text = (tmp_path / "queue" / "audit.jsonl").read_text()
    assert "Doe" not in text
    assert "MRN" not in text
    assert "Roe" not in text
    spool.close()
    again = Spool(tmp_path / "queue", {"Modality"})
    (opened,) = again.studies.values()
    assert opened.images == study.images
    assert len(opened.images) == 2
    assert opened.dead == study.dead
    assert opened.headers == study.headers
    again.close()


def test_a_path_in_a_uid_is_no_path(tmp_path: Path, phantom: Phantom) -> None:
    spool = Spool(tmp_path / "queue", set())
    first = next(iter(sorted(phantom.folder.iterdir())))
    for keyword in ("StudyInstanceUID", "SOPInstanceUID"):
        with pytest.warns(UserWarning, match="UI"):
            assert _came(spool, first, **{keyword: "../../../out"}) == Stored.UNREADABLE
    assert spool.studies == {}
    spool.close()


def test_what_a_broken_link_or_disk_left_is_cleared_away(tmp_path: Path, phantom: Phantom) -> None:
    spool = Spool(tmp_path / "queue", {"PatientName", "ImageType"})
    for path in sorted(phantom.folder.iterdir()):
        _came(spool, path)
    (study,) = spool.studies.values()
    (values,) = study.headers.values()
    assert values["PatientName"] == "Doe^Jané"
    assert values["ImageType"] == "ORIGINAL\\PRIMARY\\AXIAL"
    half = spool.incoming / "half.dcm"
    half.write_bytes(b"half an image")
    spool.sweep(60)
    assert half.exists()
    spool.sweep(-1)
    assert not half.exists()
    spool.close()
    next(iter(study.pictures.iterdir())).write_bytes(b"")
    spool = Spool(tmp_path / "queue", {"PatientName"})
    (study,) = spool.studies.values()
    assert len(study.images) == 2
    assert len(list(spool.dead.glob("*.dcm"))) == 1
    spool.close()


def test_a_second_listener_on_one_queue_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "queue", set())
    with pytest.raises(InputError, match="another listener works"):
        Spool(tmp_path / "queue", set())
    spool.close()
    Spool(tmp_path / "queue", set()).close()


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_line_of_the_journal_that_a_kill_cut_off_counts_for_nothing(
    tmp_path: Path, phantom: Phantom, cut: int
) -> None:
    spool = Spool(tmp_path / "queue", set())
    _came(spool, next(iter(phantom.folder.iterdir())))
    (study,) = spool.studies.values()
    study.journal.add("round", round=1, images=[])
    study.journal.add("done", round=1)
    spool.close()
    path = study.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    spool = Spool(tmp_path / "queue", set())
    (study,) = spool.studies.values()
    assert [event["event"] for event in study.journal.events] == ["round"]
    study.journal.add("done", round=1)
    spool.close()
    spool = Spool(tmp_path / "queue", set())
    (study,) = spool.studies.values()
    assert [event["event"] for event in study.journal.events] == ["round", "done"]
    spool.close()
