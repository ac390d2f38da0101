"""A job array of parts on a real Slurm: one task is cancelled, run again, and all are gathered."""

import sys

import pytest
from segmentation_cases import hippocampus_weights, write_image
from slurm import programs_there, slurm

from monai_unet.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not programs_there(), reason="needs Slurm and munge (Debian: slurm-wlm) and root"),
]

COUNT = 8
SCRIPT = """\
#!/bin/sh
#SBATCH --output={logs}/%A_%a.log
exec {python} -m monai_unet segment {images} -o {out} --bundle hippocampus_mri --checkpoint {weights} --device cpu \\
    --part auto/4 --resume
"""


def test_a_job_array_with_a_cancelled_task_is_gathered(tmp_path, capsys):
    for name in ("images", "logs"):
        (tmp_path / name).mkdir()
    for number in range(COUNT):
        write_image(tmp_path / "images" / f"case{number}.nii.gz", "oblique", seed=number)
    weights = hippocampus_weights(tmp_path / "model.pt")
    out, script = tmp_path / "out", tmp_path / "parts.sh"
    script.write_text(
        SCRIPT.format(
            logs=tmp_path / "logs", python=sys.executable, images=tmp_path / "images", out=out, weights=weights
        )
    )
    with slurm(tmp_path / "slurm") as there:
        job = there.run("sbatch", "--parsable", "--array=1-4", "--hold", script)
        # a task that never begins: the queue's own kind of loss
        there.run("scancel", f"{job}_3")
        there.run("scontrol", "release", job)
        there.wait(job)
        assert main(["gather", str(out)]) == 2
        assert "1 of 4 parts never began (3)" in capsys.readouterr().err
        again = there.run("sbatch", "--parsable", "--array=3", script)
        there.wait(again)
    logs = "\n".join(path.read_text() for path in (tmp_path / "logs").glob("*.log"))
    assert main(["gather", str(out)]) == 0, logs
    assert f"{COUNT} done, 0 failed, 0 missing" in capsys.readouterr().out
