"""No package sends anything anywhere, and the home holds nothing but what the program says it keeps there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import loopback_only
import numpy as np
import pytest
from fetched import fetched_or_skip
from segmentation_cases import write_image

from monai_unet.io import read_volume, write_label_map
from monai_unet.samples import hippocampus_demo

OUTSIDE = "192.0.2.1"  # TEST-NET-1 of RFC 5737: nobody's
SHIM = Path(loopback_only.__file__).with_name("shim.c")
KEPT = [".cache/monai-unet", ".monai-unet"]
"""What a home may hold after a session."""
Run = Callable[..., str]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The library that watches compiled code, where there is a compiler for it."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"], check=True)
    return library


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(tmp_path: Path, home: Path, shim: Path | None) -> Run:
    """Run Python as a user on a computer of their own; gives what was tried over the network."""
    unset = {"CI", "TF_BUILD", "JENKINS_URL", "MONAI_UNET_CACHE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"}
    unset |= {name for name in os.environ if name.startswith("XDG_")}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    log = tmp_path / "network"
    environment |= {"HOME": str(home), "USERPROFILE": str(home), loopback_only.LOG: str(log)}
    if shim is not None:
        environment["LD_PRELOAD"] = str(shim)

    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return log.read_text(encoding="utf-8") if log.exists() else ""

    return run


ASKS = f"""
import socket
try:
    socket.create_connection(("{OUTSIDE}", 9))
except OSError as error:
    print(error)
"""


def test_this_process_has_no_network_but_its_own_machine() -> None:
    with loopback_only.unrecorded():
        for ask in (
            lambda: socket.create_connection((OUTSIDE, 9)),
            lambda: socket.getaddrinfo("monai-unet.invalid", 80),
            lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", (OUTSIDE, 9)),
            lambda: socket.socket().bind(("", 0)),
        ):
            with pytest.raises(OSError, match="no address but loopback"):
                ask()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_a_child_that_keeps_silent_about_a_refusal_is_found_out(run: Run) -> None:
    assert OUTSIDE in run("-c", ASKS)


COMPILED = f"""
import ctypes, socket, struct
address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(9), socket.inet_aton("{OUTSIDE}"))
fd = socket.socket(type=socket.SOCK_DGRAM).detach()
print(ctypes.CDLL(None).connect(fd, address, len(address)))
"""


def test_compiled_code_is_found_out_too(run: Run, shim: Path | None) -> None:
    if shim is None:
        pytest.skip("needs Linux and a C compiler")
    assert f"connect {OUTSIDE}" in run("-c", COMPILED)


COMMANDS = """
import json, sys
from monai_unet.cli import main
for command in sys.argv[1:]:
    assert main(json.loads(command)) == 0, command
"""


def test_a_session_in_a_fresh_home_asks_nobody_and_leaves_nothing_else(run: Run, home: Path, tmp_path: Path) -> None:
    """Before, the first click or mask by OpenVINO tried 22 posts and left an identity in `~/intel`."""
    image = write_image(tmp_path / "scan.nii.gz", "oblique")
    volume = read_volume(image)
    bright = (np.asarray(volume)[0] > np.percentile(volume, 90)).astype(np.uint8)
    reference = tmp_path / "references" / "scan.nii.gz"
    reference.parent.mkdir()
    write_label_map(bright, reference, like=volume.meta)
    segment = ["segment", image, "--bundle", "hippocampus_mri", "--device", "cpu", "--runtime", "openvino"]
    evaluate = ["evaluate", "--predictions", tmp_path / "masks", "--references", reference.parent]
    session = [
        ["info", image],
        [*segment, "-o", tmp_path / "masks"],
        ["interact", "--image", image, "--reference", reference, "--clicks", "2"],
        [*evaluate, "--images", image.parent, "--labels", "1=front", "2=back", "--output", tmp_path / "report"],
        ["convert", reference, tmp_path / "mask.nrrd"],
    ]
    tried = run("-c", COMMANDS, *(json.dumps([str(word) for word in command]) for command in session))
    assert tried == ""
    assert _kept(home) <= set(KEPT)


def test_the_demonstration_with_its_volume_at_hand_asks_nobody(run: Run, home: Path, tmp_path: Path) -> None:
    template = fetched_or_skip(hippocampus_demo.template)
    cache = home / ".cache" / "monai-unet"
    cache.mkdir(parents=True)
    shutil.copy(template, cache)
    assert run("-m", "monai_unet", "demo", "hippocampus", "--output", tmp_path / "demo") == ""
    assert _kept(home) <= set(KEPT)


def _kept(home: Path) -> set[str]:
    """What lies in the home, where it is not the way to what may lie there."""
    found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file() or not any(path.iterdir())}
    return {next((kept for kept in KEPT if name.startswith(kept)), name) for name in found}
