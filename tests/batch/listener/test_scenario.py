"""A study sent to the listener comes back into Orthanc with SEG, SR and secondary captures, and is seen in OHIF."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_checks import DATA, dciodvfy_errors, needs_data
from listening import listening
from ohif import needs_ohif, ohif, picture_of
from orthanc import Orthanc, needs_orthanc, orthanc
from PIL import Image
from synthetic_dicom import write_series

from monai_unet.cli import main
from monai_unet.generators import drain
from monai_unet.geometry import grid_of, place
from monai_unet.io import read_mask_file, read_volume
from monai_unet.io.dicom import find_usable_series

pytest.importorskip("pynetdicom")
pytest.importorskip("fcntl")

from monai_unet.io.dicom.network import open_archive, send_files

pytestmark = [needs_orthanc, needs_data, pytest.mark.data, pytest.mark.slow]


def _series(folder: Path) -> None:
    """A hippocampus of the Decathlon as an MR series, axial, from feet to head."""
    volume = read_volume(next(iter(sorted((DATA / "Task04_Hippocampus" / "imagesTr").glob("hippocampus_*.nii.gz")))))
    voxels = np.rint(np.asarray(volume.numpy()[0], float) / float(volume.max()) * 1000).astype(np.int16)  # (S, A, R)
    voxels = voxels[:, ::-1, ::-1]  # rows towards P, columns towards L
    positions = [(0.0, 0.0, float(k)) for k in range(len(voxels))]
    write_series(folder, voxels, positions, SeriesDescription="T1 MPRAGE", SliceThickness=1.0, StudyID="1",
                 StudyDate="20240101", StudyTime="101010", AccessionNumber="A1", PatientSex="F",
                 ReferringPhysicianName="", SeriesNumber=4)  # fmt: skip


def _back(pacs: Orthanc, folder: Path) -> dict[str, list[Path]]:
    """Files of each modality that Orthanc has."""
    folder.mkdir()
    found: dict[str, list[Path]] = {}
    for one in pacs.get("instances"):
        path = folder / f"{one}.dcm"
        path.write_bytes(pacs.file(one))
        header = pydicom.dcmread(path, stop_before_pixels=True)
        kind = "SC" if "Secondary" in header.SOPClassUID.name else str(header.Modality)
        found.setdefault(kind, []).append(path)
    return found


def test_a_study_sent_to_the_listener_comes_back_with_its_results(tmp_path: Path) -> None:
    _series(tmp_path / "mr")
    rule = {
        "name": "hippocampus", "when": {"Modality": "^MR$", "SeriesDescription": "(?i)t1"}, "bundle": "hippocampus_mri",
        "send": ["seg", "sr", "sc", "ko", "pdf", "pr"], "to": ["pacs"], "device": "cpu",
    }  # fmt: skip
    with orthanc(tmp_path / "orthanc", peers={"LISTEN": ("127.0.0.1", 4242)}) as pacs:
        pacs.put(tmp_path / "mr")
        servers = {"pacs": {"host": "127.0.0.1", "port": pacs.dicom, "ae_title": "ORTHANC", "our_ae_title": "LISTEN"}}
        with listening(tmp_path / "l", [rule], servers=servers, seconds=None) as listener:
            time.sleep(1.0)
            drain(send_files(open_archive(listener.server()), [tmp_path / "mr"]))
            listener.wait_until(lambda: bool(listener.events("done") or listener.events("dead")), 400)
            assert not listener.events("dead"), listener.events("dead")
            complete, done = (listener.events(name)[0] for name in ("complete", "done"))
            segmented = listener.events("segmented")[0]
            print("segmented", segmented["seconds"], "s; from complete to done", complete["time"], done["time"])
        back = _back(pacs, tmp_path / "back")
        _check(back, tmp_path)
        study = str(pydicom.dcmread(back["SEG"][0]).StudyInstanceUID)
        series = str(pydicom.dcmread(back["SEG"][0]).SeriesInstanceUID)
        if needs_ohif.args[0]:
            pytest.skip(f"all but the viewer: {needs_ohif.kwargs['reason']}")
        with ohif(pacs.http) as viewer:
            address = f"{viewer}/viewer?StudyInstanceUIDs={study}&initialSeriesInstanceUID={series}"
            picture_of(address, tmp_path / "ohif.png")
        pixels = np.asarray(Image.open(tmp_path / "ohif.png").convert("RGB"), int)
        middle = pixels[100:, 300:1250]
        grey = np.ptp(middle, axis=2) < 8
        assert (grey & (middle.mean(axis=2) > 60)).sum() > 20_000, "no image is seen"
        assert (np.ptp(middle, axis=2) > 60).sum() > 500, "no segmentation is seen"


def _check(back: dict[str, list[Path]], folder: Path) -> None:
    counts = Counter({kind: len(paths) for kind, paths in back.items()})
    assert (counts["SEG"], counts["SR"], counts["KO"], counts["DOC"], counts["PR"]) == (1, 1, 1, 1, 1)
    for kind in ("SEG", "SR", "SC", "KO", "DOC", "PR"):
        assert {path: errors for path in back[kind] if (errors := dciodvfy_errors(path))} == {}
    assert (
        main(["segment", str(folder / "mr"), "--bundle", "hippocampus_mri", "--device", "cpu", "-o", str(folder / "m")])
        == 0
    )
    (mask,) = (folder / "m").glob("*.nii.gz")
    expected = read_volume(mask)
    series = find_usable_series(folder / "mr", None)
    seg = read_mask_file(back["SEG"][0], source=series)
    labels = place(seg.masks.numpy()[0], grid_of(seg.masks), grid_of(expected), name="SEG")
    assert np.array_equal(labels > 0, expected.numpy()[0] > 0)
    assert (labels > 0).sum() > 1000
    slices = {k for k in range(len(labels)) if (labels[k] > 0).any()}
    assert counts["SC"] == len(slices)
