"""The official server's own application with a network of a few lines in place of the weights; prints its port.

Run by a Python that has `nninteractive` 2.6 (which needs PyTorch and nnU-Net): the tests take the one that
`$MONAI_UNET_NNINTERACTIVE_PYTHON` names, else their own.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

VARIABLE = "MONAI_UNET_NNINTERACTIVE_PYTHON"
LICENCE = "Stub Licence 1.0"


def python() -> str | None:
    """A Python that has the official server, or None."""
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    try:
        found = importlib.util.find_spec("nnInteractive.inference.server")
    except ModuleNotFoundError:
        return None
    return sys.executable if found else None


@contextmanager
def official_server() -> Iterator[str]:
    """Its address while the block runs; the test skips where it is not installed."""
    import pytest

    program = python()
    if program is None:
        pytest.skip(f"needs nninteractive 2.6, in this Python or in the one that ${VARIABLE} names")
    unset = ("PYTHONPATH", "NN_INTERACTIVE_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    process = subprocess.Popen(
        [program, "-W", "ignore", str(Path(__file__).resolve())],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        while line and not line.startswith("listening "):
            line = process.stdout.readline()
        assert line, f"the official server did not start: exit code {process.wait()}"
        yield f"http://127.0.0.1:{line.split()[1]}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def main() -> None:
    """Serve until terminated."""
    import torch
    import uvicorn
    from nnInteractive.inference.inference_session import nnInteractiveInferenceSession
    from nnInteractive.inference.server.app import make_app
    from nnInteractive.interaction.point import PointInteraction_stub
    from torch.nn.functional import max_pool3d

    torch.set_num_threads(1)

    class Stub(torch.nn.Module):
        """What was segmented before and what lies within 3 voxels of positive marks, without that of negative ones."""

        def forward(self, channels: torch.Tensor) -> torch.Tensor:
            before, marks = channels[:, 1:2], channels[:, 2:]
            near = [max_pool3d(marks[:, [0 + s, 2 + s, 4 + s]].amax(1, keepdim=True), 7, 1, 3) > 0.1 for s in (0, 1)]
            inside = ((before > 0.5) | near[0]) & ~near[1]
            return torch.cat([~inside, inside], dim=1).float()

    artifacts = {
        "capability_content": {},
        "point_interaction": PointInteraction_stub(1, True),
        "preferred_scribble_thickness": [2, 2, 2],
        "interaction_decay": 0.98,
        "pad_mode_data": "constant",
        "network": Stub(),
        "plans_manager": SimpleNamespace(get_label_manager=lambda dataset: None),
        "configuration_manager": SimpleNamespace(patch_size=[64, 64, 64]),
        "dataset_json": {},
        "trainer_name": "stub",
        "label_manager": None,
        "license": LICENCE,
    }
    assert nnInteractiveInferenceSession.INFERENCE_SESSION_VERSION.startswith("2.6")
    app = make_app(artifacts, torch.device("cpu"), max_sessions=3, torch_n_threads=1)
    listening = socket.create_server(("127.0.0.1", 0))
    print("listening", listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
