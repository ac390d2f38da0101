"""The driver of `make family`, the whole way in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).resolve().parents[2] / "benchmarks" / "family.py"


@pytest.mark.slow
def test_the_smoke_run_trains_scores_and_writes_the_page_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(DRIVER),
        "--smoke",
        "--networks",
        "unet",
        "diffusion_unet",
        "--output",
        str(tmp_path),
    ]
    subprocess.run(command, check=True)
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["runs"]) == {"unet-dice_ce-0", "diffusion_unet-dice_ce-0"}
    for row in results["runs"].values():
        assert row["validation"]["cases"] == row["test"]["cases"] == 1
        # the driver scores on its own what the training's last validation saw
        assert row["validation"]["dice"]["mean"] == pytest.approx(max(dice for _, dice in row["curve"]), abs=2e-4)
    page = (tmp_path / "family.md").read_text()
    assert "| `unet` | 0 | 2 |" in page
    assert page.count("| `segresnet` | not yet run |") >= 1
    weights = (tmp_path / "unet-dice_ce-0" / "best.pt").stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert (tmp_path / "unet-dice_ce-0" / "best.pt").stat().st_mtime_ns == weights
