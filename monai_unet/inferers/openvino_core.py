"""The one `openvino.Core` of this process.

A Core loads OpenVINO's plugin for CPUs for itself, and the plugin gives the thread that loads it a stack of its own for
signal handlers. When the last user of that plugin goes, it unmaps the stack and, where it is still the current one,
puts back what it found before. Two plugins that go in the order in which they came, or one that goes in another thread,
leave a thread whose stack for handlers is not there. The next signal with a Python handler (SIGINT, SIGTERM, or
SIGCHLD, by which PyTorch watches its data loaders) then ends the process with a segmentation fault, without a word from
`faulthandler`, which needs that stack too (seen with 2026.4.1). So there is one Core, and it stays.
"""

from __future__ import annotations

import threading
from typing import Any

_making = threading.Lock()
_core: Any = None


def openvino_core() -> Any:
    """The `openvino.Core` that all networks of this process share; safe to ask for and to use in any thread.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    global _core
    with _making:
        if _core is None:
            import openvino

            _core = openvino.Core()  # noqa: TID251
        return _core
