"""OpenVINO as this program uses it: without its telemetry, and with one `openvino.Core` for the process.

OpenVINO sends usage data to a web-analytics host when it is imported and at every conversion, with an identity that it
keeps in a folder of the user's home, unless the user has opted out or its package `openvino_telemetry` is missing.
Here that package is always missing; OpenVINO then uses its own stand-in, which does nothing.

A Core loads OpenVINO's plugin for CPUs for itself, and the plugin gives the thread that loads it a stack of its own for
signal handlers. When the last user of that plugin goes, it unmaps the stack and, where it is still the current one,
puts back what it found before. Two plugins that go in the order in which they came, or one that goes in another thread,
leave a thread whose stack for handlers is not there. The next signal with a Python handler (SIGINT, SIGTERM, or
SIGCHLD, by which PyTorch watches its data loaders) then ends the process with a segmentation fault, without a word from
`faulthandler`, which needs that stack too (seen with 2026.4.1). So there is one Core, and it stays.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TELEMETRY = "openvino_telemetry"
_making = threading.Lock()
_core: Any = None


def openvino_module() -> Any:
    """The package `openvino`, imported so that it sends nothing and writes nothing into the home folder.

    Its `Core` and `compile_model` are not for use: see `openvino_core`.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    telemetry = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's word for "not to be imported"
    openvino = importlib.import_module("openvino")
    if telemetry is not None:  # somebody else has imported OpenVINO before
        stand_in = importlib.import_module("openvino.tools.ovc.telemetry_stub")
        for name, module in list(sys.modules.items()):
            if name.startswith("openvino.") and getattr(module, "tm", None) is telemetry:
                module.tm = stand_in  # type: ignore[attr-defined]
    return openvino


def openvino_core() -> Any:
    """The `openvino.Core` that all networks of this process share; safe to ask for and to use in any thread.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    global _core
    with _making:
        if _core is None:
            _core = openvino_module().Core()
        return _core


def compiled_file(file: str | Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A network from a file (OpenVINO's or ONNX) of one input and one output, ready to be called in float32.

    Takes and gives arrays (N, C, D, H, W).

    Raises:
        ImportError: OpenVINO is not installed.
    """
    model = openvino_core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: np.array(model(image)[0])
