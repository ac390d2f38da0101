"""Damaged DICOM results: a clear refusal or a result, nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_checks import ALGORITHM, SEGMENTS, labels_on
from dicom_phantom import write_phantom

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom.result_file import kind_of
from monai_unet.io.dicom.rtstruct import write_rtstruct
from monai_unet.io.dicom.rtstruct_read import read_rtstruct
from monai_unet.io.dicom.seg import read_seg, write_seg
from monai_unet.io.dicom.sr import read_sr, write_sr
from monai_unet.io.results import LesionMeasurements

CASES = 60


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut short, or up to 20 bytes overwritten."""
    if rng.random() < 0.3:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 2, 5, 20])):
        changed[rng.randrange(132, len(changed))] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["seg", "rtstruct", "sr"])
def test_damaged_result_is_refused_by_name_or_read(tmp_path: Path, kind: str) -> None:
    phantom = write_phantom(tmp_path / "ct", shape=(11, 9, 4))
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    seg = write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    write_rtstruct(working, tmp_path / "rtstruct.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    lesions = [LesionMeasurements(1, "left kidney", 1.0, 2.0, 1.0, 3.0, 4.0)]
    write_sr(lesions, tmp_path / "sr.dcm", source=phantom, segmentation=seg, algorithm=ALGORITHM)
    readers: dict[str, Callable[[Path], object]] = {
        "seg": lambda path: read_seg(path, source=phantom).masks(),
        "rtstruct": lambda path: read_rtstruct(path, source=phantom).masks(),
        "sr": read_sr,
    }
    content, rng, path = (tmp_path / f"{kind}.dcm").read_bytes(), random.Random(kind), tmp_path / "damaged.dcm"
    refusals = []
    for _ in range(CASES):
        path.write_bytes(damaged(content, rng))
        kind_of(path)
        try:
            readers[kind](path)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > CASES // 5
    assert all(str(path) in sentence for sentence in refusals)
