"""What computes the network: PyTorch, or OpenVINO, which needs about half the time on a CPU for small networks."""

from __future__ import annotations

import contextlib
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.errors import InputError
from monai_unet.inferers.converted import ConvertedNetwork
from monai_unet.inferers.onednn import OneDNNForSingleImages
from monai_unet.inferers.openvino_core import openvino_core, openvino_module
from monai_unet.inferers.streaming import single_output

Precision = Literal["fp32", "bf16", "fp16"]
AGREEMENT = 1e-3
"""Largest difference of OpenVINO's logits to PyTorch's, relative to their spread, with which it is used."""

COMPILED_SHAPES = 4
"""Shapes kept compiled for a network that does not declare its stride; a sliding window needs two or three."""


class TorchNetwork:
    """A network in evaluation mode, called by PyTorch.

    Args:
        module: on its device.
        precision: "fp32"; "bf16" and "fp16" use autocast.
        compiled: use `torch.compile` with CUDA graphs; pays for many tiles of one shape on CUDA.

    Raises:
        InputError: a precision that this processor computes only by emulation, a hundred times slower.
    """

    name = "torch"

    def __init__(self, module: nn.Module, *, precision: Precision = "fp32", compiled: bool = False) -> None:
        self.module, self.precision, self.compiled = module, precision, compiled
        self.device = next(module.parameters()).device
        require_precision(self.device, precision)
        if compiled and self.device.type != "cuda":
            raise InputError("compiling (torch.compile) pays on CUDA devices alone; leave it out on the CPU.")
        if self.device.type == "cuda":
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._call: Any = torch.compile(module, mode="reduce-overhead") if compiled else module

    def __call__(self, tiles: Tensor, *args: object, **kwargs: object) -> Tensor:
        """(N, channels, *spatial) → logits (N, C, *spatial), float32."""
        with self._scope():
            logits = single_output(self._call(tiles, *args, **kwargs)).float()
        # a CUDA graph writes its next result to the same place
        return logits.clone() if self.compiled else logits

    def _scope(self) -> contextlib.AbstractContextManager[object]:
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        if self.precision in kinds:
            return torch.autocast(self.device.type, dtype=kinds[self.precision])
        return OneDNNForSingleImages() if self.device.type == "cpu" else contextlib.nullcontext()


