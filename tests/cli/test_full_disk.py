"""A full disk, one that can only be read, a home that cannot be written: one sentence, nothing half-written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_checks import ALGORITHM
from dicom_phantom import write_phantom
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.cli import main
from monai_unet.errors import InputError, system_sentence
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io import write_label_map
from monai_unet.io.dicom import write_seg
from monai_unet.io.results import Segment

SHAPE = (64, 64, 12)
resource = pytest.importorskip("resource", reason="limits of POSIX")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT series, masks on it in several formats, two evaluations, an image for a model; incompressible all of it."""
    root = tmp_path_factory.mktemp("inputs")
    phantom = write_phantom(root / "ct", shape=SHAPE)
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 3, SHAPE[::-1]).astype(np.uint8)
    working, _ = to_working_frame(labels.transpose(2, 1, 0), phantom.grid)
    segments = [Segment(1, "liver"), Segment(2, "tumour")]
    write_seg(working, root / "mask.dcm", source=phantom, segments=segments, algorithm=ALGORITHM)
    affine = phantom.grid.affine
    for folder in ("p", "r"):
        (root / folder).mkdir()
        # names that make the tables larger than the disk
        for n in range(12):
            name = f"{'case' * 40}_{n}.nii.gz"
            nib.save(
                nib.Nifti1Image(chance.integers(0, 2, (6, 6, 6)).astype(np.uint8), np.eye(4)), root / folder / name
            )
    for name in ("image.nii.gz", "mask.nii.gz"):
        data = chance.integers(0, 2 if "mask" in name else 1000, SHAPE).astype(np.int16)
        nib.save(nib.Nifti1Image(data, affine), root / name)
    cases = [{"image": "./image.nii.gz", "label": "./mask.nii.gz"}]
    (root / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "x"}, "test": cases}))
    write_image(root / "scan.nii.gz", "oblique")
    hippocampus_weights(root / "model.pt")
    return root


def commands(root: Path, out: Path) -> dict[str, list[str]]:
    convert = ["convert", str(root / "ct")]
    mask = ["convert", str(root / "mask.dcm")]
    from_mask = [*mask, str(out / "made.dcm"), "--source", str(root / "ct"), "--to"]
    score = ["evaluate", "--predictions", str(root / "p"), "--references", str(root / "r"), "--workers", "1"]
    model = ["--bundle", "hippocampus_mri", "--checkpoint", str(root / "model.pt"), "--device", "cpu"]
    return {
        "nifti": [*convert, str(out / "made.nii.gz")],
        "nrrd": [*convert, str(out / "made.nrrd")],
        "meta": [*convert, str(out / "made.mha")],
        "series": [*convert, str(out / "copy"), "--to", "dicom", "--deidentify"],
        "label map": [*mask, str(out / "made.nii.gz")],
        "split": [*mask, str(out / "each"), "--split"],
        "seg": [*from_mask, "seg"],
        "rtstruct": [*from_mask, "rtstruct"],
        "report": [*from_mask, "sr"],
        "evaluate": [*score, "--labels", "1=x", "--output", str(out / "scores")],
        "segment": ["segment", str(root / "scan.nii.gz"), "-o", str(out), *model],
        "clicks": ["interact", "--dataset", str(root), "--method", "classical", "--clicks", "1", "--output", str(out)],
    }


NAMES = list(commands(Path(), Path()))


def ends_in_one_sentence(command: list[str], capsys: pytest.CaptureFixture[str], out: Path, *reasons: str) -> None:
    code = main(command)
    said = capsys.readouterr()
    assert code != 0, said.out
    assert "Traceback" not in said.err
    sentences = [line for line in said.err.splitlines() if any(reason in line for reason in reasons)]
    assert len(sentences) == 1, said.err
    assert ".partial-" not in sentences[0]
    left = [path.name for path in out.rglob("*") if path.is_file()]
    # of an evaluation the cases that were scored, to go on with --resume
    assert set(left) <= {"journal.jsonl", "filler"}, left


@contextlib.contextmanager
def limit_of_files(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "series"])
def test_files_larger_than_allowed(tmp_path: Path, inputs: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For every user: a limit on the size of files, as `ulimit -f` and quotas set it."""
    (tmp_path / "out").mkdir()
    with limit_of_files(300):
        command = commands(inputs, tmp_path / "out")[name]
        ends_in_one_sentence(command, capsys, tmp_path / "out", "files of its size", "cannot be read or written")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 KiB, which only the system's administrator can mount; elsewhere the test above stands for it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("no permission to mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_full_disk(small_disk: Path, inputs: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name not in ("nifti", "nrrd", "meta", "series", "clicks"):
        (small_disk / "filler").write_bytes(b"x" * 27_000)
    ends_in_one_sentence(commands(inputs, small_disk)[name], capsys, small_disk, "the disk is full")


@pytest.mark.parametrize("name", NAMES)
def test_disk_that_can_only_be_read(
    small_disk: Path, inputs: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ends_in_one_sentence(commands(inputs, small_disk)[name], capsys, small_disk, "the disk can only be read")


@pytest.mark.parametrize("name", NAMES)
def test_home_that_cannot_be_written(
    tmp_path: Path, inputs: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command writes does not lie in the home, so it is done all the same."""
    monkeypatch.setenv("HOME", "/proc/nobody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nobody/.cache")
    (tmp_path / "out").mkdir()
    assert main(commands(inputs, tmp_path / "out")[name]) == 0
    assert "nobody" not in capsys.readouterr().err


def test_consent_that_cannot_be_kept_is_one_sentence(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model" / "configs").mkdir(parents=True)
    (tmp_path / "model" / "configs" / "metadata.json").write_text("{}")
    (tmp_path / "model" / "configs" / "inference.json").write_text("{}")
    monkeypatch.setenv("HOME", "/proc/nobody")
    command = ["segment", str(inputs / "scan.nii.gz"), "-o", str(tmp_path), "--bundle", str(tmp_path / "model")]
    assert main([*command, "--trust"]) == 1
    said = capsys.readouterr().err
    assert "nobody" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.nii.gz"), "a.nii.gz cannot be written, the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "a.nii.gz"), "can only be read"),
        (PermissionError(errno.EACCES, "Permission denied", "a.nii.gz"), "Permission denied"),
        (MemoryError(), "memory"),
    ],
)
def test_the_system_speaks_in_sentences(error: OSError | MemoryError, words: str) -> None:
    assert words in system_sentence(error)


def test_a_file_is_whole_or_not_there_for_every_size_of_disk(small_disk: Path, tmp_path: Path, inputs: Path) -> None:
    """ITK and libraries below it do not look at what `write` gives back."""
    image = nib.load(inputs / "image.nii.gz")
    labels = np.random.default_rng(0).integers(0, 200, (6, 24, 24)).astype(np.uint8)
    from monai_unet.io import read_volume

    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), image.affine), tmp_path / "like.nii")
    like = read_volume(tmp_path / "like.nii").meta
    for suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        whole = False
        for free in range(0, 12, 1):
            (small_disk / "filler").write_bytes(b"x" * (32768 - 4096 * min(8, free)))
            target = small_disk / f"mask{suffix}"
            with contextlib.suppress(OSError, InputError):
                write_label_map(labels, target, like=like)
                whole = True
            assert target.exists() == whole
            assert not [p for p in os.listdir(small_disk) if p.startswith(".partial")]
            if whole:
                assert int(read_volume(target).numpy().sum()) == int(labels.sum())
                target.unlink()
                break
        assert whole, suffix
