"""Segmenting loses nothing: no input, no file of somebody else, no finished case in a power cut."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from simulated_disk import SimulatedDisk
from stub_segmenter import StubSegmenter

from monai_unet.batch import Job, JobOutcome, find_jobs, named_job, segment_jobs
from monai_unet.errors import InputError
from monai_unet.io.datasets import Channel

SHAPE = (6, 5, 4)


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(-9, 9, SHAPE).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        write(tmp_path / "images" / f"{name}.nii.gz", seed)
    return tmp_path / "images"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "config").write_text("a model")
    return tmp_path / "bundle"


def run(
    root: Path, jobs: list[Job], *, resume: bool = False, overwrite: bool = False, **model: object
) -> list[JobOutcome]:
    segmenter = StubSegmenter(root, **model)  # type: ignore[arg-type]
    return list(segment_jobs(segmenter, jobs, resume=resume, overwrite=overwrite))  # type: ignore[arg-type]


def errors(outcomes: list[JobOutcome]) -> list[str]:
    return [outcome.error for outcome in outcomes]


def skipped(outcomes: list[JobOutcome]) -> list[bool]:
    assert errors(outcomes) == [""] * len(outcomes)
    return [outcome.skipped for outcome in outcomes]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_receipt_states_hash_and_size_of_the_mask(root: Path, images: Path, out: Path) -> None:
    run(root, find_jobs([images], out), uncertainty=True)
    stated = json.loads((out / "a.json").read_text())
    for name, file in (("mask", "a.nii.gz"), ("uncertainty", "a_uncertainty.nii.gz")):
        written = (out / file).read_bytes()
        assert stated[f"{name}_sha256"] == hashlib.sha256(written).hexdigest()
        assert stated[f"{name}_bytes"] == len(written)


def test_same_input_gives_the_same_bytes(root: Path, images: Path, out: Path) -> None:
    run(root, find_jobs([images], out))
    time.sleep(1.1)  # the header of gzip counts seconds
    run(root, find_jobs([images], out.with_name("again")))
    assert (out / "a.nii.gz").read_bytes() == (out.with_name("again") / "a.nii.gz").read_bytes()


@pytest.mark.parametrize("spelling", ["itself", "link", "hard link", "another case"])
def test_a_result_never_replaces_an_image(images: Path, tmp_path: Path, spelling: str) -> None:
    image = images / "a.nii.gz"
    (tmp_path / "link.nii.gz").symlink_to(image)
    os.link(image, tmp_path / "hard.nii.gz")
    given, output = {
        "itself": (image, image),
        "link": (image, tmp_path / "link.nii.gz"),
        "hard link": (image, tmp_path / "hard.nii.gz"),
        "another case": (images, images),
    }[spelling]
    before = content(images)
    with pytest.raises(InputError, match="would replace the image"):
        find_jobs([given], output)
    if given.is_file():
        with pytest.raises(InputError, match="would replace the image"):
            named_job({"T1": given}, output, [Channel("T1")])
    assert content(images) == before


def test_an_uncertainty_replaces_no_image_and_no_mask_of_another_case(root: Path, images: Path, out: Path) -> None:
    write(images / "a_uncertainty.nii.gz", 5)
    jobs = find_jobs([images], out)
    with pytest.raises(InputError, match="would both be written"):
        run(root, jobs, uncertainty=True)
    assert errors(run(root, jobs)) == [""] * 4
    before = content(images)
    job = Job((images / "b.nii.gz",), images / "new" / ".." / "a.nii.gz")
    image = Job((images / "a_uncertainty.nii.gz",), out / "x.nii.gz")
    assert "would replace" in errors(run(root, [job, image], uncertainty=True, overwrite=True))[0]
    assert {name: content(images)[name] for name in before} == before


def test_not_even_overwriting_replaces_an_image(root: Path, images: Path) -> None:
    job, before = Job((images / "a.nii.gz",), images / "b.nii.gz"), content(images)
    inputs = [job, Job((images / "b.nii.gz",), images / "d.nii.gz")]
    assert "would replace" in errors(run(root, inputs, overwrite=True))[0]
    assert {name: content(images)[name] for name in before} == before


def test_a_side_file_of_another_program_is_not_replaced(root: Path, images: Path) -> None:
    (images / "scan_T1w.json").write_text('{"EchoTime": 0.03}')
    write(images / "scan_T1w.nii", 3)
    (job,) = find_jobs([images / "scan_T1w.nii"], images)
    assert "scan_T1w.json was not written by this command" in errors(run(root, [job]))[0]
    assert (images / "scan_T1w.json").read_text() == '{"EchoTime": 0.03}'
    assert not job.target.exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_mask_of_another_program_or_a_corrected_one_is_not_replaced(
    root: Path, images: Path, out: Path, resume: bool
) -> None:
    jobs = find_jobs([images], out)
    write(out / "a.nii.gz", 7)
    run(root, jobs[1:])
    write(out / "b.nii.gz", 8)
    before = content(out)
    first, second, third = errors(run(root, jobs, resume=resume, weights="2"))
    assert "not written by this command" in first
    assert "changed since it was written" in second
    assert ("another model" in third) == (not resume)
    assert {name: content(out)[name] for name in ("a.nii.gz", "b.nii.gz", "b.json")} == {
        name: before[name] for name in ("a.nii.gz", "b.nii.gz", "b.json")
    }
    assert errors(run(root, jobs, overwrite=True, weights="2")) == ["", "", ""]


def test_the_mask_of_another_patient_with_the_same_file_name_is_kept(root: Path, images: Path, out: Path) -> None:
    run(root, find_jobs([images], out))
    before = content(out)
    other = write(images.parent / "second patient" / "a.nii.gz", 9)
    for resume in (False, True):
        (error,) = errors(run(root, find_jobs([other], out), resume=resume))
        assert "mask of another image" in error
        assert str(images / "a.nii.gz") in error
    assert content(out) == before


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "bit", "receipt"])
def test_resume_makes_anew_what_is_damaged(root: Path, images: Path, out: Path, damage: str) -> None:
    jobs = find_jobs([images], out)
    run(root, jobs)
    whole = content(out)
    mask = jobs[1].target
    data = bytearray(mask.read_bytes())
    if damage == "cut":
        mask.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        mask.write_bytes(b"")
    elif damage == "bit":
        data[-6] ^= 1  # of the checksum of gzip
        mask.write_bytes(data)
    else:
        mask.unlink()
        if damage == "receipt":
            jobs[1].provenance.unlink()
    assert skipped(run(root, jobs, resume=True)) == [True, False, True]
    assert content(out) == whole


def test_resume_looks_at_all_that_changes_a_result(root: Path, images: Path, out: Path) -> None:
    jobs = find_jobs([images], out)
    assert skipped(run(root, jobs)) == [False] * 3
    assert skipped(run(root, jobs, resume=True)) == [True] * 3
    assert skipped(run(root, jobs, resume=True, uncertainty=True)) == [False] * 3
    assert skipped(run(root, jobs, resume=True, uncertainty=True)) == [True] * 3
    assert skipped(run(root, jobs, resume=True)) == [True] * 3
    jobs[0].uncertainty.write_bytes(b"")
    assert skipped(run(root, jobs, resume=True, uncertainty=True)) == [False, True, True]
    assert skipped(run(root, jobs, resume=True, uncertainty=True, precision="bf16")) == [False] * 3
    assert skipped(run(root, jobs, resume=True, uncertainty=True, precision="bf16", weights="2")) == [False] * 3
    assert skipped(run(root, jobs, resume=True, precision="fp32", weights="2")) == [False] * 3
    assert not jobs[0].uncertainty.exists(), "an uncertainty of another mask is not left beside it"


def test_resume_knows_a_case_whose_masks_lie_in_the_folder_of_its_images(root: Path, tmp_path: Path) -> None:
    series = tmp_path / "series"
    write(series / "x.nii.gz", 0)
    (job,) = [Job((series / "x.nii.gz",), series / "mask.nii.gz")]
    assert skipped(run(root, [job])) == [False]
    assert skipped(run(root, [job], resume=True)) == [True]


def test_a_receipt_that_cannot_be_written_leaves_no_mask(
    root: Path, images: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("monai_unet.batch.segment_cases.write_text", full)
    assert all("the disk is full" in error for error in errors(run(root, find_jobs([images], out))))
    assert list(out.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the simulated disk looks into /proc")
@pytest.mark.parametrize("earlier", ["nothing", "other options"])
def test_no_power_cut_loses_a_finished_case_or_leaves_a_wrong_one(
    root: Path, images: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str
) -> None:
    out.mkdir()
    jobs = find_jobs([images], out)
    if earlier != "nothing":
        run(root, jobs, precision="bf16", weights="2")
    disk, finished = SimulatedDisk(out), []
    with disk.watching(monkeypatch):
        for outcome in segment_jobs(StubSegmenter(root), jobs, resume=True):  # type: ignore[arg-type]
            assert not outcome.error
            finished.append(len(disk.moments))
    wanted = {job.target.name: gzip.decompress(job.target.read_bytes()) for job in jobs}
    seen = {frozenset(state.items()): state for state in disk.crashes(most=12)}
    assert len(seen) > 20
    for number, state in enumerate(list(seen.values())[:: max(1, len(seen) // 40)]):
        folder = tmp_path / f"after {number}"
        folder.mkdir()
        disk.lay_out(state, folder)
        outcomes = run(root, find_jobs([images], folder), resume=True)
        assert errors(outcomes) == ["", "", ""]
        assert {name: gzip.decompress((folder / name).read_bytes()) for name in wanted} == wanted
    for number, moment in enumerate(finished):
        disk.moments, moments = disk.moments[moment - 1 :], disk.moments
        for count, state in enumerate(disk.crashes(most=3)):
            if count > 3:
                break
            folder = tmp_path / f"finished {number} {count}"
            folder.mkdir()
            disk.lay_out(state, folder)
            there = [o.skipped for o in run(root, find_jobs([images], folder)[: number + 1], resume=True)]
            assert there == [True] * (number + 1), "what was said to be finished is finished"
        disk.moments = moments
