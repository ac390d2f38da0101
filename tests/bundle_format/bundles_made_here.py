"""Small bundles whose code says that it ran, for the tests of trust and of what one bundle sees of another."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import torch

NETWORK: dict[str, Any] = {"_target_": "scripts.net.Net"}

CONFIG: dict[str, Any] = {
    "network_def": NETWORK,
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True},
            {"_target_": "EnsureTyped", "keys": "image"},
        ],
    },
    "inferer": {"_target_": "SimpleInferer"},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "AsDiscreted", "keys": "pred", "argmax": True}],
    },
}

METADATA: dict[str, Any] = {
    "version": "1.0.0",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 1, "channel_def": {"0": "image"}}},
        "outputs": {"pred": {"num_channels": 2, "channel_def": {"0": "background", "1": "thing"}}},
    },
}


def net(who: str) -> str:
    """Source of `scripts/net.py`: a network that knows whose it is, and asks a sibling only when it is run."""
    return textwrap.dedent(f"""
        import torch

        WHO = {who!r}

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = torch.nn.Conv3d(1, 2, 1)
                self.who = WHO

            def forward(self, x):
                from scripts.late import WHO as late
                import scripts.late
                import scripts.late as again
                import importlib
                self.asked = [late, scripts.late.WHO, again.WHO, importlib.import_module("scripts.late").WHO]
                return self.conv(x)
    """)


def write_scripts(root: Path, who: str) -> Path:
    """A package `scripts` whose modules say `who`."""
    (root / "scripts").mkdir(parents=True, exist_ok=True)
    (root / "scripts" / "__init__.py").write_text("")
    (root / "scripts" / "net.py").write_text(net(who))
    (root / "scripts" / "late.py").write_text(f"WHO = {who!r}\n")
    return root


def write_bundle(root: Path, who: str = "nobody", **config: Any) -> Path:
    """A bundle with a package `scripts`, and weights."""
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "configs" / "metadata.json").write_text(json.dumps(METADATA))
    (root / "configs" / "inference.json").write_text(json.dumps(CONFIG | config))
    write_scripts(root, who)
    write_weights(root)
    return root


def write_weights(root: Path, *, seed: int = 0) -> None:
    """Weights of its network in `models/model.pt`."""
    torch.manual_seed(seed)
    state = torch.nn.Conv3d(1, 2, 1).state_dict()
    torch.save({f"conv.{name}": value for name, value in state.items()}, root / "models" / "model.pt")


def runs_command(mark: Path) -> str:
    """A config's expression that leaves a mark when it is executed."""
    return f"$__import__('pathlib').Path({str(mark)!r}).touch()"
