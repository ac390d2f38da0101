"""No test reaches the network, by whatever package; the sockets of this machine (loopback) are all there is."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import loopback_only
import pytest

# ONNX Runtime from 1.29 on sends telemetry from a thread of its own unless this is set before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_LOOPBACK = str(Path(__file__).parent / "loopback")
if _LOOPBACK not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_LOOPBACK, os.environ.get("PYTHONPATH")]))
_log = Path(tempfile.mkdtemp(prefix="monai-unet-tests-")) / "refused"  # of this worker and of what it starts
_log.touch()
os.environ[loopback_only.LOG] = str(_log)
loopback_only.forbid()


def _refused() -> str:
    found = _log.read_text(encoding="utf-8")
    os.truncate(_log, 0)
    return found


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """What a package tries and swallows fails the test too; what comes late, from a thread, fails the next one."""
    yield
    if found := _refused():
        pytest.fail(f"the network was asked for during or before this test:\n{found}", pytrace=False)


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """A command that runs in this process tells matplotlib where its cache is; that is not for the next test."""
    before = os.environ.get("MPLCONFIGDIR")
    yield
    if before is None:
        os.environ.pop("MPLCONFIGDIR", None)
    else:
        os.environ["MPLCONFIGDIR"] = before


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What came after the last test fails the run."""
    if found := _refused():
        print(f"the network was asked for after the last test:\n{found}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    _log.unlink()
    _log.parent.rmdir()