class OpenVINONetwork:
    """A network compiled by OpenVINO for the CPU, in single precision.

    A network that declares `total_stride` is compiled once for every size; of any other one model per shape is kept.
    `check` compares it with PyTorch on a small tile before it is used.

    Args:
        module: in evaluation mode, on the CPU.
        channels: of its input.
        cache: folder in which converted and compiled models are kept for the next start; None keeps none.
    """

    name = "openvino"

    def __init__(self, module: nn.Module, *, channels: int, cache: Path | None = None) -> None:
        self.module, self.channels, self.cache = module, channels, cache
        self._stride: tuple[int, ...] | None = tuple(s) if (s := getattr(module, "total_stride", None)) else None
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._kept: ConvertedNetwork | None = None
        self._use_kept = False
        self._converted: Any = None

    def __call__(self, tiles: Tensor) -> Tensor:
        """(N, channels, *spatial) → logits (N, C, *spatial), float32."""
        return self.borrow(tiles).clone(memory_format=torch.contiguous_format)

    def borrow(self, tiles: Tensor) -> Tensor:
        """The same logits in OpenVINO's own memory, which the next call overwrites.

        (N, channels, *spatial) → logits (N, C, *spatial).
        """
        size = tiles.shape[2:]
        padding = self._padding(size)
        tiles = (F.pad(tiles, padding) if any(padding) else tiles).detach().contiguous()
        model = self._model(tuple(tiles.shape))
        output = torch.from_numpy(model(tiles.numpy(), share_inputs=True, share_outputs=True)[0])
        crop: Any = (..., *(slice(n) for n in size))
        return output[crop]

    def check(self, tolerance: float = AGREEMENT) -> float:
        """Largest difference to PyTorch on a random tile, relative to the spread of the logits.

        A network that was compiled for every size but fixed some number of its example (attention windows, say) shows
        it on a tile of another size; it is then compiled shape by shape. One that passes is kept in `cache`, and what
        was kept is compared again, on a smaller tile, when it is used.
        """
        if self.cache is not None and self._stride is not None:
            self._kept = ConvertedNetwork(self.cache, self.module)
            self._use_kept = self._kept.there
            if self._use_kept:
                with contextlib.suppress(RuntimeError):  # of a file that OpenVINO does not read
                    if (difference := self._difference((1, 1, 1))) <= tolerance:
                        self._kept.used()
                        return difference
                self._use_kept = False
                self._compiled.clear()  # before the file goes: it may be mapped into memory
                self._kept.forget()
        difference = self._difference()
        if difference > tolerance and self._stride is not None:
            self._stride = None
            self._compiled.clear()
            difference = self._difference()
        elif self._kept is not None and self._converted is not None and difference <= tolerance:
            self._kept.keep(self._converted)
        self._converted = None
        return difference

    def _difference(self, strides: Sequence[int] = (3, 1, 3)) -> float:
        size = [32, 32, 32]
        if self._stride is not None:  # small, and along each axis unlike the example that was traced
            size = [n * max(8, s) for n, s in zip(strides, self._stride, strict=False)]
        tile = torch.randn(1, self.channels, *size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = single_output(self.module(tile))
            return float((self(tile) - expected).abs().max() / expected.std().clamp_min(1e-6))

    def _padding(self, size: torch.Size) -> list[int]:
        stride = self._stride or (1,) * len(size)
        return [p for n, s in zip(reversed(size), reversed(stride), strict=True) for p in (0, -n % s)]

    def _model(self, shape: tuple[int, ...]) -> Any:
        key = shape if self._stride is None else ()
        if key not in self._compiled:
            self._compiled[key] = self._compile(shape)
            while len(self._compiled) > COMPILED_SHAPES:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        core = openvino_core()
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        kept = self._kept if self._use_kept and self._stride is not None else None
        # a conversion that may be kept is compiled from its file at the next start, under another name
        if self.cache is not None and (kept is not None or self._stride is None):
            with contextlib.suppress(OSError):  # a home that cannot be written
                self.cache.mkdir(parents=True, exist_ok=True)
                options["CACHE_DIR"] = str(self.cache)
        if kept is not None:
            return core.compile_model(kept.file, "CPU", options)
        flexible = self._stride is not None
        # tracing runs the network once: a small example suffices where the size is left open
        example = (2, shape[1], *(max(16, 2 * s) for s in self._stride)) if self._stride is not None else shape
        free = [-1, shape[1], *([-1] * (len(shape) - 2))] if flexible else list(shape)
        with torch.no_grad():
            model = openvino_module().convert_model(self.module, example_input=torch.zeros(example), input=[free])
        self._converted = model
        return core.compile_model(model, "CPU", options)


def openvino_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec("openvino") is not None


def require_precision(device: torch.device, precision: Precision) -> None:
    """Refuse what the device cannot compute at speed.

    Raises:
        InputError: bf16 on a CPU without its instructions, fp16 on any CPU, or bf16 on a GPU without it.
    """
    if precision not in ("fp32", "bf16", "fp16"):
        raise InputError(f"there is no precision '{precision}'; use fp32, bf16 or fp16.")
    if precision == "fp16" and device.type == "cpu":
        raise InputError("half precision (fp16) is for CUDA devices; use fp32 on the CPU.")
    if precision != "bf16":
        return
    if device.type == "cpu" and not cpu_has_bf16():
        raise InputError(
            "this processor has no bf16 instructions (avx512_bf16 or amx) and would emulate them a hundred times "
            "slower; use fp32."
        )
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError("this GPU has no bf16; use fp16.")


def cpu_has_bf16() -> bool:
    """Whether the processor computes bf16 itself."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)
