"""What a terminal has no letter for is printed in another way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.skipif(os.name == "nt", reason="locales of POSIX")
@pytest.mark.parametrize("form", ["table", "json"])
def test_info_works_where_there_are_no_letters_but_ascii(tmp_path: Path, form: str) -> None:
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 7), np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    command = [sys.executable, "-m", "monai_unet", "info", str(tmp_path), *(["--json"] if form == "json" else [])]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **ASCII}, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    text = done.stdout.decode("ascii")
    if form == "table":
        assert "5x6x7" in text
    else:
        assert json.loads(text)[0]["shape"] == [5, 6, 7]
