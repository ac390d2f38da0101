"""The driver of `make family`, the whole way in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.networks import NETWORKS

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


def test_runs_with_another_budget_are_not_taken_for_these(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"runs": {"unet-dice_ce-0": {"budget_s": 600.0}}}))
    command = [sys.executable, str(DRIVER), "--networks", "unet", "--budget", "1500", "--output", str(tmp_path)]
    done = subprocess.run([*command, "--dataset_dir", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "holds unet-dice_ce-0 with 600 s, not 1500; give --budget 600" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("config", ["train.yaml", "inference.json"])
def test_every_network_goes_through_the_bundle_by_its_name(name: str, config: str) -> None:
    """Whatever it normalises by: an inferer that refuses a network would end its training at the first validation."""
    parser = ConfigParser(
        ConfigParser.load_config_file(str(built_in_folder() / "hippocampus_mri" / "configs" / config))
    )
    parser["network_def#name"], parser["inferer#flips"] = name, []
    parser["inferer#windows"] = [32, 32, 32]
    network = parser.get_parsed_content("network_def").eval()
    if hasattr(network, "samples"):
        network.samples = network.steps = 1
    found = parser.get_parsed_content("inferer")(torch.randn(1, 1, 32, 32, 30), network)
    assert found.shape == (1, 3, 32, 32, 30)
    assert torch.isfinite(found).all()
