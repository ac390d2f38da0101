"""How a bundle's network is run on this machine: runtime, precision, ensemble, memory; slab by slab."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from monai.data import MetaTensor
from monai.transforms import Activationsd
from torch import Tensor, nn

from monai_unet.bundle_format import BundleParts, load_weights
from monai_unet.errors import InputError
from monai_unet.generators import WithResult
from monai_unet.inferers import (
    Activation,
    Averaged,
    EvenWindowInferer,
    InferenceStep,
    OneDNNForSingleImages,
    OpenVINONetwork,
    Precision,
    Runtime,
    TorchNetwork,
    UnsuitableOutputError,
    activation_bytes_per_voxel,
    agreeing_openvino,
    as_streaming,
    fitted,
    openvino_installed,
    require_runtime,
    stepwise,
)
from monai_unet.transforms import NNUNetLabelsd

OPENVINO_FROM = 100**3
"""Voxels of an image from which compiling the network for OpenVINO pays, in the runtime "auto"."""

OPENVINO_FROM_WINDOWS = 2**19
"""The same for nnU-Net's wide networks, in voxels that the network sees: windows overlap, and may be mirrored."""

logger = logging.getLogger(__name__)


@dataclass
class Used:
    """What a case was computed with, for its provenance; `memory_fallback` says what too little memory changed."""

    runtime: str = "torch"
    inferer: str = ""
    memory_fallback: str = ""


