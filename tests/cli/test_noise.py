"""What a command prints besides its own lines: nothing that the user cannot act on."""

import subprocess
import sys

import pytest
from segmentation_cases import hippocampus_weights, write_image


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "scan.nii.gz", "oblique")


def test_segment_prints_its_own_line_and_no_other(tmp_path, image):
    weights = hippocampus_weights(tmp_path / "model.pt")
    command = [sys.executable, "-m", "monai_unet", "segment", str(image), "-o", str(tmp_path / "masks")]
    command += ["--bundle", "hippocampus_mri", "--checkpoint", str(weights), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("[1/1] ")
    assert done.stdout.count("\n") == 1
