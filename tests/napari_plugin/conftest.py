"""One napari window for all tests of a process: starting it takes longer than most of them."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

HAS_DISPLAY = sys.platform != "linux" or bool(os.environ.get("DISPLAY"))
if not HAS_DISPLAY:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
# napari reads its settings when it is imported; the user's own stay as they are
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp()) / "settings.yaml"))
collect_ignore_glob = [] if importlib.util.find_spec("napari") else ["test_*.py"]


@pytest.fixture(autouse=True)
def garbage_is_collected_in_the_thread_of_the_window() -> Iterator[None]:
    """Python collects garbage in whatever thread allocates; Qt's objects must not die in a worker's."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the user's sessions, samples or consents, or compiles ahead."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setattr("napari_plugin.widget.compile_ahead", lambda: None)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def display_lock(tmp_path_factory: pytest.TempPathFactory) -> FileLock:
    """Held while a test needs the keyboard: workers of pytest-xdist share one display, and a window of another one
    that comes up takes the focus, without which Qt hears no shortcut."""
    base = tmp_path_factory.getbasetemp()
    return FileLock((base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "display.lock")


@pytest.fixture(scope="session")
def viewer(qapp: Any, display_lock: FileLock) -> Iterator[Any]:
    """A real window of 900 × 640."""
    if not HAS_DISPLAY:
        pytest.skip("no display: run under xvfb-run")
    import napari
    from napari.settings import get_settings

    get_settings().application.save_window_geometry = False
    with display_lock:
        made = napari.Viewer(show=True)
        made.window.resize(900, 640)
        qapp.processEvents()
    # napari collects garbage whenever a layer goes; what is here now stays until the end
    gc.collect()
    gc.freeze()
    yield made
    with display_lock:
        made.layers.clear()
        made.close()


@pytest.fixture
def wait(qapp: Any) -> Callable[..., None]:
    """Let the window work until a condition holds; fails after a while that is long even on a busy machine."""
    import time

    def wait_until(condition: Callable[[], bool] = lambda: False, *, seconds: float = 0.0) -> None:
        end = time.monotonic() + (seconds or 240.0)
        while time.monotonic() < end:
            qapp.processEvents()
            if condition():
                return
            time.sleep(0.005)
        assert seconds, "what was waited for did not happen"

    return wait_until


@pytest.fixture
def dock(viewer: Any, wait: Callable[..., None], display_lock: FileLock) -> Iterator[Any]:
    """The dock in the shared window, with the quick answerer and the keyboard; gone afterwards."""
    with display_lock:
        yield from docked(viewer, wait)


def docked(viewer: Any, wait: Callable[..., None]) -> Iterator[Any]:
    from napari._qt.dialogs.qt_notification import NapariQtNotification
    from plugin_cases import BallAnswerer
    from qtpy.QtCore import QCoreApplication, QEvent

    from napari_plugin.widget import Dock

    made = Dock(viewer)
    viewer.window.add_dock_widget(made, area="right", name="Tumour segmentation")
    made.editing.set_answerer(BallAnswerer)
    viewer.window._qt_window.activateWindow()
    wait(viewer.window._qt_window.isActiveWindow)
    yield made
    made.editing.unsaved = False
    made.release()
    viewer.window.remove_dock_widget(made)
    viewer.layers.clear()
    wait(seconds=0.05)
    # a message of napari's goes by itself after a while, and holds Tab as long as it is there
    for message in viewer.window._qt_window.findChildren(NapariQtNotification):
        message.close()
    # what Qt deletes later (napari's rows of sliders of each case), it deletes in an event loop, and a test has none
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
