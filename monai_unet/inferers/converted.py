"""Networks converted to OpenVINO's format, kept on disk so that the next start need not convert them again."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import tempfile
from pathlib import Path
from typing import Any

import monai
import torch
from torch import nn

from monai_unet.inferers.openvino_core import openvino_core, openvino_module

KEPT = 8
"""Networks, and compiled models of them, that stay in the folder; those not used for longest go."""


class ConvertedNetwork:
    """Where one network's conversion is kept.

    Its name is made of the weights, the layers, the source of their classes, the versions and the processor: whatever
    of these differs is another file. What none of them shows (a function that the classes call, say) is left to the
    comparison with PyTorch at each start.

    Args:
        folder: is made when something is kept.
        module: the network.
    """

    def __init__(self, folder: Path, module: nn.Module) -> None:
        self.folder = folder
        self.file = folder / f"{_digest(module)}.xml"

    @property
    def there(self) -> bool:
        """Whether it is kept."""
        return self.file.is_file() and self.file.with_suffix(".bin").is_file()

    def keep(self, model: Any) -> None:
        """Write a converted model, whole or not at all; a folder that cannot be written is not an error."""
        openvino = openvino_module()
        with contextlib.suppress(OSError, RuntimeError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
                made = Path(temporary) / self.file.name
                openvino.save_model(model, made, compress_to_fp16=False)
                os.replace(made.with_suffix(".bin"), self.file.with_suffix(".bin"))
                os.replace(made, self.file)
            self._tidy()

    def used(self) -> None:
        """Count as new."""
        with contextlib.suppress(OSError):
            os.utime(self.file)
            self._tidy()

    def forget(self) -> None:
        """Take it away."""
        for suffix in (".xml", ".bin"):
            with contextlib.suppress(OSError):
                self.file.with_suffix(suffix).unlink()

    def _tidy(self) -> None:
        for pattern in ("*.xml", "*.blob"):
            for old in sorted(self.folder.glob(pattern), key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
                for file in (old, old.with_suffix(".bin")):
                    with contextlib.suppress(OSError):
                        file.unlink()


def _digest(module: nn.Module) -> str:
    found = hashlib.sha256()
    processor = openvino_core().get_property("CPU", "FULL_DEVICE_NAME")
    for word in (torch.__version__, monai.__version__, openvino_module().__version__, processor, repr(module)):
        found.update(f"{word}\0".encode())
    for source in sorted({file for kind in {type(part) for part in module.modules()} if (file := _source(kind))}):
        found.update(Path(source).read_bytes())
    for name, tensor in module.state_dict().items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        found.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return found.hexdigest()[:32]


def _source(kind: type) -> str | None:
    with contextlib.suppress(TypeError, OSError):
        return inspect.getsourcefile(kind)
    return None
