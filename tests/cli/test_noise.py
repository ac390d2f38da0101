"""What a command prints besides its own lines: nothing that the user cannot act on."""

import os
import subprocess
import sys

import nibabel as nib
import pytest
from dicom_phantom import write_phantom
from pydicom import dcmread
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.cli import main


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "scan.nii.gz", "oblique")


@pytest.mark.parametrize("home", ["theirs", "none that can be written"])
def test_segment_prints_its_own_line_and_no_other(tmp_path, image, home):
    weights = hippocampus_weights(tmp_path / "model.pt")
    command = [sys.executable, "-m", "monai_unet", "segment", str(image), "-o", str(tmp_path / "masks")]
    command += ["--bundle", "hippocampus_mri", "--checkpoint", str(weights), "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    if home != "theirs":
        (tmp_path / "file").touch()
        nowhere = str(tmp_path / "file" / "home")
        environment |= {"HOME": nowhere, "USERPROFILE": nowhere, "TMPDIR": str(tmp_path)}
        environment |= {"XDG_CACHE_HOME": nowhere, "XDG_CONFIG_HOME": nowhere, "MONAI_UNET_CACHE": nowhere}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("monai-unet-fonts-*"))
    assert all(line.startswith("    note: ") for line in done.stderr.splitlines()), done.stderr
    assert done.stdout.startswith("[1/1] ")
    assert done.stdout.count("\n") == 1


def test_every_command_says_what_was_unusual_about_its_input(tmp_path, capsys):
    """The sform lies 2 mm off the qform; by `info` alone nobody would know."""
    path = write_image(tmp_path / "scan.nii.gz", "oblique")
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 2.0
    image.set_qform(image.affine, code=1)
    image.set_sform(moved, code=1)
    nib.save(image, tmp_path / "apart.nii.gz")
    weights = hippocampus_weights(tmp_path / "model.pt")
    note = "sform and qform lie up to 2.0 mm apart, the sform is used"
    assert main(["convert", str(tmp_path / "apart.nii.gz"), str(tmp_path / "out.nrrd")]) == 0
    assert note in capsys.readouterr().err
    command = ["segment", str(tmp_path / "apart.nii.gz"), "-o", str(tmp_path / "masks"), "--device", "cpu"]
    assert main([*command, "--bundle", "hippocampus_mri", "--checkpoint", str(weights)]) == 0
    assert note in capsys.readouterr().err
    assert note in (tmp_path / "masks" / "apart.json").read_text(encoding="utf-8")


def test_a_series_read_on_request_says_what_was_interpolated(tmp_path, capsys):
    phantom = write_phantom(tmp_path / "series")
    inner = sorted(phantom.folder.glob("*"), key=lambda path: float(dcmread(path).ImagePositionPatient[2]))
    inner[len(inner) // 2].unlink()
    assert main(["convert", str(phantom.folder), str(tmp_path / "out.nii.gz"), "--resample"]) == 0
    assert "interpolated to" in capsys.readouterr().err
