"""Compiles napari's lines before anybody draws one, in a process of its own (no Qt).

Once after an installation the first line would freeze the window:
`time python -m napari_plugin.viewer.compile_ahead` with an empty `NUMBA_CACHE_DIR` took 25 s, the second time 4 s
(napari 0.9.2). numba keeps on the disk what it has compiled.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

from monai_unet import paths

_running: subprocess.Popen[bytes] | None = None


def done_file() -> Path:
    """Marks that these versions of Python, napari and numba have compiled."""
    versions = "-".join(f"{name}_{version(name)}" for name in ("napari", "numba"))
    return paths.own_folder() / f"compiled-python_{sys.version_info[0]}.{sys.version_info[1]}-{versions}"


def compile_ahead() -> subprocess.Popen[bytes] | None:
    """Start the process, once per viewer and not when it was done before; None when there is nothing to do."""
    global _running
    if _running is None and not done_file().is_file():
        quiet = subprocess.DEVNULL
        command = [sys.executable, "-m", "napari_plugin.viewer.compile_ahead"]
        with contextlib.suppress(OSError):
            _running = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
            with contextlib.suppress(psutil.Error):
                psutil.Process(_running.pid).nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10))
        return _running
    return None


def _draw() -> None:
    """What the plugin draws, on no screen: prompts being drawn, the axes of a lesion."""
    from napari.layers import Shapes

    layer = Shapes(ndim=3)
    lines = [np.array([[2.0, 1, 1], [2, 5, 5], [2, 5, 1]]), np.array([[2.0, 1, 5], [2, 5, 1]])]
    layer.add(lines, shape_type="path", edge_color="red", face_color="transparent", edge_width=0.5)
    layer.add(lines[:1], shape_type="polygon", edge_color="red", face_color="transparent")
    paths.make_private(done_file().parent)
    done_file().touch()


if __name__ == "__main__":
    _draw()
