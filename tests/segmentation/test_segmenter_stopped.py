"""A segmentation can be stopped or killed at any moment: what stands in the output folder is whole."""

import json
import os
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.errors import InputError
from monai_unet.inferers import StreamingSlidingWindowInferer
from monai_unet.segmentation.segmenter import Segmenter

SHAPE = (33, 28, 22)

DYING = """
import os, signal, sys
import torch
from monai_unet.cli import segment
from monai_unet.segmentation.segmenter import Segmenter
from monai_unet.batch import find_jobs, segment_jobs

image, output, weights, number = sys.argv[1:4] + [int(sys.argv[4])]
torch.set_num_threads(1)
signal.signal(signal.SIGTERM, segment._stop)
segmenter = Segmenter.load("hippocampus_mri", checkpoint=weights, device="cpu", runtime="torch")


def run():
    for outcome in segment_jobs(segmenter, find_jobs([image], output)):
        assert not outcome.error, outcome.error


def die_at(moment):
    # the moments: whenever a file of the output folder is created, opened, renamed or removed
    seen = 0

    def watch(event, arguments):
        nonlocal seen
        touches = event == "open" or event.split(".")[0] in ("os", "tempfile")
        if touches and any(isinstance(a, (str, os.PathLike)) and output in str(a) for a in arguments):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), number)

    sys.addaudithook(watch)


run()  # everything is compiled and loaded before the first fork
moment = 0
while True:
    moment += 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_at(moment)
            run()
            code = 0
        except SystemExit:
            code = 2
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    print("died" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}", flush=True)
    sys.stdin.readline()  # the parent looks at the folder
    if status == 0:
        break
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return hippocampus_weights(tmp_path_factory.mktemp("weights") / "model.pt")


def look_at(folder, *, number):
    """Every file is whole, or is one that a later run removes."""
    for path in folder.iterdir():
        if path.name.startswith(".partial-"):
            assert number == signal.SIGKILL
        elif path.name.endswith(".nii.gz"):
            assert np.asarray(nib.load(path).dataobj).shape == SHAPE
        else:
            assert json.loads(path.read_text())["bundle"] == "hippocampus_mri"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
def test_dying_at_any_moment_of_writing_leaves_no_partial_file(tmp_path, weights, number):
    image, output = write_image(tmp_path / "a.nii.gz", "oblique"), tmp_path / "out"
    command = [sys.executable, "-c", DYING, str(image), str(output), str(weights), str(int(number))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    ends = []
    for line in process.stdout:
        ends.append(line.strip())
        look_at(output, number=number)
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.wait(60) == 0
    assert ends[-1] == "exit 0"
    # a file is created, opened, renamed, for mask and provenance each
    assert len(ends) > 6
    assert set(ends[:-1]) <= ({"died"} if number == signal.SIGKILL else {"exit 2", "exit 0"})
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith(".partial-")) == [
        "a.json",
        "a.nii.gz",
    ]


def test_closing_after_any_step_computes_no_further_tile(tmp_path, weights):
    path = write_image(tmp_path / "a.nii.gz", "oblique")
    segmenter = Segmenter.load("hippocampus_mri", checkpoint=weights, device="cpu", runtime="torch")
    segmenter.engine.streaming = StreamingSlidingWindowInferer((16, 16, 16), overlap=0.25, sw_batch_size=4)
    tiles = []
    segmenter.parts.network.register_forward_pre_hook(lambda module, inputs: tiles.append(inputs[0].shape[0]))
    steps = len(list(segmenter.steps(path)))
    assert steps > 6
    for stop in range(1, steps):
        running = segmenter.steps(path)
        for _ in range(stop):
            next(running)
        before = len(tiles)
        running.close()
        assert len(tiles) == before
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz"]


def test_memory_that_never_suffices_is_one_sentence(tmp_path, weights):
    path = write_image(tmp_path / "a.nii.gz", "oblique")
    segmenter = Segmenter.load("hippocampus_mri", checkpoint=weights, device="cpu", runtime="torch")

    def full(module, inputs):
        raise MemoryError

    segmenter.parts.network.register_forward_pre_hook(full)
    with pytest.raises(InputError, match=r"memory does not suffice for .*a\.nii\.gz"):
        segmenter.segment(path)
