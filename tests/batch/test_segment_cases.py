import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.batch import find_jobs, segment_jobs
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return hippocampus_weights(tmp_path_factory.mktemp("weights") / "model.pt")


@pytest.fixture(scope="module")
def segmenter(weights):
    return Segmenter.load("hippocampus_mri", device="cpu", checkpoint=weights)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        write_image(folder / f"{name}.nii.gz", "oblique", seed=seed)
    return folder


def test_each_case_gets_a_mask_and_its_provenance(tmp_path, segmenter, images):
    jobs = find_jobs([images], tmp_path / "out")
    assert [outcome.error for outcome in segment_jobs(segmenter, jobs)] == ["", "", ""]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{n}.{s}" for n in "abc" for s in ("json", "nii.gz")
    ]
    single = segmenter.segment(images / "b.nii.gz")
    stated = json.loads((tmp_path / "out" / "b.json").read_text())
    assert stated["weights_sha256"] == single.provenance["weights_sha256"]
    assert stated["labels"] == {"1": "anterior hippocampus", "2": "posterior hippocampus"}


def test_one_bad_case_does_not_stop_the_rest(tmp_path, images, weights, capsys):
    (images / "b.nii.gz").write_bytes(b"not a volume")
    code = main(
        [
            "segment",
            str(images),
            "-o",
            str(tmp_path / "out"),
            "--bundle",
            "hippocampus_mri",
            "--checkpoint",
            str(weights),
        ]
    )
    assert code == 2
    assert sorted(p.name for p in (tmp_path / "out").glob("*.nii.gz")) == ["a.nii.gz", "c.nii.gz"]
    error = capsys.readouterr().err
    assert "b.nii.gz" in error
    assert "Traceback" not in error


def test_resume_skips_what_the_same_model_made_of_the_same_input(tmp_path, segmenter, images):
    jobs = find_jobs([images], tmp_path / "out")
    list(segment_jobs(segmenter, jobs))
    write_image(images / "a.nii.gz", "oblique", seed=9)
    jobs[1].target.unlink()
    jobs[1].target.with_suffix("").with_suffix(".json").unlink()
    assert [outcome.skipped for outcome in segment_jobs(segmenter, jobs, resume=True)] == [False, False, True]
    other = Segmenter.load("hippocampus_mri", checkpoint=hippocampus_weights(tmp_path / "w.pt", seed=5), device="cpu")
    assert not any(outcome.skipped for outcome in segment_jobs(other, jobs[:1], resume=True))


def test_closing_in_the_middle_leaves_only_finished_cases(tmp_path, segmenter, images):
    jobs = find_jobs([images], tmp_path / "out")
    outcomes = segment_jobs(segmenter, jobs)
    next(outcomes)
    outcomes.close()
    for path in (tmp_path / "out").iterdir():
        assert not path.name.startswith(".partial")
        if path.name.endswith(".nii.gz"):
            assert np.asarray(nib.load(path).dataobj).shape == (33, 28, 22)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killing_at_any_moment_leaves_no_partial_mask(tmp_path, images, weights, number):
    script = (
        "from monai_unet.segmentation import Segmenter; from monai_unet.batch import find_jobs, segment_jobs\n"
        "import signal, monai_unet.cli.segment as command; signal.signal(signal.SIGTERM, command._stop)\n"
        f"s = Segmenter.load('hippocampus_mri', checkpoint={str(weights)!r}, device='cpu')\n"
        f"print('ready', flush=True)\n"
        f"while True: list(segment_jobs(s, find_jobs([{str(images)!r}], {str(tmp_path / 'out')!r})))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while not list((tmp_path / "out").glob("*.nii.gz")):
        time.sleep(0.05)
    time.sleep(0.1 + 0.3 * (number == signal.SIGKILL))
    process.send_signal(number)
    process.wait(60)
    for mask in (tmp_path / "out").glob("[!.]*.nii.gz"):
        assert np.asarray(nib.load(mask).dataobj).shape == (33, 28, 22)
    for provenance in (tmp_path / "out").glob("[!.]*.json"):
        assert json.loads(provenance.read_text())["bundle"] == "hippocampus_mri"
    if number == signal.SIGTERM:
        assert not list((tmp_path / "out").glob(".partial-*"))


def test_two_cases_of_one_name_are_refused(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "a.nii.gz", "oblique")
    with pytest.raises(InputError, match="rename"):
        find_jobs([tmp_path / "x" / "a.nii.gz", tmp_path / "y" / "a.nii.gz"], tmp_path / "out")


def test_a_mask_never_replaces_its_image(tmp_path):
    write_image(tmp_path / "a.nii.gz", "oblique")
    with pytest.raises(InputError, match="replace the image"):
        find_jobs([tmp_path / "a.nii.gz"], tmp_path)


def test_channels_of_a_folder_are_grouped_by_number(tmp_path):
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        write_image(tmp_path / f"{name}.nii.gz", "oblique")
    jobs = find_jobs([tmp_path], tmp_path / "out", channels=2)
    assert [job.target.name for job in jobs] == ["a.nii.gz", "b.nii.gz"]
    assert [path.name for path in jobs[1].images] == ["b_0000.nii.gz", "b_0001.nii.gz"]
    (tmp_path / "b_0001.nii.gz").unlink()
    with pytest.raises(InputError, match="case 'b'"):
        find_jobs([tmp_path], tmp_path / "out", channels=2)
    (tmp_path / "b_0000.nii.gz").rename(tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match="which channel"):
        find_jobs([tmp_path], tmp_path / "out", channels=2)


def test_one_file_can_be_named(tmp_path):
    write_image(tmp_path / "a.nii.gz", "oblique")
    assert find_jobs([tmp_path / "a.nii.gz"], tmp_path / "mask.nii.gz")[0].target == Path(tmp_path / "mask.nii.gz")