class Engine:
    """The networks of a bundle (one, or the members of an ensemble), ready to run.

    Args:
        parts: the bundle.
        members: weights files of further networks of the same kind; probabilities are averaged.
        runtime: "torch", "openvino", or "auto": OpenVINO on the CPU where it is installed, agrees with PyTorch, and
            the volume is large enough to repay its start.
        precision: "fp32", or "bf16" and "fp16" where the device computes them at speed.
        compiled: use `torch.compile` with CUDA graphs.
        memory_limit: GiB that inference may take; by default four fifths of what is free.

    Raises:
        InputError: a choice that this machine does not offer, or weights that do not fit.
    """

    def __init__(
        self,
        parts: BundleParts,
        *,
        members: Sequence[Path] = (),
        runtime: Runtime = "auto",
        precision: Precision = "fp32",
        compiled: bool = False,
        memory_limit: float | None = None,
    ) -> None:
        require_runtime(runtime)
        if runtime == "openvino" and (parts.device.type != "cpu" or precision != "fp32"):
            raise InputError("OpenVINO computes on the CPU in fp32 here; use --device cpu, or the runtime torch.")
        if memory_limit is not None and memory_limit <= 0:
            raise InputError(f"the memory limit must be more than 0 GiB, got {memory_limit:g}.")
        self.parts, self.runtime, self.precision, self.memory_limit = parts, runtime, precision, memory_limit
        self.streaming = as_streaming(parts.inferer)
        further = [_member(parts, path) for path in members]
        self.modules = [parts.network, *(module for module, _ in further)]
        self.members_sha256 = [sha256 for _, sha256 in further]
        self._torch = [TorchNetwork(module, precision=precision, compiled=compiled) for module in self.modules]
        self._openvino: list[OpenVINONetwork] | None = None
        self._bytes_per_voxel: float | None = None

    def run(self, image: MetaTensor, used: Used) -> Generator[InferenceStep, None, None]:
        """Infer an image (channels, *spatial): one step per tile, with float32 slabs of logits in order."""
        if self.streaming is not None:
            try:
                yield from self._stream(image, used)
                return
            except UnsuitableOutputError as reason:
                logger.info("through MONAI's own inferer, because %s", reason)
                self.streaming = None
        yield from self._at_once(image, used)

    def _stream(self, image: MetaTensor, used: Used) -> Generator[InferenceStep, None, None]:
        assert self.streaming is not None
        networks = self._networks(image)
        inferer, memory_fallback = fitted(
            self.streaming, self.parts.network, self._per_voxel(image), image.shape[1:], self._limit()
        )
        used.runtime, used.inferer, used.memory_fallback = networks[0].name, type(inferer).__name__, memory_fallback
        steps = inferer.stream(image.as_tensor().to(self.parts.device), self._averaged(networks))
        while True:
            # the modes are the thread's own: they must not be left on between two steps, where the caller runs
            with torch.no_grad(), self._autocast():
                step = next(steps, None)
            if step is None:
                used.memory_fallback = getattr(inferer, "memory_fallback", "") or memory_fallback
                return
            yield step

    def _at_once(self, image: MetaTensor, used: Used) -> Generator[InferenceStep, None, None]:
        """Through an inferer that knows no steps: one per call of the network, the whole result with the last."""
        used.inferer = type(self.parts.inferer).__name__
        network = self._averaged(self._torch) if len(self.modules) > 1 else self.parts.network

        def compute(report: Callable[[], None]) -> Tensor:
            def watched(*args: object, **kwargs: object) -> Any:
                with OneDNNForSingleImages():
                    result = network(*args, **kwargs)
                report()
                return result

            with torch.no_grad(), self._autocast():
                return self.parts.inferer(image.as_tensor().to(self.parts.device)[None], watched)[0].float()

        calls = 0
        with contextlib.closing(stepwise(compute)) as run:
            steps = WithResult(run)
            for calls, _ in enumerate(steps, start=1):
                yield InferenceStep(calls, 0)
            yield InferenceStep.last(calls, steps.result)

    def _averaged(self, networks: Sequence[Any]) -> Any:
        return networks[0] if len(networks) == 1 else Averaged(networks, activation=activation_of(self.parts))

    def _networks(self, image: MetaTensor) -> Sequence[TorchNetwork] | Sequence[OpenVINONetwork]:
        """What computes this image: OpenVINO where asked for, or where it pays and agrees with PyTorch."""
        on_cpu = self.parts.device.type == "cpu" and self.precision == "fp32" and openvino_installed()
        pays = on_cpu and image[0].numel() >= OPENVINO_FROM
        if isinstance(self.streaming, EvenWindowInferer):
            pays = on_cpu and self.streaming.computed_voxels(image.shape[1:]) >= OPENVINO_FROM_WINDOWS
        if self.runtime == "torch" or (self.runtime == "auto" and not pays):
            return self._torch
        if self._openvino is None:
            self._openvino = agreeing_openvino(self.modules, channels=image.shape[0], runtime=self.runtime)
        return self._openvino or self._torch

    def _per_voxel(self, image: MetaTensor) -> float:
        """Bytes of activations per voxel; 0 where the network does not take the size that is tried."""
        if self._bytes_per_voxel is None:
            try:
                self._bytes_per_voxel = activation_bytes_per_voxel(self.parts.network, image.shape[0])
            except Exception as error:
                logger.info("memory cannot be foreseen for this network: %s", error)
                self._bytes_per_voxel = 0.0
        return self._bytes_per_voxel

    def _limit(self) -> float:
        """Bytes that inference may take."""
        if self.memory_limit is not None:
            return self.memory_limit * 2**30
        if self.parts.device.type == "cuda":
            return 0.8 * torch.cuda.mem_get_info(self.parts.device)[0]
        return 0.8 * psutil.virtual_memory().available

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.parts.amp and self.parts.device.type == "cuda":
            return torch.autocast("cuda")
        return contextlib.nullcontext()


def activation_of(parts: BundleParts) -> Activation:
    """What turns the bundle's logits into probabilities: "sigmoid" where its postprocessing says so."""
    decided = [t.activation for t in parts.postprocess.transforms if isinstance(t, NNUNetLabelsd)]
    if decided:
        return decided[0]
    activations = [t for t in parts.postprocess.transforms if isinstance(t, Activationsd)]
    return "sigmoid" if any(any(t.sigmoid) for t in activations) else "softmax"


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or CUDA where there is one, else the CPU.

    Raises:
        InputError: CUDA was asked for and there is none.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(f"there is no device called '{device}'; use cpu or cuda.") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError("PyTorch sees no CUDA device on this computer; use --device cpu.")
    return chosen


def _member(parts: BundleParts, path: Path) -> tuple[nn.Module, str]:
    """A further network of an ensemble, and the SHA-256 of the weights that were loaded."""
    network = copy.deepcopy(parts.network)
    sha256 = load_weights(network, path)
    return network.to(parts.device).eval(), sha256
