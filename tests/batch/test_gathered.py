"""Parts of a run in one table: done, failed with its reason, missing, and what does not belong together."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from stub_segmenter import StubSegmenter

from monai_unet.batch import Part, RunRecord, find_jobs, gather, segment_jobs, write_table
from monai_unet.errors import InputError

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in NAMES:
        nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4)), folder / f"{name}.nii.gz")
    (folder / "f.nii.gz").write_bytes(b"no volume")
    return folder


def run(tmp_path: Path, images: Path, part: Part, *, weights: str = "1", upto: int | None = None) -> Path:
    out = tmp_path / "out"
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True, exist_ok=True)
    (root / "configs" / "metadata.json").write_text("{}")
    found = find_jobs([images], out)
    jobs = part.of(found)
    with RunRecord(out, part, jobs, {"bundle": "stub"}, whole=len(found)) as record:
        for number, outcome in enumerate(segment_jobs(StubSegmenter(root, weights=weights), jobs)):
            if number == upto:
                break
            record.add(outcome)
    return out


def states(out: Path) -> dict[str, str]:
    return {case.case: case.state for case in gather(out).cases}


def test_all_parts_are_one_table(tmp_path, images):
    for number in (1, 2, 3):
        out = run(tmp_path, images, Part(number, 3))
    found = gather(out)
    assert states(out) == dict.fromkeys(NAMES, "done") | {"f": "failed"}
    assert not found.warnings
    rows = list(csv.DictReader(write_table(found, out).open(encoding="utf-8")))
    assert [row["case"] for row in rows] == list(NAMES)
    assert "f.nii.gz" in rows[-1]["reason"]
    assert rows[0]["image"] == str(images / "a.nii.gz")


def test_a_part_that_never_began_is_named_with_the_number_of_its_cases(tmp_path, images):
    out = run(tmp_path, images, Part(1, 3))
    run(tmp_path, images, Part(3, 3))
    found = gather(out)
    assert len(found.cases) + found.unknown == len(NAMES)
    assert found.unknown == len(Part(2, 3).of(find_jobs([images], tmp_path / "elsewhere"))) > 0
    assert found.warnings == ("1 of 3 parts never began (2); their cases are not in the table.",)


def test_a_run_that_was_killed_leaves_cases_that_are_missing(tmp_path, images):
    out = run(tmp_path, images, Part(), upto=2)
    (out / "c.nii.gz").unlink(missing_ok=True)
    (out / "d.nii.gz").unlink(missing_ok=True)
    (out / "e.nii.gz").unlink(missing_ok=True)
    assert states(out) == {"a": "done", "b": "done", "c": "missing", "d": "missing", "e": "missing", "f": "missing"}


def test_a_case_that_was_mended_and_run_again_is_done(tmp_path, images):
    out = run(tmp_path, images, Part())
    assert states(out)["f"] == "failed"
    (images / "f.nii.gz").write_bytes((images / "a.nii.gz").read_bytes())
    jobs = [job for job in find_jobs([images], out) if job.case == "f"]
    with RunRecord(out, Part(), jobs, {"bundle": "stub"}, whole=6) as record:
        for outcome in segment_jobs(StubSegmenter(tmp_path / "bundle"), jobs):
            record.add(outcome)
    assert states(out)["f"] == "done"


def test_a_mask_that_is_gone_is_missing(tmp_path, images):
    out = run(tmp_path, images, Part())
    (out / "b.nii.gz").unlink()
    [gone] = [case for case in gather(out).cases if case.case == "b"]
    assert (gone.state, gone.reason) == ("missing", "its mask is gone")


def test_two_models_in_one_folder_are_said(tmp_path, images):
    out = run(tmp_path, images, Part(1, 2))
    run(tmp_path, images, Part(2, 2), weights="2")
    [warning] = gather(out).warnings
    assert "different models or weights" in warning


def test_a_line_cut_by_a_power_cut_is_passed_over(tmp_path, images):
    out = run(tmp_path, images, Part())
    path = out / "segment.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert states(out)["a"] == "done"
    assert states(out)["f"] == "missing"


def test_a_name_that_is_a_formula_is_none_in_the_table(tmp_path, images):
    (images / "a.nii.gz").rename(images / "=1+1.nii.gz")
    out = run(tmp_path, images, Part())
    assert "\n'=1+1," in write_table(gather(out), out).read_text(encoding="utf-8")


def test_a_folder_without_a_record_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no record of a run"):
        gather(tmp_path)


def test_a_folder_of_receipts_is_not_needed_to_be_ours(tmp_path, images):
    out = run(tmp_path, images, Part())
    (out / "a.json").write_text(json.dumps({"something": "else"}))
    assert states(out)["a"] == "missing"
